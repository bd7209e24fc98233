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

  func recording(_ id: RecordingID) async throws(TapedeckError) -> PlatformRecording { try await facts(id) }

  func search(_ query: RecordingQuery, cursor: String?, pageSize: Int) async throws(TapedeckError) -> SearchPage {
    SearchPage(recordings: [], nextCursor: nil)
  }

  func download(
    _ id: RecordingID, state: DownloadState, into sink: some DownloadSink,
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

  func checkAccess() async -> [AccessCheck] { [] }
}
