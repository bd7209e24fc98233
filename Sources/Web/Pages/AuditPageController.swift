import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /audit`: the access log for people.
struct AuditPageController {
  let listing: AuditListing
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(
        .get, "/audit", .page, permission: .readAccessLog, log: .entry(.readLog), "The access log.",
        query: AuditListing.parameters(maximum: 500)
      ) { admitted in
        let failure = admitted.query.periodFailure
        let page =
          failure == nil ? try await listing.load(admitted.query) : AuditListing.Page(entries: [], next: nil)
        let text = try pages.page(
          "audit", title: "Access log", context: admitted.context, on: .audit,
          values(of: page, admitted, failure: failure))
        return Reply(
          .html(text, status: failure == nil ? .ok : .badRequest),
          .shown(count: Int64(page.entries.count), details: admitted.query.values))
      }
    ]
  }

  private func values(
    of page: AuditListing.Page, _ admitted: Admitted<Void>, failure: String?
  ) -> [String: Any?] {
    let query = admitted.query
    let links = QueryLinks(path: "/audit", values: query.values)
    let hasFilters = !links.filters.isEmpty
    return [
      "who": query["who"] ?? "", "recording": query["recording"] ?? "", "from": query["from"] ?? "",
      "to": query["to"] ?? "",
      "actions": options(LogEntry.Action.allCases.map { ($0.rawValue, $0.title) }, query["what"]),
      "outcomes": options(
        LogEntry.Outcome.allCases.map { ($0.rawValue, $0.rawValue.capitalized) }, query["outcome"]),
      "exportURL": QueryLinks.export(query, to: ExportController.auditPath, of: AuditListing.filters),
      "hasFilters": hasFilters, "activeFilters": links.filters,
      "countText": page.entries.isEmpty
        ? nil : "\(counted(page.entries.count, "entry", "entries")) on this page, newest first",
      "failure": failure, "hasRows": !page.entries.isEmpty,
      "rows": page.entries.map { row($0, admitted.times) },
      "hasPager": page.next != nil || query["cursor"] != nil,
      "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      "emptyNothing": page.entries.isEmpty && !hasFilters,
      "emptyNoMatch": page.entries.isEmpty && hasFilters && failure == nil,
    ]
  }

  private func row(_ logged: LoggedEntry, _ times: PageTimes) -> [String: Any] {
    let entry = logged.entry
    var row: [String: Any] = [
      "when": times.values(entry.at),
      "roleText": entry.actor.map { $0.kind == .operator ? "Operator" : $0.role.title } ?? "",
      "actionText": entry.action.title, "recordingText": entry.recording?.description ?? "",
      "outcomeText": entry.outcome.rawValue.capitalized,
      "outcomeTone": entry.outcome == .allowed ? "ok" : entry.outcome == .denied ? "danger" : "warn",
      "whereText": entry.origin?.address ?? "",
    ]
    if let name = entry.actor?.name {
      row["whoName"] = name
    } else if LogFilter.ownActions.contains(entry.action) {
      row["whoName"] = LogFilter.ownName
    }
    if let key = entry.recording { row["recordingURL"] = "/play/\(key.pathSegment)" }
    var details = entry.details.filter { $0.key != "sha256" && $0.key != "mp3_sha256" }.sorted { $0.key < $1.key }
    if entry.action == .audioHeard, let passages = entry.details["passages"].flatMap({ Passages($0) }) {
      details = [("heard", passages.clockText)]
    }
    let texts = (entry.count.map { [countText($0, of: entry.action)] } ?? []) + details.map { "\($0.key): \($0.value)" }
    if !texts.isEmpty { row["detailText"] = texts.joined(separator: " · ") }
    return row
  }

  private func countText(_ count: Int64, of action: LogEntry.Action) -> String {
    switch action {
    case .archive, .download, .audioSent: counted(count, "byte")
    case .audioHeard: counted(count, "second")
    case .list, .search, .coverage, .readLog: counted(count, "result")
    case .ingest: counted(count, "recording")
    case .anonymous: counted(count, "request")
    default: grouped(count)
    }
  }
}

extension LogEntry.Action {
  /// The text on pages.
  var title: String {
    switch self {
    case .ingest: "Requested ingest"
    case .archive: "Archived"
    case .verify: "Found damage"
    case .repair: "Repaired"
    case .removeObject: "Removed an unused file"
    case .privacyChange: "Privacy changed"
    case .list: "Listed recordings"
    case .export: "Exported"
    case .search: "Searched the platform"
    case .coverage: "Viewed coverage"
    case .backfill: "Changed a back-fill"
    case .view: "Viewed"
    case .listen: "Started playback"
    case .audioSent: "Audio sent"
    case .audioHeard: "Heard (reported by the player)"
    case .download: "Downloaded"
    case .signIn: "Signed in"
    case .signOut: "Signed out"
    case .readLog: "Read the access log"
    case .createAccount: "Created an account"
    case .disableAccount: "Disabled an account"
    case .enableAccount: "Enabled an account"
    case .changeRole: "Changed a role"
    case .resetPassword: "Reset a password"
    case .changePassword: "Changed own password"
    case .endSessions: "Ended sessions"
    case .removeAccount: "Removed an account"
    case .createToken: "Created a token"
    case .revokeToken: "Revoked a token"
    case .retryJob: "Retried a job"
    case .acceptQuarantined: "Accepted a quarantined file"
    case .discardQuarantined: "Discarded a quarantined file"
    case .cancelJob: "Cancelled a job"
    case .anonymous: "Unauthenticated requests"
    }
  }
}
