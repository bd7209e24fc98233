package import Catalog
package import Model
import Synchronization

/// Who is listening to what. The first byte of a session is logged before it leaves; later ranges extend the session.
///
/// A session is one identity and one recording; it ends 15 minutes after the last byte.
package final class ListeningSessions: Sendable {
  private struct Key: Hashable {
    var actor: String
    var recording: Int64
  }

  private struct Open {
    var id: Int64
    var lastAt: Instant
    var requests: Int64 = 0
    var bytes: Int64 = 0
  }

  private enum State {
    /// The entry is being written; these callers wait for it.
    case opening([CheckedContinuation<Result<Void, TapedeckError>, Never>])
    case open(Open)
  }

  private enum Turn { case mayGo, mustOpen, mustWait }

  private let catalog: Catalog
  private let now: @Sendable () -> Instant
  private let idle: Duration
  private let sessions = Mutex<[Key: State]>([:])

  package init(catalog: Catalog, now: @escaping @Sendable () -> Instant, idle: Duration = .seconds(900)) {
    self.catalog = catalog
    self.now = now
    self.idle = idle
  }

  /// Notes that bytes of a recording are about to be sent, and opens a session where there is none.
  ///
  /// - Throws: `accessLogUnavailable`: the bytes must not be sent then.
  package func serve(
    bytes: Int64, of recording: RecordingRow, to actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    let key = Key(actor: actor.id, recording: recording.id)
    let at = now()
    let turn: Turn = sessions.withLock { sessions in
      switch sessions[key] {
      case .open(var open) where at - open.lastAt < idle:
        open.lastAt = at
        open.requests += 1
        open.bytes += bytes
        sessions[key] = .open(open)
        return .mayGo
      case .opening: return .mustWait
      case .open, nil:
        sessions[key] = .opening([])
        return .mustOpen
      }
    }
    switch turn {
    case .mayGo: return
    case .mustWait: try await wait(for: key)
    case .mustOpen: try await open(key, recording: recording, actor: actor, origin: origin, at: at)
    }
    if turn != .mayGo { try await serve(bytes: bytes, of: recording, to: actor, from: origin) }
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
    let waiters: [CheckedContinuation<Result<Void, TapedeckError>, Never>] = sessions.withLock { sessions in
      defer { sessions[key] = (try? result.get()).map { .open(Open(id: $0, lastAt: at)) } }
      if case .opening(let waiters) = sessions[key] { return waiters }
      return []
    }
    for waiter in waiters { waiter.resume(returning: result.map { _ in }) }
    _ = try result.get()
  }

  private func wait(for key: Key) async throws(TapedeckError) {
    let result = await withCheckedContinuation { continuation in
      let isOver = sessions.withLock { sessions in
        guard case .opening(let waiters) = sessions[key] else { return true }
        sessions[key] = .opening(waiters + [continuation])
        return false
      }
      if isOver { continuation.resume(returning: .success(())) }
    }
    try result.get()
  }

  /// Writes what was served since the last call and forgets sessions that ended; called every few seconds and at
  /// shutdown.
  package func flush() async throws(TapedeckError) {
    let at = now()
    var served: [Int64: (lastAt: Instant, requests: Int64, bytes: Int64)] = [:]
    sessions.withLock { sessions in
      for (key, state) in sessions {
        guard case .open(var open) = state else { continue }
        if open.requests > 0 { served[open.id] = (open.lastAt, open.requests, open.bytes) }
        open.requests = 0
        open.bytes = 0
        sessions[key] = at - open.lastAt < idle ? .open(open) : nil
      }
    }
    if !served.isEmpty { try await catalog.extendListening(served) }
  }
}
