import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /api/v1/audit`: the access log for programs.
struct AuditController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/audit") { request, context in
      let page = try await AuditListing(services: services).load(request, context, limit: 100, maximum: 1000)
      return Response.json(
        Answer(entries: page.entries.map(EntryAnswer.init), nextCursor: page.next.map(String.init)))
    }
  }

  private struct Answer: Encodable {
    let entries: [EntryAnswer]
    let nextCursor: String?
  }
}

/// A page of the access log. Reading the log is in the log.
struct AuditListing {
  let services: WebServices

  struct Page {
    var entries: [LoggedEntry]
    var next: Int64?
    var values: [String: String]
  }

  func load(_ request: Request, _ context: WebContext, limit standard: Int, maximum: Int) async throws(TapedeckError)
    -> Page
  {
    let identity = try context.requireIdentity()
    let origin = context.origin(of: request)
    guard Policy.mayReadAccessLog(identity) else {
      try await services.log.record(.readLog, .denied, by: identity, code: .insufficientPermissions, from: origin)
      throw TapedeckError(.insufficientPermissions)
    }
    var values: [String: String] = [:]
    for (name, value) in request.uri.queryParameters where !value.isEmpty { values[String(name)] = String(value) }
    var filter = LogFilter()
    filter.who = values["who"]
    filter.action = try choice(values, "what")
    filter.outcome = try choice(values, "outcome")
    if let recording = values["recording"] {
      guard let id = RecordingID(recording) else { throw TapedeckError(.invalidRecordingID) }
      guard let source = SourceID(values["source"] ?? "default") else {
        throw TapedeckError(.invalidRequest, "'source' must be the name of a source.")
      }
      filter.recording = RecordingKey(source: source, id: id)
    }
    filter.from = try moment(values["from"], name: "from", endOfDay: false)
    filter.to = try moment(values["to"], name: "to", endOfDay: true)
    var limit = standard
    if let text = values["limit"] {
      guard let number = Int(text), (1...maximum).contains(number) else {
        throw TapedeckError(.invalidRequest, "'limit' must be a number from 1 to \(maximum).")
      }
      limit = number
    }
    var before: Int64?
    if let text = values["cursor"] {
      guard let number = Int64(text) else {
        throw TapedeckError(.invalidRequest, "'cursor' must be the cursor of an earlier answer.")
      }
      before = number
    }
    var entries = try await services.catalog.logEntries(matching: filter, before: before, limit: limit + 1)
    let hasMore = entries.count > limit
    if hasMore { entries.removeLast() }
    try await services.log.record(.readLog, by: identity, count: Int64(entries.count), from: origin, details: values)
    return Page(entries: entries, next: hasMore ? entries.last?.id : nil, values: values)
  }

  private func choice<T: RawRepresentable<String> & CaseIterable>(
    _ values: [String: String], _ name: String
  ) throws(TapedeckError) -> T? {
    guard let text = values[name] else { return nil }
    guard let value = T(rawValue: text) else {
      throw TapedeckError(
        .invalidRequest, "'\(name)' must be one of \(T.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    return value
  }
}

/// An entry of the access log as programs see it.
struct EntryAnswer: Encodable {
  struct Actor: Encodable {
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
  /// The bytes that are kept for good, as they are stored.
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
