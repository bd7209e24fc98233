import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /audit`: the access log for people.
struct AuditPageController {
  let services: WebServices
  let pages: PageRenderer

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("audit") { request, context in
      let page = try await AuditListing(services: services).load(request, context, limit: 100, maximum: 500)
      return Response.html(try pages.page("audit", title: "Access log", context: context, on: .audit, values(of: page)))
    }
  }

  private func values(of page: AuditListing.Page) -> [String: Any?] {
    let links = QueryLinks(path: "/audit", values: page.values)
    let hasFilters = !links.filters.isEmpty
    return [
      "who": page.values["who"] ?? "", "recording": page.values["recording"] ?? "", "from": page.values["from"] ?? "",
      "to": page.values["to"] ?? "",
      "actions": options(LogEntry.Action.allCases.map { ($0.rawValue, $0.title) }, page.values["what"]),
      "outcomes": options(
        LogEntry.Outcome.allCases.map { ($0.rawValue, $0.rawValue.capitalized) }, page.values["outcome"]),
      "hasFilters": hasFilters, "activeFilters": links.filters,
      "countText": page.entries.isEmpty ? nil : "\(page.entries.count) entries shown, newest first",
      "hasRows": !page.entries.isEmpty, "rows": page.entries.map(row),
      "hasPager": page.next != nil || page.values["cursor"] != nil,
      "newestURL": page.values["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      "emptyNothing": page.entries.isEmpty && !hasFilters, "emptyNoMatch": page.entries.isEmpty && hasFilters,
      "emptyError": false,
    ]
  }

  private func row(_ logged: LoggedEntry) -> [String: Any] {
    let entry = logged.entry
    var row: [String: Any] = [
      "whenISO": entry.at.iso8601Milliseconds, "whenText": longTime(entry.at),
      "roleText": entry.actor.map { $0.kind == .operator ? "Operator" : $0.role.title } ?? "",
      "actionText": entry.action.title, "recordingText": entry.recording?.description ?? "",
      "outcomeText": entry.outcome.rawValue.capitalized,
      "outcomeTone": entry.outcome == .allowed ? "ok" : entry.outcome == .denied ? "danger" : "warn",
      "whereText": entry.origin?.address ?? "",
    ]
    if let name = entry.actor?.name {
      row["whoName"] = name
    } else if [.archive, .verify, .repair, .privacyChange, .ingest].contains(entry.action) {
      row["whoName"] = "Tapedeck"
    }
    if let key = entry.recording { row["recordingURL"] = "/play/\(key.pathSegment)" }
    let details = entry.details.filter { $0.key != "sha256" && $0.key != "mp3_sha256" }.sorted { $0.key < $1.key }
    let words = (entry.count.map { [grouped($0)] } ?? []) + details.map { "\($0.key) \($0.value)" }
    if !words.isEmpty { row["detailText"] = words.joined(separator: " · ") }
    return row
  }
}

extension LogEntry.Action {
  /// As people read it.
  var title: String {
    switch self {
    case .ingest: "Asked for ingest"
    case .archive: "Archived"
    case .verify: "Found damaged"
    case .repair: "Repaired"
    case .privacyChange: "Privacy changed"
    case .list: "Listed recordings"
    case .search: "Searched the platform"
    case .coverage: "Looked at the coverage"
    case .backfill: "Changed a back-fill"
    case .view: "Viewed"
    case .listen: "Listened"
    case .download: "Downloaded"
    case .signIn: "Signed in"
    case .signOut: "Signed out"
    case .readLog: "Read the access log"
    case .createAccount: "Made an account"
    case .createToken: "Made a token"
    case .revokeToken: "Revoked a token"
    case .retryJob: "Retried a job"
    case .cancelJob: "Stopped a job"
    case .anonymous: "Without identity"
    }
  }
}
