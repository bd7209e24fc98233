import Access
import Catalog
import Hummingbird
import Model

/// What the address of a list asks for; the address is the state.
struct RecordingQueryString {
  var filter = RecordingFilter()
  /// The last recording of the page before.
  var cursor: RecordingKey?
  /// The parameters as they came, without empty ones, for forms and links.
  var values: [String: String] = [:]

  init(_ request: Request) throws(TapedeckError) {
    for (name, value) in request.uri.queryParameters where !value.isEmpty { values[String(name)] = String(value) }
    filter.text = values["q"]
    filter.agent = values["agent"]
    if let source = values["source"] {
      guard let source = SourceID(source) else { throw Self.malformed("source", "the name of a source") }
      filter.source = source
    }
    filter.direction = try choice("direction")
    filter.privacy = try choice("privacy")
    filter.status = try choice("status")
    filter.from = try moment(values["from"], name: "from", endOfDay: false)
    filter.to = try moment(values["to"], name: "to", endOfDay: true)
    if let text = values["cursor"] {
      guard let cursor = try? RecordingKey(pathSegment: text) else { throw Self.malformedCursor }
      self.cursor = cursor
    }
  }

  func limit(default standard: Int, maximum: Int) throws(TapedeckError) -> Int {
    guard let text = values["limit"] else { return standard }
    guard let limit = Int(text), (1...maximum).contains(limit) else {
      throw Self.malformed("limit", "a number from 1 to \(maximum)")
    }
    return limit
  }

  private func choice<T: RawRepresentable<String> & CaseIterable>(_ name: String) throws(TapedeckError) -> T? {
    guard let text = values[name] else { return nil }
    guard let value = T(rawValue: text) else {
      throw Self.malformed(name, "one of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return value
  }

  static var malformedCursor: TapedeckError { malformed("cursor", "the cursor of an earlier answer") }

  private static func malformed(_ name: String, _ form: String) -> TapedeckError {
    TapedeckError(.invalidRequest, "'\(name)' must be \(form).")
  }
}

/// A day (`YYYY-MM-DD`, UTC) or a moment (ISO 8601). As an end, a day includes itself.
func moment(_ text: String?, name: String, endOfDay: Bool) throws(TapedeckError) -> Instant? {
  guard let text else { return nil }
  if text.utf8.count == 10, let day = Instant(iso8601: "\(text)T00:00:00Z") {
    return endOfDay ? day + .seconds(86_400) : day
  }
  guard let instant = Instant(iso8601: text) else {
    throw TapedeckError(
      .invalidRequest, "'\(name)' must be a day such as 2026-11-12, or a moment such as 2026-11-12T14:00:00Z.")
  }
  return instant
}

/// A page of recordings, with the entry that says who saw how many.
struct RecordingListing {
  let services: WebServices

  func load(
    _ query: RecordingQueryString, limit: Int, for identity: Identity, from origin: LogEntry.Origin
  ) async throws(TapedeckError) -> (rows: [ListedRecording], next: String?) {
    guard Policy.mayList(identity) else {
      try await services.log.record(
        .list, .denied, by: identity, code: .insufficientPermissions, from: origin)
      throw TapedeckError(.insufficientPermissions)
    }
    var rows: [ListedRecording] = []
    if let filter = effective(query.filter, for: identity) {
      rows = try await services.catalog.recordings(
        matching: filter, after: try await place(of: query.cursor), limit: limit + 1)
    }
    let hasMore = rows.count > limit
    if hasMore { rows.removeLast() }
    let next = hasMore ? rows.last?.recording.key.pathSegment : nil
    try await services.log.record(
      .list, by: identity, count: Int64(rows.count), from: origin, details: query.values)
    return (rows, next)
  }

  /// A cursor names a recording and no moment: one that could be made up would tell when a closed call began.
  private func place(of cursor: RecordingKey?) async throws(TapedeckError) -> ListCursor? {
    guard let cursor else { return nil }
    guard let last = try await services.catalog.recording(cursor) else { throw RecordingQueryString.malformedCursor }
    return ListCursor(at: last.sortedAt, id: last.id)
  }

  /// A search by what is hidden would tell it: filters that look into facts leave restricted recordings out for those
  /// who may not see them, and a search for words leaves addresses out for those who see them masked.
  ///
  /// - Returns: nil when that leaves nothing.
  private func effective(_ filter: RecordingFilter, for identity: Identity) -> RecordingFilter? {
    var narrowed = filter
    narrowed.findsAddresses = Policy.maySeeAddresses(identity)
    guard !Policy.allows(.inspect, by: identity, privacy: .restricted), filter.looksInside else { return narrowed }
    guard filter.privacy != .restricted else { return nil }
    narrowed.privacy = .standard
    return narrowed
  }
}

extension RecordingFilter {
  /// Whether it asks for facts that are hidden of a recording that its reader may not see.
  fileprivate var looksInside: Bool {
    text != nil || agent != nil || direction != nil || from != nil || to != nil
  }
}
