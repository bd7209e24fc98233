package import Catalog
package import Model
import Synchronization

/// Logs listening: the first range of a session is logged before it is sent, later ranges extend the session.
///
/// A session belongs to one identity and one recording, and ends after 15 minutes without a request.
package final class ListeningSessions: Sendable {
  private struct Key: Hashable {
    var actor: String
    var recording: Int64
  }

  private enum Session {
    /// The log entry is being written; these callers wait for it.
    case opening([CheckedContinuation<Result<Void, TapedeckError>, Never>])
    case open(id: Int64, lastAt: Instant)
  }

  private typealias Served = (lastAt: Instant, requests: Int64, bytes: Int64)

  private struct State {
    var sessions: [Key: Session] = [:]
    /// What `flush()` has to save, by the session's id.
    var served: [Int64: Served] = [:]

    mutating func note(_ served: [Int64: Served]) {
      self.served.merge(served) {
        (max($0.lastAt, $1.lastAt), $0.requests + $1.requests, $0.bytes + $1.bytes)
      }
    }
  }

  private enum Decision { case send, open, wait }

  private let catalog: Catalog
  private let now: @Sendable () -> Instant
  private let idle: Duration
  private let state = Mutex(State())

  package init(catalog: Catalog, now: @escaping @Sendable () -> Instant, idle: Duration = .seconds(900)) {
    self.catalog = catalog
    self.now = now
    self.idle = idle
  }

  /// Records that bytes of a recording are about to be sent; opens a session when none is open.
  ///
  /// - Throws: `accessLogUnavailable`; the caller must then send nothing.
  package func serve(
    bytes: Int64, of recording: RecordingRow, to actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    let key = Key(actor: actor.id, recording: recording.id)
    let at = now()
    let decision: Decision = state.withLock { state in
      switch state.sessions[key] {
      case .open(let id, let lastAt) where at - lastAt < idle:
        state.sessions[key] = .open(id: id, lastAt: at)
        state.note([id: (at, 1, bytes)])
        return .send
      case .opening: return .wait
      case .open, nil:
        state.sessions[key] = .opening([])
        return .open
      }
    }
    switch decision {
    case .send: return
    case .wait: try await wait(for: key)
    case .open: try await open(key, recording: recording, actor: actor, origin: origin, at: at)
    }
    try await serve(bytes: bytes, of: recording, to: actor, from: origin)
  }

  private func open(
    _ key: Key, recording: RecordingRow, actor: Identity, origin: LogEntry.Origin?, at: Instant
  ) async throws(TapedeckError) {
    let result: Result<Int64, TapedeckError>
    do throws(TapedeckError) {
      result = .success(
        try await catalog.beginListening(
          LogEntry(at: at, action: .listen, outcome: .allowed, actor: actor, recording: recording.key, origin: origin)))
    } catch { result = .failure(error) }
    let waiters: [CheckedContinuation<Result<Void, TapedeckError>, Never>] = state.withLock { state in
      defer { state.sessions[key] = (try? result.get()).map { .open(id: $0, lastAt: at) } }
      if case .opening(let waiters) = state.sessions[key] { return waiters }
      return []
    }
    for waiter in waiters { waiter.resume(returning: result.map { _ in }) }
    _ = try result.get()
  }

  private func wait(for key: Key) async throws(TapedeckError) {
    let result = await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard case .opening(let waiters) = state.sessions[key] else { return true }
        state.sessions[key] = .opening(waiters + [continuation])
        return false
      }
      if isOver { continuation.resume(returning: .success(())) }
    }
    try result.get()
  }

  /// Saves what was sent since the last call, and drops sessions that ended. Called every few seconds and at shutdown;
  /// what cannot be saved is kept for the next call.
  package func flush() async throws(TapedeckError) {
    let at = now()
    let served = state.withLock { state in
      state.sessions = state.sessions.filter { _, session in
        guard case .open(_, let lastAt) = session else { return true }
        return at - lastAt < idle
      }
      defer { state.served = [:] }
      return state.served
    }
    if served.isEmpty { return }
    do throws(TapedeckError) {
      try await catalog.extendListening(served)
    } catch {
      state.withLock { $0.note(served) }
      throw error
    }
  }
}
