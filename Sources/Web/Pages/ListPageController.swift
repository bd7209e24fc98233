import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /`: the recordings.
struct ListPageController {
  let services: WebServices
  let pages: PageRenderer

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("/") { request, context in try await show(request, context) }
  }

  private func show(_ request: Request, _ context: WebContext) async throws -> Response {
    let identity = try context.requireIdentity()
    let query = try RecordingQueryString(request)
    guard Policy.mayList(identity) else {
      try await services.log.record(
        .list, .denied, by: identity, code: .insufficientPermissions, from: context.origin(of: request))
      return .html(
        try render([], next: nil, query: query, context: context, empty: "emptyNotAllowed"), status: .forbidden)
    }
    let (rows, next) = try await RecordingListing(services: services)
      .load(query, limit: 50, for: identity, from: context.origin(of: request))
    // An exact id goes straight to its call.
    if rows.count == 1, let only = rows.first?.recording, only.key.id.rawValue == query.filter.text,
      Policy.allows(.inspect, by: identity, privacy: only.facts.privacy)
    {
      return .seeOther("/play/\(only.key.pathSegment)")
    }
    let empty = rows.isEmpty ? (query.filter.isEmpty && query.cursor == nil ? "emptyNothing" : "emptyNoMatch") : nil
    return .html(
      try render(
        rows.map { row($0, for: identity) }, next: next, query: query, context: context, empty: empty))
  }

  private func render(
    _ rows: [[String: Any]], next: String?, query: RecordingQueryString, context: WebContext, empty: String?
  ) throws(TapedeckError) -> String {
    let links = QueryLinks(path: "/", values: query.values)
    var values: [String: Any?] = [
      "q": query.values["q"] ?? "", "agent": query.values["agent"] ?? "", "from": query.values["from"] ?? "",
      "to": query.values["to"] ?? "",
      "directions": options(
        [("outbound", "Outbound"), ("inbound", "Inbound"), ("internal", "Internal")], query.values["direction"]),
      "statuses": options(
        [("ready", "Ready"), ("under_way", "Under way"), ("failed", "Failed"), ("known", "Not archived")],
        query.values["status"]),
      "privacies": options([("standard", "Standard"), ("restricted", "Restricted")], query.values["privacy"]),
      "hasFilters": !query.filter.isEmpty, "activeFilters": links.filters,
      "countText": rows.isEmpty ? nil : "\(rows.count) recordings shown, newest first",
      "hasRows": !rows.isEmpty, "rows": rows,
      "hasPager": next != nil || query.cursor != nil,
      "newestURL": query.cursor == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": next.map { links.url(setting: "cursor", to: $0) },
      "emptyNothing": false, "emptyNoMatch": false, "emptyNotAllowed": false, "emptyError": false,
      "lookupID": "",
    ]
    if let empty { values[empty] = true }
    let yesterday = services.surroundings.now().milliseconds - 86_400_000
    values["exampleFrom"] = String(Instant(milliseconds: yesterday).iso8601.prefix(10))
    values["exampleTo"] = String(services.surroundings.now().iso8601.prefix(10))
    if let text = query.filter.text, let id = RecordingID(text), !text.contains(" ") {
      values["lookupURL"] = "/play/\(id.pathSegment)"
      values["lookupID"] = text
    }
    return try pages.page("recordings", title: "Recordings", context: context, on: .recordings, values)
  }

  private func row(_ listed: ListedRecording, for identity: Identity) -> [String: Any] {
    let recording = listed.recording
    let facts = recording.facts
    guard Policy.allows(.inspect, by: identity, privacy: facts.privacy) else {
      return ["deniedReason": "Restricted: ask a supervisor", "tags": [tag("Restricted", "warn")]]
    }
    var row: [String: Any] = [
      "openURL": "/play/\(recording.key.pathSegment)",
      "startedISO": facts.startTime?.iso8601 ?? "", "startedText": facts.startTime.map(longTime) ?? "Unknown",
      "agentName": facts.agentName ?? facts.agentID ?? "", "customerText": customer(of: facts, for: identity),
      "skillText": facts.skillName ?? facts.campaignName ?? "",
      "directionText": facts.direction.map { $0.rawValue.capitalized } ?? "",
      "durationText": (recording.audioDuration ?? facts.durationSeconds.map { .seconds($0) }).map(clock) ?? "",
      "tags": tags(of: listed),
    ]
    if listed.status == .failed, let message = listed.failureMessage { row["failureText"] = message }
    return row
  }
}

/// The customer's number: who was called, or who called; hidden but for its end from agents.
func customer(of facts: PlatformRecording, for identity: Identity) -> String {
  let number = facts.direction == .inbound ? facts.fromAddress : facts.toAddress
  guard let number else { return "" }
  return Policy.maySeeAddresses(identity) ? number : masked(number)
}

func tags(of listed: ListedRecording) -> [[String: String]] {
  var tags: [[String: String]] = []
  switch listed.status {
  case .ready: tags.append(tag("Ready", "ok"))
  case .failed: tags.append(tag("Failed", "danger"))
  case .known: tags.append(tag("Not archived", ""))
  case .underway:
    let text =
      switch listed.stage {
      case .queued, nil: "Queued"
      case .awaiting: "Waiting"
      case .fetching: "Fetching"
      case .processing, .ready: "Processing"
      }
    tags.append(tag(text, "info"))
  }
  if listed.recording.damage != nil { tags.append(tag("Damaged", "danger")) }
  if listed.recording.facts.privacy == .restricted { tags.append(tag("Restricted", "warn")) }
  return tags
}

func tag(_ text: String, _ tone: String) -> [String: String] { ["tagText": text, "tone": tone] }

func options(_ choices: [(String, String)], _ selected: String?) -> [[String: Any]] {
  ([("", "Any")] + choices).map { ["value": $0.0, "text": $0.1, "selected": $0.0 == (selected ?? "")] }
}

/// The addresses of a list that differ from the current one in a parameter.
struct QueryLinks {
  let path: String
  let values: [String: String]

  func url(setting name: String, to value: String?) -> String {
    var values = values
    values[name] = value
    if name != "cursor" { values["cursor"] = nil }
    let query = values.sorted { $0.key < $1.key }.map { "\(queryEncoded($0.key))=\(queryEncoded($0.value))" }
    return query.isEmpty ? path : "\(path)?\(query.joined(separator: "&"))"
  }

  /// One for each filter that is set, with the address without it.
  var filters: [[String: String]] {
    values.filter { $0.key != "cursor" && $0.key != "limit" }.sorted { $0.key < $1.key }.map { name, value in
      [
        "filterText": "\(name == "q" ? "Search" : name.capitalized): \(value)",
        "removeURL": url(setting: name, to: nil),
      ]
    }
  }
}
