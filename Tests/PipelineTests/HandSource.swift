import CXone
import Model
import NIOCore

/// A tenant whose downloads a test writes by hand.
struct HandSource: RecordingSource {
  typealias Download = @Sendable (any DownloadSink, DownloadState) async throws -> DownloadState

  let id = SourceID.default
  var facts: @Sendable (RecordingID) async throws(TapedeckError) -> PlatformRecording = { id in
    PlatformRecording(id: id, status: .available, privacy: .standard)
  }
  let download: Download

  init(_ download: @escaping Download) { self.download = download }

  /// A source whose every download has these bytes.
  init(bytes: [UInt8]) {
    self.init { sink, _ in
      try await sink.append(ByteBuffer(bytes: bytes))
      return DownloadState(totalBytes: Int64(bytes.count))
    }
  }

  var policy = SourcePolicy(
    waiting: .polls, rereadsPrivacy: true, duration: .exact, pageSize: 500, listsChanges: false, locationLasts: true)

  func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage {
    ListPage(recordings: [], nextCursor: nil)
  }

  func locate(_ id: RecordingID) async throws(TapedeckError) -> Located { Located(try await facts(id)) }

  func download(
    _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    do {
      let state = try await download(sink, state)
      try await onState(state)
      return state
    } catch {
      throw Task.isCancelled ? TapedeckError(.interrupted) : error as? TapedeckError ?? TapedeckError(.internalError)
    }
  }

  func checks() async -> [SourceCheck] { [] }
}
