import Model
import Synchronization

/// The changing state of the recordings since the tenant was created.
final class RecordingHistory: Sendable {
  private struct State {
    var firstRequests: [String: Instant] = [:]
    var versions: [String: Int] = [:]
    var files: [String: StoredFile] = [:]
    var start: Instant
  }

  private let state: Mutex<State>

  init(start: Instant) { state = Mutex(State(start: start)) }

  /// Returns to the state of a tenant that was created at `start`.
  func reset(start: Instant) { state.withLock { $0 = State(start: start) } }

  /// Records a request for the metadata of a recording.
  func recordRequest(for id: String, at now: Instant) {
    state.withLock { state in
      if state.firstRequests[id] == nil { state.firstRequests[id] = now }
    }
  }

  /// The availability of a recording.
  func status(of recording: SandboxRecording, at now: Instant) -> PlatformStatus {
    switch recording.availability {
    case .immediately: .available
    case .never: .processing
    case .failed: .failed
    case .afterStart(let time): now < state.withLock { $0.start } + time ? .processing : .available
    case .afterFirstRequest(let time):
      state.withLock { $0.firstRequests[recording.id] }.map { now < $0 + time } ?? true ? .processing : .available
    }
  }

  /// How often the file of a recording has been replaced.
  func version(of id: String) -> Int { state.withLock { $0.versions[id] ?? 0 } }

  /// Replaces the file of a recording.
  func replaceFile(of id: String) { state.withLock { $0.versions[id, default: 0] += 1 } }

  /// The file that a test has given to the tenant for a recording.
  func file(of id: String) -> StoredFile? { state.withLock { $0.files[id] } }

  /// Keeps a file of a test for a recording, which need not exist otherwise.
  func addFile(_ file: StoredFile, of id: String) {
    state.withLock { state in
      state.versions[id, default: 0] += 1
      state.files[id] = file
    }
  }
}
