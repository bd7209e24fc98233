import Access
import Catalog
import Hummingbird
import Model

/// A page of recordings.
struct RecordingListing {
  let catalog: Catalog

  static let filters: [QueryParameter] = [
    QueryParameter(
      "q", .text,
      "Words or their beginnings, digits of a phone number (not for agents), or the ID of a recording."),
    .source,
    QueryParameter("agent", .text, "Part of an agent's name, without regard to case and accents; or an agent's ID."),
    .choice("direction", Direction.self, "The direction of the call."),
    .choice("privacy", Privacy.self, "The privacy of the recording."),
    .choice(
      "status", ListedStatus.self, "Whether it is archived; `damaged`: archived, but a file is damaged or missing."),
    QueryParameter("from", .moment, "A day in UTC or a timestamp."),
    QueryParameter("to", .moment, "A day in UTC, included, or a timestamp."),
  ]

  static let parameters =
    filters + [
      QueryParameter("cursor", .recordingKey, "`nextCursor` of the previous page.")
    ]

  func filter(_ query: Query) -> RecordingFilter {
    var filter = RecordingFilter()
    filter.text = query["q"]
    filter.agent = query["agent"]
    filter.source = query.source
    filter.direction = query.choice("direction")
    filter.privacy = query.choice("privacy")
    filter.status = query.choice("status")
    filter.from = query.moment("from")
    filter.to = query.moment("to", endOfDay: true)
    return filter
  }

  func load(
    _ admitted: Admitted<Void>, limit: Int
  ) async throws(TapedeckError) -> (rows: [VisibleRecording], next: String?) {
    try admitted.query.requirePeriod()
    let visibility = admitted.identity.visibility
    let cursor = admitted.query["cursor"].flatMap { try? RecordingKey(pathSegment: $0) }
    var rows = try await catalog.recordings(
      matching: filter(admitted.query), visibleTo: visibility, after: try await place(of: cursor), limit: limit + 1)
    let hasMore = rows.count > limit
    if hasMore { rows.removeLast() }
    return (
      rows.map { VisibleRecording($0, for: visibility) }, hasMore ? rows.last?.recording.key.pathSegment : nil
    )
  }

  /// A cursor names a recording instead of a moment, as a made-up moment would reveal when a restricted call began.
  private func place(of cursor: RecordingKey?) async throws(TapedeckError) -> ListCursor? {
    guard let cursor else { return nil }
    guard let last = try await catalog.recording(cursor) else {
      throw TapedeckError(.invalidRequest, "'cursor' must be the cursor of an earlier response.")
    }
    return ListCursor(at: last.sortedAt, id: last.id)
  }
}
