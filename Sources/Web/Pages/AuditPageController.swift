import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /audit`: the access log for people.
struct AuditPageController {
  let listing: AuditListing
  let pages: PageRenderer

  private static let choices = [
    "what": LogEntry.Action.allCases.map { ($0.rawValue, $0.title) },
    "outcome": LogEntry.Outcome.allCases.map { ($0.rawValue, $0.rawValue.capitalized) },
  ]

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
    let filters = links.filters(Self.choices)
    let hasFilters = !filters.isEmpty
    return [
      "who": query["who"] ?? "", "recording": query["recording"] ?? "", "from": query["from"] ?? "",
      "to": query["to"] ?? "",
      "actions": options(Self.choices["what"] ?? [], query["what"]),
      "outcomes": options(Self.choices["outcome"] ?? [], query["outcome"]),
      "exportURL": QueryLinks.export(query, to: ExportController.auditPath, of: AuditListing.filters),
      "hasFilters": hasFilters, "activeFilters": filters,
      "countText": page.entries.isEmpty
        ? nil : "\(counted(page.entries.count, "entry", plural: "entries")) on this page, newest first",
      "failure": failure, "hasRows": !page.entries.isEmpty,
      "rows": page.entries.map { row($0, admitted.times) },
      "hasPager": page.next != nil || query["cursor"] != nil,
      "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      "emptyNothing": page.entries.isEmpty && !hasFilters,
      "emptyNoMatch": page.entries.isEmpty && hasFilters && failure == nil,
      "emptyText": page.notice ?? "No entries match these filters.",
    ]
  }

  private func row(_ logged: LoggedEntry, _ times: PageTimes) -> [String: Any] {
    let entry = logged.entry
    var row: [String: Any] = [
      "when": times.values(entry.at),
      "roleText": entry.actor.map { $0.kind == .operator ? "Operator" : $0.role.title } ?? "",
      "actionText": entry.title, "recordingText": entry.recording?.description ?? "",
      "outcomeText": entry.outcome.rawValue.capitalized,
      "outcomeTone": entry.outcome == .allowed ? "ok" : entry.outcome == .denied ? "danger" : "warn",
      "whereText": entry.origin?.address ?? "",
    ]
    if let name = entry.actor?.shownName {
      row["whoName"] = name
    } else if LogFilter.ownActions.contains(entry.action) {
      row["whoName"] = LogFilter.ownName
    }
    if let key = entry.recording { row["recordingURL"] = "/play/\(key.pathSegment)" }
    let hidden: Set = ["sha256", "mp3_sha256"]
    var details = entry.details.filter { !hidden.contains($0.key) && !LogEntry.namedInTitle.contains($0.key) }
      .sorted { $0.key < $1.key }
    if entry.action == .audioHeard, let passages = entry.details["passages"].flatMap({ Passages($0) }) {
      details = [("heard", passages.clockText)] + details.filter { $0.key == "sent" }.map { ("sent", $0.value) }
    }
    let texts =
      [entry.countText].compactMap { $0 }
      + details.map { name, value in
        name == "decided" ? "with decided files" : value == HeardController.notSent ? value : "\(name): \(value)"
      }
    if !texts.isEmpty { row["detailText"] = texts.joined(separator: " · ") }
    return row
  }
}
