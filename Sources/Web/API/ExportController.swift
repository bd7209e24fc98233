import Catalog
import Hummingbird
import Model

/// `GET /api/v1/recordings.csv` and `GET /api/v1/audit.csv`: whole lists as CSV, with the filters and the visibility of
/// the lists themselves.
struct ExportController {
  let recordings: RecordingListing
  let entries: AuditListing
  let now: @Sendable () -> Instant

  static let recordingsPath = "/api/v1/recordings.csv"
  static let auditPath = "/api/v1/audit.csv"
  private static let pageSize = 500

  var routes: [Route] {
    let csv = ResponseDescription.other(
      "text/csv", "RFC 4180 in UTF-8, with a header; the columns are named as in JSON.")
    return [
      .admitted(
        .get, Self.recordingsPath, .api, permission: .listRecordings,
        log: .entry(.export, details: ["list": "recordings"]),
        "All recordings that match, as CSV, the newest call first.", query: RecordingListing.filters, responses: [csv],
        handler: exportRecordings),
      .admitted(
        .get, Self.auditPath, .api, permission: .readAccessLog, log: .entry(.export, details: ["list": "access log"]),
        "All entries of the access log that match, as CSV, the newest first.", query: AuditListing.filters,
        responses: [csv], handler: exportEntries),
    ]
  }

  private func name(_ list: String) -> String { "tapedeck-\(list)-\(now().iso8601.prefix(10)).csv" }

  private func exportRecordings(_ admitted: Admitted<Void>) async throws -> Reply {
    try admitted.query.requirePeriod()
    let filter = recordings.filter(admitted.query)
    let visibility = admitted.identity.visibility
    let response = CSV.response(name: name("recordings"), header: RecordingAnswer.columns) {
      [catalog = recordings.catalog] (cursor: ListCursor?) in
      let rows = try await catalog.recordings(
        matching: filter, visibleTo: visibility, after: cursor, limit: Self.pageSize)
      let next =
        rows.count < Self.pageSize ? nil : rows.last.map { ListCursor(at: $0.recording.sortedAt, id: $0.recording.id) }
      return (rows.map { RecordingAnswer(VisibleRecording($0, for: visibility)).fields }, next)
    }
    return Reply(response, .shown(details: admitted.query.values))
  }

  private func exportEntries(_ admitted: Admitted<Void>) async throws -> Reply {
    try admitted.query.requirePeriod()
    let filter = entries.filter(admitted.query)
    let response = CSV.response(name: name("access-log"), header: EntryAnswer.columns) {
      [catalog = entries.catalog] (before: Int64?) in
      let page = try await catalog.logEntries(matching: filter, before: before, limit: Self.pageSize)
      return (page.map { EntryAnswer($0).fields }, page.count < Self.pageSize ? nil : page.last?.id)
    }
    return Reply(response, .shown(details: admitted.query.values))
  }
}

extension RecordingAnswer {
  static let columns = [
    "id", "source", "status", "privacy", "restrictedReason", "startTime", "durationSeconds", "audioSeconds",
    "direction",
    "agentId", "agentName", "skillName", "campaignName", "fromAddress", "toAddress", "contactId", "disposition",
    "archivedAt", "playerUrl", "failure", "warning", "damage", "verifiedAt", "missingParts",
  ]

  var fields: [String?] {
    [
      id, source, status, privacy, restrictedReason, startTime, durationSeconds.map(String.init),
      audioSeconds.map { "\($0)" }, direction, agentId, agentName, skillName, campaignName, fromAddress, toAddress,
      contactId, disposition, archivedAt, playerUrl, failure, warning, damage, verifiedAt,
      missingParts.map { parts in parts.map { "\($0.part)" }.joined(separator: " ") },
    ]
  }
}

extension EntryAnswer {
  static let columns = [
    "number", "at", "actorId", "actorKind", "actorName", "actorRole", "action", "outcome", "source", "recordingId",
    "count", "code", "address", "userAgent", "requestId", "details",
  ]

  var fields: [String?] {
    let details = details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")
    return [
      "\(number)", at, actor?.id, actor?.kind, actor?.name, actor?.role, action, outcome, source, recordingId,
      count.map(String.init), code, address, userAgent, requestId, details,
    ]
  }
}
