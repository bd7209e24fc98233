import Synchronization

/// Limits how many tasks work at a time; the others wait in the order in which they asked.
package final class AsyncSemaphore: Sendable {
  private struct State {
    /// Zero while tasks wait.
    var free: Int
    var waiters: [(ticket: UInt64, continuation: CheckedContinuation<Bool, Never>)] = []
    var lastTicket: UInt64 = 0
  }

  private let state: Mutex<State>

  /// - Parameter permits: how many tasks work at a time; less than one counts as one.
  package init(_ permits: Int) { state = Mutex(State(free: max(1, permits))) }

  /// How many tasks wait for a permit.
  package var waiterCount: Int { state.withLock { $0.waiters.count } }

  /// Takes a permit if one is free now.
  package func tryAcquire() -> Bool {
    state.withLock { state in
      guard state.free > 0 else { return false }
      state.free -= 1
      return true
    }
  }

  /// Waits for a permit and takes it.
  ///
  /// - Throws: `interrupted` when the task is cancelled; no permit is taken then.
  package func acquire() async throws(TapedeckError) {
    let ticket = state.withLock { state in
      state.lastTicket += 1
      return state.lastTicket
    }
    let isAcquired = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isAcquired: Bool? = state.withLock { state in
          // The handler of an earlier cancellation found no waiter.
          if Task.isCancelled { return false }
          if state.free > 0 {
            state.free -= 1
            return true
          }
          state.waiters.append((ticket, continuation))
          return nil
        }
        if let isAcquired { continuation.resume(returning: isAcquired) }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        state.waiters.firstIndex { $0.ticket == ticket }.map { state.waiters.remove(at: $0) }
      }
      waiter?.continuation.resume(returning: false)
    }
    if !isAcquired { throw TapedeckError(.interrupted) }
  }

  /// Returns a permit, or passes it to the task that has waited longest.
  package func release() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      if state.waiters.isEmpty {
        state.free += 1
        return nil
      }
      return state.waiters.removeFirst().continuation
    }
    next?.resume(returning: true)
  }

  /// Waits for a permit and runs `body` with it.
  ///
  /// - Throws: what `body` throws, and `interrupted` when the task is cancelled while it waits.
  package func withPermit<Result>(
    _ body: () async throws(TapedeckError) -> Result
  ) async throws(TapedeckError) -> Result {
    try await acquire()
    defer { release() }
    return try await body()
  }
}
