package import Catalog
package import Model
import Synchronization

/// A listening session: its log entry is committed.
package struct ListeningSession: Sendable, Hashable {
  /// The number of the entry that began it.
  let entry: Int64
  let actor: Identity
  let recording: RecordingKey

  // The entry identifies the session.
  package static func == (a: ListeningSession, b: ListeningSession) -> Bool { a.entry == b.entry }
  package func hash(into hasher: inout Hasher) { hasher.combine(entry) }
}

/// Logs listening. The request that begins a session is logged before its first byte is sent; later requests belong to
/// the session. The bytes that were actually sent follow in entries of their own.
///
/// A session belongs to one identity and one recording, and ends after 15 minutes without a request or a byte.
package final class ListeningSessions: Sendable {
  private struct Key: Hashable {
    var actor: String
    var recording: RecordingKey
  }

  private enum Current {
    /// The log entry is being written; these callers wait for it.
    case opening([CheckedContinuation<Result<Void, TapedeckError>, Never>])
    case open(ListeningSession)
  }

  /// What no entry reports yet.
  private struct Sent {
    var lastAt: Instant
    /// When the last entry about the session was written.
    var reportedAt: Instant
    var requests: Int64 = 0
    var bytes: Int64 = 0
    /// The requests whose bytes the proxy sends.
    var handedToProxy: Int64 = 0
  }

  private struct State {
    var current: [Key: Current] = [:]
    var sent: [ListeningSession: Sent] = [:]

    mutating func note(
      _ session: ListeningSession, requests: Int64, bytes: Int64, handedToProxy: Int64 = 0, at: Instant
    ) {
      var sent = sent[session] ?? Sent(lastAt: at, reportedAt: at)
      sent.lastAt = at
      sent.requests += requests
      sent.bytes += bytes
      sent.handedToProxy += handedToProxy
      self.sent[session] = sent
    }
  }

  private enum Decision {
    case send(ListeningSession)
    case open, wait
  }

  private let catalog: Catalog
  private let now: @Sendable () -> Instant
  /// After this time without a request or a byte, a session has ended.
  private let idle: Duration
  /// The time from one entry about the bytes of a session to the next.
  private let interval: Duration
  private let state = Mutex(State())

  package init(
    catalog: Catalog, now: @escaping @Sendable () -> Instant, idle: Duration = .seconds(900),
    interval: Duration = .seconds(300)
  ) {
    self.catalog = catalog
    self.now = now
    self.idle = idle
    self.interval = interval
  }

  /// What the log says about audio that the proxy sends.
  package static let handedToProxy = "handed to the proxy, bytes unknown"

  /// Records that audio of a recording is about to be sent; opens a session when none is open.
  ///
  /// - Parameter isHandedToProxy: whether the proxy sends it, and does not say how much.
  /// - Throws: `accessLogUnavailable`; the caller must then send nothing.
  package func begin(
    _ recording: RecordingKey, by actor: Identity, from origin: LogEntry.Origin?, isHandedToProxy: Bool = false
  ) async throws(TapedeckError) -> ListeningSession {
    let key = Key(actor: actor.id, recording: recording)
    while true {
      let at = now()
      let decision: Decision = state.withLock { state in
        switch state.current[key] {
        case .open(let session) where isOpen(state.sent[session], at: at):
          state.note(session, requests: 1, bytes: 0, handedToProxy: isHandedToProxy ? 1 : 0, at: at)
          return .send(session)
        case .opening: return .wait
        case .open, nil:
          state.current[key] = .opening([])
          return .open
        }
      }
      switch decision {
      case .send(let session): return session
      case .wait: try await wait(for: key)
      case .open:
        let details = isHandedToProxy ? ["sent": Self.handedToProxy] : [:]
        try await open(key, recording: recording, actor: actor, origin: origin, details: details, at: at)
      }
    }
  }

  /// Adds bytes that were handed to the client's connection.
  package func sent(_ bytes: Int, in session: ListeningSession) {
    let at = now()
    state.withLock { $0.note(session, requests: 0, bytes: Int64(bytes), at: at) }
  }

  /// If the clock was set back by the idle limit or more, the idle time is unknown, and the session counts as ended.
  /// Smaller steps are those of concurrent requests and time synchronization.
  private func isOpen(_ sent: Sent?, at now: Instant) -> Bool {
    guard let sent else { return false }
    let age = now - sent.lastAt
    return age < idle && age > idle * -1
  }

  private func open(
    _ key: Key, recording: RecordingKey, actor: Identity, origin: LogEntry.Origin?, details: [String: String],
    at: Instant
  ) async throws(TapedeckError) {
    let entry = LogEntry(
      at: at, action: .listen, outcome: .allowed, actor: actor, recording: recording, origin: origin,
      details: details)
    let result: Result<Int64, TapedeckError>
    do throws(TapedeckError) {
      guard let id = try await catalog.log([entry]).first else { throw TapedeckError(.accessLogUnavailable) }
      result = .success(id)
    } catch { result = .failure(error) }
    let waiters: [CheckedContinuation<Result<Void, TapedeckError>, Never>] = state.withLock { state in
      var waiters: [CheckedContinuation<Result<Void, TapedeckError>, Never>] = []
      if case .opening(let waiting) = state.current[key] { waiters = waiting }
      state.current[key] = nil
      if case .success(let id) = result {
        let session = ListeningSession(entry: id, actor: actor, recording: recording)
        state.current[key] = .open(session)
        state.note(session, requests: 0, bytes: 0, at: at)
      }
      return waiters
    }
    for waiter in waiters { waiter.resume(returning: result.map { _ in }) }
    _ = try result.get()
  }

  private func wait(for key: Key) async throws(TapedeckError) {
    let result = await withCheckedContinuation { continuation in
      let isOver = state.withLock { state in
        guard case .opening(let waiters) = state.current[key] else { return true }
        state.current[key] = .opening(waiters + [continuation])
        return false
      }
      if isOver { continuation.resume(returning: .success(())) }
    }
    try result.get()
  }

  /// Logs what was sent in sessions that ended or whose last entry is five minutes old. Called every few seconds; what
  /// cannot be logged is kept for the next call.
  ///
  /// - Parameter isFinal: the process is shutting down, so everything is logged.
  package func flush(isFinal: Bool = false) async throws(TapedeckError) {
    let at = now()
    let due: [(session: ListeningSession, sent: Sent)] = state.withLock { state in
      var due: [(session: ListeningSession, sent: Sent)] = []
      for (session, sent) in state.sent {
        let hasEnded = !isOpen(sent, at: at)
        if hasEnded { state.sent[session] = nil }
        guard sent.requests > 0 || sent.bytes > 0,
          hasEnded || isFinal || !sent.reportedAt.isWithin(interval, before: at)
        else {
          continue
        }
        due.append((session, sent))
        if !hasEnded { state.sent[session] = Sent(lastAt: sent.lastAt, reportedAt: at) }
      }
      state.current = state.current.filter { _, current in
        guard case .open(let session) = current else { return true }
        return state.sent[session] != nil
      }
      return due.sorted { $0.session.entry < $1.session.entry }
    }
    if due.isEmpty { return }
    let entries = due.map { session, sent -> LogEntry in
      var details = ["requests": "\(sent.requests)", "session": "\(session.entry)"]
      if sent.handedToProxy > 0 { details["sent"] = "\(sent.handedToProxy) \(Self.handedToProxy)" }
      return LogEntry(
        at: at, action: .audioSent, outcome: .allowed, actor: session.actor, recording: session.recording,
        count: sent.handedToProxy > 0 && sent.handedToProxy == sent.requests ? nil : sent.bytes, details: details)
    }
    do throws(TapedeckError) {
      try await catalog.log(entries)
    } catch {
      state.withLock { state in
        for (session, sent) in due {
          let lastAt = state.sent[session]?.lastAt ?? sent.lastAt
          state.note(
            session, requests: sent.requests, bytes: sent.bytes, handedToProxy: sent.handedToProxy, at: lastAt)
          // Tried again at the next call.
          state.sent[session]?.reportedAt = sent.reportedAt
        }
      }
      throw error
    }
  }
}
