import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /`: the recordings.
struct ListPageController {
  let listing: RecordingListing
  let system: SystemServices
  let pages: PageRenderer

  /// How many names of agents the form suggests.
  private static let suggestedNames = 300
  private static let choices = [
    "direction": [("outbound", "Outbound"), ("inbound", "Inbound"), ("internal", "Internal")],
    "status": [
      ("ready", "Ready"), ("damaged", "Damaged"), ("under_way", "In progress"), ("failed", "Failed"),
      ("known", "Not archived"),
    ],
    "privacy": [("standard", "Standard"), ("restricted", "Restricted")],
  ]

  var routes: [Route] {
    [
      .admitted(
        .get, "/", .page, permission: .listRecordings, log: .entry(.list), "The recordings.",
        query: RecordingListing.parameters, handler: show)
    ]
  }

  private func show(_ admitted: Admitted<Void>) async throws -> Reply {
    let query = admitted.query
    let filter = listing.filter(query)
    let failure = query.periodFailure
    let (rows, next) = failure == nil ? try await listing.load(admitted, limit: 50) : ([], nil)
    let event = Reply.Event.shown(count: Int64(rows.count), details: query.values)
    // The exact ID of a recording leads to its page.
    if rows.count == 1, let only = rows.first, only.key.id.rawValue == filter.text, let page = only.page {
      return Reply(.seeOther(page), event)
    }
    let links = QueryLinks(path: "/", values: query.values)
    let empty =
      rows.isEmpty && failure == nil
      ? (filter.isEmpty && query["cursor"] == nil ? "emptyNothing" : "emptyNoMatch") : nil
    let text = try render(
      rows.map { row($0, list: links.query, admitted.times) }, next: next, filter: filter, query: query,
      context: admitted.context, visibility: admitted.identity.visibility, empty: empty, failure: failure,
      agentNames: failure == nil
        ? try await listing.catalog.agentNames(visibleTo: admitted.identity.visibility, limit: Self.suggestedNames)
        : [])
    return Reply(.html(text, status: failure == nil ? .ok : .badRequest), event)
  }

  private func render(
    _ rows: [[String: Any]], next: String?, filter: RecordingFilter, query: Query, context: WebContext,
    visibility: Visibility, empty: String?, failure: String?, agentNames: [String]
  ) throws(TapedeckError) -> String {
    let links = QueryLinks(path: "/", values: query.values)
    var values: [String: Any?] = [
      "searchHint": visibility.showsAddresses ? "Words, phone number or ID" : "Words or ID",
      "q": query["q"] ?? "", "agent": query["agent"] ?? "", "from": query["from"] ?? "",
      "to": query["to"] ?? "",
      "directions": options(Self.choices["direction"] ?? [], query["direction"]),
      "statuses": options(Self.choices["status"] ?? [], query["status"]),
      "privacies": options(Self.choices["privacy"] ?? [], query["privacy"]),
      "agentNames": agentNames.map { ["name": $0] },
      "exportURL": QueryLinks.export(query, to: ExportController.recordingsPath, of: RecordingListing.filters),
      "failure": failure, "hasFilters": !filter.isEmpty, "activeFilters": links.filters(Self.choices),
      "countText": rows.isEmpty ? nil : "\(counted(rows.count, "recording")) on this page, newest first",
      "hasRows": !rows.isEmpty, "rows": rows,
      "hasPager": next != nil || query["cursor"] != nil,
      "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": next.map { links.url(setting: "cursor", to: $0) },
      "emptyNothing": false, "emptyNoMatch": false,
      "lookupID": "",
    ]
    if let empty { values[empty] = true }
    // The command reads days in UTC.
    values["exampleFrom"] = String((system.now() + .seconds(-86_400)).iso8601.prefix(10))
    values["exampleTo"] = String(system.now().iso8601.prefix(10))
    if let text = filter.text, let id = RecordingID(text), !text.contains(" ") {
      values["lookupURL"] = "/play/\(id.pathSegment)"
      values["lookupID"] = text
    }
    return try pages.page("recordings", title: "Recordings", context: context, on: .recordings, values)
  }

  private func row(_ visible: VisibleRecording, list: String?, _ times: PageTimes) -> [String: Any] {
    guard let open = visible.open else {
      return ["deniedReason": VisibleRecording.restrictedReason, "tags": [tag("Restricted", "warn")]]
    }
    let facts = open.facts
    var row: [String: Any] = [
      "openURL": playerURL(visible.key, list: list),
      "agentName": facts.agentName ?? facts.agentID ?? "", "customerText": visible.customer ?? "",
      "skillText": facts.skillName ?? facts.campaignName ?? "",
      "directionText": facts.direction.map { $0.rawValue.capitalized } ?? "",
      "durationText": (open.audioDuration ?? facts.durationSeconds.map { .seconds($0) }).map(clock) ?? "",
      "tags": tags(of: visible),
    ]
    if let start = facts.startTime { row["started"] = times.values(start) }
    if let failure = visible.failure { row["failureText"] = failure }
    return row
  }
}

private func tags(of visible: VisibleRecording) -> [[String: String]] {
  var tags: [[String: String]] = []
  switch visible.status {
  case .ready, .damaged: tags += visible.open.map(archiveTags) ?? [tag("Ready", "ok")]
  case .failed: tags.append(tag("Failed", "danger"))
  case .known: tags.append(tag("Not archived", ""))
  case .underway:
    let text =
      switch visible.stage {
      case .queued, nil: "Queued"
      case .awaiting: "Waiting"
      case .fetching: "Downloading"
      case .processing, .ready: "Processing"
      }
    tags.append(tag(text, "info"))
  }
  if visible.privacy == .restricted { tags.append(tag("Restricted", "warn")) }
  return tags
}

func tag(_ text: String, _ tone: String) -> [String: String] { ["tagText": text, "tone": tone] }

func options(_ choices: [(String, String)], _ selected: String?) -> [[String: Any]] {
  ([("", "Any")] + choices).map { ["value": $0.0, "text": $0.1, "selected": $0.0 == (selected ?? "")] }
}

/// Links to the same list with one parameter changed.
struct QueryLinks {
  let path: String
  let values: [String: String]

  func url(setting name: String, to value: String?) -> String {
    var values = values
    values[name] = value
    if name != "cursor" { values["cursor"] = nil }
    return QueryLinks(path: path, values: values).query.map { "\(path)?\($0)" } ?? path
  }

  /// The address of an export of what a page shows. An export reads days in UTC, so those of the reader become moments.
  static func export(_ query: Query, to other: String, of parameters: [QueryParameter]) -> String {
    var values = query.values.filter { value in parameters.contains { $0.name == value.key } }
    values["from"] = query.moment("from")?.iso8601
    values["to"] = query.moment("to", endOfDay: true)?.iso8601
    return QueryLinks(path: other, values: values).query.map { "\(other)?\($0)" } ?? other
  }

  /// The query without its question mark; nil when nothing is set.
  var query: String? {
    let query = values.sorted { $0.key < $1.key }.map { "\(percentEncoded($0.key))=\(percentEncoded($0.value))" }
    return query.isEmpty ? nil : query.joined(separator: "&")
  }

  /// Each filter that is set, in the words of the form, with the address of the list without it.
  ///
  /// - Parameter choices: the choices of each list in the form: value and text.
  func filters(_ choices: [String: [(String, String)]]) -> [[String: String]] {
    let labels = ["q": "Search", "who": "User", "what": "Action"]
    return values.filter { $0.key != "cursor" && $0.key != "limit" }.sorted { $0.key < $1.key }.map { name, value in
      let text = choices[name]?.first { $0.0 == value }?.1 ?? value
      return ["filterText": "\(labels[name] ?? name.capitalized): \(text)", "removeURL": url(setting: name, to: nil)]
    }
  }
}
