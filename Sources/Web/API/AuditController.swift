import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /api/v1/audit`: the access log for programs.
struct AuditController {
  let listing: AuditListing

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/audit", .api, permission: .readAccessLog, log: .entry(.readLog),
        "A page of the access log, the newest entry first, and `nextCursor`; `notice`, a sentence, when no account or token has the name in `who`.",
        query: AuditListing.parameters(maximum: 1000), responses: [.json(Answer.schema, "A page of entries.")]
      ) { admitted in
        let page = try await listing.load(admitted.query)
        return Reply(
          .json(
            Answer(
              entries: page.entries.map(EntryAnswer.init), nextCursor: page.next.map(String.init),
              notice: page.notice)),
          .shown(count: Int64(page.entries.count), details: admitted.query.values))
      }
    ]
  }

  private struct Answer: Encodable {
    static let schema = Schema.object(
      "AuditPage", ["entries": .list(EntryAnswer.schema), "nextCursor?": .string, "notice?": .string])
    let entries: [EntryAnswer]
    let nextCursor: String?
    /// Why there are no entries, when `who` names no actor.
    let notice: String?
  }
}

/// A page of the access log.
struct AuditListing {
  let catalog: Catalog

  struct Page {
    var entries: [LoggedEntry]
    var next: Int64?
    /// Why there are no entries, as a sentence; nil when the filters are the reason.
    var notice: String?
  }

  static let filters: [QueryParameter] = [
    QueryParameter(
      "who", .text,
      "Name or ID of an account, token or operator, also of a removed one; `Tapedeck` for the server itself."),
    .choice("what", LogEntry.Action.self, "What was done."),
    .choice("outcome", LogEntry.Outcome.self, "How it ended."),
    QueryParameter("recording", .recording, "The platform's ID of a recording."), .source,
    QueryParameter("from", .moment, "A day in UTC or a timestamp."),
    QueryParameter("to", .moment, "A day in UTC, included, or a timestamp."),
  ]

  static func parameters(maximum: Int64) -> [QueryParameter] { filters + [.cursor, .limit(maximum, default: 100)] }

  func filter(_ query: Query) -> LogFilter {
    var filter = LogFilter()
    filter.who = query["who"].map { SystemUsers.operatorID(named: $0) ?? $0 }
    filter.action = query.choice("what")
    filter.outcome = query.choice("outcome")
    if let recording = query["recording"].flatMap({ RecordingID($0) }) {
      filter.recording = RecordingKey(source: query.source ?? .default, id: recording)
    }
    filter.from = query.moment("from")
    filter.to = query.moment("to", endOfDay: true)
    return filter
  }

  func load(_ query: Query) async throws(TapedeckError) -> Page {
    try query.requirePeriod()
    let limit = query.integer("limit").map { Int($0) } ?? 100
    var entries = try await catalog.logEntries(
      matching: filter(query), before: query.integer("cursor"), limit: limit + 1)
    let hasMore = entries.count > limit
    if hasMore { entries.removeLast() }
    return Page(
      entries: entries, next: hasMore ? entries.last?.id : nil,
      notice: entries.isEmpty ? try await unknownActor(query) : nil)
  }

  /// A sentence that says that `who` names no actor; nil when it does.
  private func unknownActor(_ query: Query) async throws(TapedeckError) -> String? {
    guard let who = query["who"], SystemUsers.operatorID(named: who) == nil, try await !catalog.hasActor(named: who)
    else { return nil }
    return "No account or token is named '\(who)'."
  }
}

/// An entry of the access log as programs see it.
struct EntryAnswer: Encodable {
  static let schema = Schema.object(
    "LogEntry",
    [
      "number": .integer, "at": .moment, "actor?": Actor.schema, "action": .choice(of: LogEntry.Action.self),
      "outcome": .choice(of: LogEntry.Outcome.self), "source?": .source, "recordingId?": .string, "count?": .integer,
      "code?": .string, "address?": .string, "userAgent?": .string, "requestId?": .string, "details": .map(.string),
      "canonical": .string,
    ])

  struct Actor: Encodable {
    static let schema = Schema.object(
      "Actor", ["id": .string, "kind": .string, "name": .string, "role": .choice(of: Role.self)])
    let id: String
    let kind: String
    let name: String
    let role: String
  }

  let number: Int64
  let at: String
  let actor: Actor?
  let action: String
  let outcome: String
  let source: String?
  let recordingId: String?
  let count: Int64?
  let code: String?
  let address: String?
  let userAgent: String?
  let requestId: String?
  let details: [String: String]
  /// The bytes that are never erased, as they are stored.
  let canonical: String

  init(_ logged: LoggedEntry) {
    let entry = logged.entry
    number = logged.id
    at = entry.at.iso8601Milliseconds
    actor = entry.actor.map { Actor(id: $0.id, kind: $0.kind.rawValue, name: $0.name, role: $0.role.rawValue) }
    action = entry.action.rawValue
    outcome = entry.outcome.rawValue
    source = entry.recording?.source.rawValue
    recordingId = entry.recording?.id.rawValue
    count = entry.count
    code = entry.code?.rawValue
    address = entry.origin?.address
    userAgent = entry.origin?.userAgent
    requestId = entry.origin?.requestID
    details = entry.details
    canonical = String(decoding: logged.canonical, as: UTF8.self)
  }
}
