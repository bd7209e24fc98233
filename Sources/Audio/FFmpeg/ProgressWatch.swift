import Synchronization

/// Measures the time since FFmpeg last made progress, excluding the time in which it had no work.
final class ProgressWatch: Sendable {
  /// No progress for longer than the limit.
  struct Stalled: Error {}

  private struct State {
    var since = ContinuousClock.now
    var isIdle: Bool
  }

  /// Idle at first, because starting a process on a busy machine takes time.
  private let state = Mutex(State(isIdle: true))

  /// Data was read or written; restarts the time limit.
  func progressed() { state.withLock { $0.since = .now } }

  /// There is no work until the next `resume()`; suspends the time limit.
  func pause() { state.withLock { $0.isIdle = true } }

  /// There is work again; restarts the time limit.
  func resume() { state.withLock { $0 = State(isIdle: false) } }

  /// Runs `work`, and cancels it and throws `Stalled` when it makes no progress for `limit`. When this returns or
  /// throws, `work` has ended.
  func watching<Value: Sendable>(
    limit: Duration, _ work: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask {
        try await self.watch(limit: limit)
        return nil
      }
      group.addTask { try await work() }
      defer { group.cancelAll() }
      while let next = try await group.next() {
        if let value = next { return value }
      }
      throw CancellationError()
    }
  }

  /// Throws `Stalled` after `limit` without progress; never returns.
  private func watch(limit: Duration) async throws {
    while true {
      let left = state.withLock { $0.isIdle ? limit : limit - (ContinuousClock.now - $0.since) }
      guard left > .zero else { throw Stalled() }
      try await Task.sleep(for: left)
    }
  }
}
