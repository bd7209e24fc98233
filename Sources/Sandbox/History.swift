import Model
import Synchronization

/// What has happened to the recordings since the tenant was made.
final class History: Sendable {
  private struct State {
    var firstAsked: [String: Instant] = [:]
    var versions: [String: Int] = [:]
  }

  private let start: Instant
  private let state = Mutex(State())

  init(start: Instant) { self.start = start }

  /// Notes that somebody asked for the metadata of a recording.
  func asked(for id: String, at now: Instant) {
    state.withLock { state in
      if state.firstAsked[id] == nil { state.firstAsked[id] = now }
    }
  }

  /// How far the tenant is with a recording.
  func status(of recording: SandboxRecording, at now: Instant) -> PlatformStatus {
    switch recording.availability {
    case .immediately: .available
    case .never: .processing
    case .failed: .failed
    case .afterStart(let time): now < start + time ? .processing : .available
    case .afterFirstAsked(let time):
      state.withLock { $0.firstAsked[recording.id] }.map { now < $0 + time ? .processing : .available } ?? .processing
    }
  }

  /// How often the file of a recording has changed.
  func version(of id: String) -> Int { state.withLock { $0.versions[id] ?? 0 } }

  /// Gives a recording another file.
  func change(_ id: String) { state.withLock { $0.versions[id, default: 0] += 1 } }
}
