import Synchronization

/// The time since FFmpeg last did something, not counting the time in which it had nothing to do.
final class ProgressWatch: Sendable {
  /// It did not do anything for too long.
  struct Stalled: Error {}

  private struct State {
    var since = ContinuousClock.now
    var isIdle: Bool
  }

  /// Stands still at first: starting a process on a busy machine is not its fault.
  private let state = Mutex(State(isIdle: true))

  /// Something was taken or given: the clock starts again.
  func progressed() { state.withLock { $0.since = .now } }

  /// There is nothing to do until the next call of `resume()`: the clock stands still.
  func pause() { state.withLock { $0.isIdle = true } }

  /// There is something to do again: the clock starts anew.
  func resume() { state.withLock { $0 = State(isIdle: false) } }

  /// Runs `work`, and cancels it and throws `Stalled` when it makes no progress for `limit`. When this returns or throws,
  /// `work` has ended.
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

  /// Never returns; throws `Stalled` after `limit` without progress.
  private func watch(limit: Duration) async throws {
    while true {
      let left = state.withLock { $0.isIdle ? limit : limit - (ContinuousClock.now - $0.since) }
      guard left > .zero else { throw Stalled() }
      try await Task.sleep(for: left)
    }
  }
}
