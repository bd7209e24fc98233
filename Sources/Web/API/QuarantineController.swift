import Access
package import Catalog
import Foundation
import HTTPTypes
import Hummingbird
package import Model

/// The decisions about a quarantined file; the pipeline carries them out.
package struct QuarantineActions: Sendable {
  package typealias Accept =
    @Sendable (
      _ row: QuarantineRow, _ reason: String, _ clearance: Privacy, _ requester: String, _ entry: LogEntry
    ) async throws(TapedeckError) -> JobRow
  package typealias Discard =
    @Sendable (
      _ row: QuarantineRow, _ reason: String, _ requester: String, _ entry: LogEntry
    ) async throws(TapedeckError) -> Void

  package var accept: Accept
  package var discard: Discard

  package init(accept: @escaping Accept, discard: @escaping Discard) {
    self.accept = accept
    self.discard = discard
  }
}

/// `/api/v1/quarantine`: files that were refused, and the decisions about them.
struct QuarantineController {
  let listing: QuarantineListing
  let actions: QuarantineActions?

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/quarantine", .api, permission: .manageJobs, log: .entry(.list, details: ["of": "quarantine"]),
        "A page of downloaded files that were refused, the newest first, and `nextCursor`; with `decided` also those that were accepted or discarded.",
        query: [QuarantineListing.decided, .cursor, .limit(1000, default: 100)],
        responses: [.json(ListAnswer.schema, "A page of files.")], handler: list),
      .admitted(
        .get, "/api/v1/quarantine/{file}", .api, permission: .manageJobs, log: .denials, "One of these files.",
        responses: [.json(FileAnswer.schema, "The file.")], errors: [404]
      ) { admitted in Reply(.json(FileAnswer(try await row(admitted)))) },
      .admitted(
        .post, "/api/v1/quarantine/{file}/accept", .api, permission: .manageJobs, log: .change(.acceptQuarantined),
        "Archives the file as it is. 409 when the file was already accepted or discarded, when the recording is archived, or while a job works on it.",
        body: .json(Decision.schema), responses: [.json(FileAnswer.schema, "The file.")], errors: [404, 409]
      ) { admitted in
        let row = try await row(admitted)
        let reason = try await reason(admitted)
        _ = try await available().accept(
          row, reason, admitted.clearance, admitted.identity.id, entry(admitted, row, reason))
        return Reply(.json(FileAnswer(try await self.row(admitted))))
      },
      .admitted(
        .post, "/api/v1/quarantine/{file}/discard", .api, permission: .manageJobs, log: .change(.discardQuarantined),
        "Removes the file. 409 when it was already accepted or discarded.", body: .json(Decision.schema),
        responses: [.json(FileAnswer.schema, "The file.")], errors: [404, 409]
      ) { admitted in
        let row = try await row(admitted)
        let reason = try await reason(admitted)
        try await available().discard(row, reason, admitted.identity.id, entry(admitted, row, reason))
        return Reply(.json(FileAnswer(try await self.row(admitted))))
      },
    ]
  }

  private func list(_ admitted: Admitted<Void>) async throws -> Reply {
    let page = try await listing.load(admitted, limit: admitted.query.integer("limit").map { Int($0) } ?? 100)
    return Reply(
      .json(ListAnswer(files: page.rows.map(FileAnswer.init), nextCursor: page.next.map { String($0) })),
      .shown(count: Int64(page.rows.count), details: admitted.query.values))
  }

  private func row(_ admitted: Admitted<Void>) async throws(TapedeckError) -> QuarantineRow {
    guard let id = Int64(admitted.incoming.path("file")) else {
      throw TapedeckError.unknownQuarantinedFile
    }
    return try await listing.catalog.quarantined(id, visibleTo: admitted.identity.visibility)
  }

  private func reason(_ admitted: Admitted<Void>) async throws -> String {
    let text = try await admitted.incoming.decode(Decision.self).reason.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !text.isEmpty else { throw TapedeckError(.invalidRequest, "The reason is empty. Give a reason.") }
    guard text.utf8.count <= 1000 else {
      throw TapedeckError(.invalidRequest, "The reason is too long. Give a reason of at most 1,000 bytes.")
    }
    return text
  }

  private func entry(_ admitted: Admitted<Void>, _ row: QuarantineRow, _ reason: String) -> LogEntry {
    admitted.entry(
      recording: row.key,
      details: ["reason": reason, "file": "\(row.id)", "sha256": row.content.hash.rawValue, "found": row.reason])
  }

  private func available() throws(TapedeckError) -> QuarantineActions {
    guard let actions else { throw TapedeckError(.notFound, "This node has no quarantine.") }
    return actions
  }

  private struct Decision: Decodable {
    static let schema = Schema.input("QuarantineDecision", ["reason": .string])
    var reason: String
  }

  private struct ListAnswer: Encodable {
    static let schema = Schema.object("QuarantinePage", ["files": .list(FileAnswer.schema), "nextCursor?": .string])
    let files: [FileAnswer]
    let nextCursor: String?
  }

  private struct FileAnswer: Encodable {
    static let schema = Schema.object(
      "QuarantinedFile",
      [
        "id": .integer, "source": .source, "recordingId": .string, "state": .choice(of: QuarantineRow.State.self),
        "quarantinedAt": .moment, "code": .choice(of: TapedeckError.Code.self), "detail": .string, "bytes": .integer,
        "sha256": .sha256, "node": .string, "path": .string, "platformSeconds?": .integer, "decidedAt?": .moment,
        "decidedBy?": .string,
        "reason?": .string,
      ])
    let id: Int64
    let source: String
    let recordingId: String
    let state: String
    let quarantinedAt: String
    let code: String
    let detail: String
    let bytes: Int64
    let sha256: String
    let node: String
    let path: String
    let platformSeconds: Int?
    let decidedAt: String?
    let decidedBy: String?
    let reason: String?

    init(_ row: QuarantineRow) {
      id = row.id
      source = row.key.source.rawValue
      recordingId = row.key.id.rawValue
      state = row.state.rawValue
      quarantinedAt = row.quarantinedAt.iso8601Milliseconds
      code = row.code.rawValue
      detail = row.reason
      bytes = row.content.bytes
      sha256 = row.content.hash.rawValue
      node = row.node
      path = row.path
      platformSeconds = row.platformSeconds
      decidedAt = row.decidedAt?.iso8601Milliseconds
      decidedBy = row.decidedBy
      reason = row.decision
    }
  }
}
