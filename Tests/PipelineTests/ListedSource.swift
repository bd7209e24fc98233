import CXone
import Model
import NIOCore
import Synchronization

/// A tenant that lists the calls a test specifies and records the requests.
final class ListedSource: RecordingSource {
  struct State {
    var recordings: [PlatformRecording] = []
    var pageSize = 500
    var queries: [RecordingQuery] = []
    var searches = 0
    /// Runs before the search with this number, counted from 1, is answered.
    var events: [Int: @Sendable () async throws -> Void] = [:]
    /// Whether every page has a successor.
    var isEndless = false
    /// Whether every page has the first recordings again and a new cursor.
    var repeats = false
    /// Rows without a usable ID, at the end of the last page.
    var unidentified: [UnidentifiedRow] = []
    /// The order of the list.
    var arrange: @Sendable ([PlatformRecording]) -> [PlatformRecording] = { $0 }
    /// Recordings in every list, whatever their start.
    var misplaced: [PlatformRecording] = []
    /// What every page says about the list.
    var notes = ListNotes()
    /// The media of recordings.
    var files: [RecordingID: [UInt8]] = [:]
    /// The changed calls; nil when the source does not list changes.
    var changes: [PlatformRecording]?
    /// Since when changes were listed.
    var changesSince: [Instant] = []
    /// How many rows without a usable ID follow a call, on the same page.
    var unidentifiedAfter: [String: Int] = [:]
  }

  let id: SourceID
  private let state = Mutex(State())

  init(_ id: SourceID = .default, _ recordings: [PlatformRecording] = []) {
    self.id = id
    change { $0.recordings = recordings }
  }

  func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

  /// The requested spans: the first page of each.
  var queries: [RecordingQuery] { state.withLock { $0.queries } }
  var searches: Int { state.withLock { $0.searches } }

  func add(_ recordings: PlatformRecording...) { change { $0.recordings += recordings } }

  var policy: SourcePolicy {
    SourcePolicy(waiting: .polls, rereadsPrivacy: true, duration: .exact, pageSize: 500,
      listsChanges: state.withLock { $0.changes != nil })
  }

  var changesSince: [Instant] { state.withLock { $0.changesSince } }

  /// One call on each page.
  func listChanges(since start: Instant, bookmark: String?) async throws(TapedeckError) -> ListPage {
    state.withLock { state in
      if bookmark == nil { state.changesSince.append(start) }
      let index = bookmark.flatMap { Int($0) } ?? 0
      let all = state.changes ?? []
      return ListPage(
        recordings: Array(all.dropFirst(index).prefix(1)), nextCursor: index + 1 < all.count ? "\(index + 1)" : nil)
    }
  }

  func list(_ query: RecordingQuery, bookmark cursor: String?) async throws(TapedeckError) -> ListPage {
    let event = state.withLock { state in
      state.searches += 1
      if cursor == nil { state.queries.append(query) }
      return state.events.removeValue(forKey: state.searches)
    }
    do { try await event?() } catch { throw error as? TapedeckError ?? TapedeckError(.interrupted) }
    return state.withLock { state in
      let sorted = state.recordings.filter { recording in
        let start = recording.startTime ?? query.start
        return query.start <= start && start < query.end
          && (query.direction == nil || recording.direction == query.direction)
      }.sorted { ($0.startTime?.milliseconds ?? 0, $0.id.rawValue) < ($1.startTime?.milliseconds ?? 0, $1.id.rawValue) }
      let matching = state.misplaced + state.arrange(sorted)
      let start = cursor.flatMap { Int($0) } ?? 0
      let first = state.repeats ? 0 : start
      let page = Array(matching.dropFirst(first).prefix(state.pageSize))
      let next = first + page.count
      let isLast = next >= matching.count
      var unidentified: [UnidentifiedRow] = []
      for (index, recording) in page.enumerated() {
        for _ in 0..<(state.unidentifiedAfter[recording.id.rawValue] ?? 0) {
          unidentified.append(
            UnidentifiedRow(
              position: index + 2 + unidentified.count, reason: "The row has no ID.", fingerprint: "same"))
        }
      }
      var result = ListPage(
        recordings: page, unidentified: unidentified + (isLast ? state.unidentified : []),
        nextCursor: state.repeats
          ? "\(start + 1)"
          : next < matching.count || state.isEndless ? "\(next + (page.isEmpty ? 1 : 0))" : nil)
      result.notes = state.notes
      return result
    }
  }

  func locate(_ id: RecordingID) async throws(TapedeckError) -> Located {
    guard let found = state.withLock({ $0.recordings.first { $0.id == id } }) else {
      throw TapedeckError(.unknownRecording)
    }
    return Located(found)
  }

  func download(
    _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    guard let file = self.state.withLock({ $0.files[part.recording] }) else { throw TapedeckError(.unknownRecording) }
    let final = DownloadState(etag: "\"listed\"", totalBytes: Int64(file.count))
    if state != final { try await sink.cut(to: 0) }
    try await onState(final)
    let held = Int(await sink.length)
    if held < file.count { try await sink.append(ByteBuffer(bytes: file[held...])) }
    return final
  }

  func checks() async -> [SourceCheck] { [SourceCheck("List", remedy: "None is needed.")] }
}

/// A call that began at a time such as `2026-01-14T10:00:00Z`.
func call(
  _ name: String, at moment: String, _ change: (inout PlatformRecording) -> Void = { _ in }
) throws -> PlatformRecording {
  guard let id = RecordingID(name), let start = Instant(iso8601: moment) else { throw TapedeckError(.invalidRequest) }
  var call = PlatformRecording(id: id, status: .available, privacy: .standard)
  call.startTime = start
  call.direction = .outbound
  change(&call)
  return call
}
