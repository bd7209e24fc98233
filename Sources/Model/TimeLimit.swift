import Synchronization

/// Runs `work` and cancels it when `limit` returns first. Says whether that happened beside what `work` then gave.
///
/// Time is measured here and not by the HTTP client, whose deadline ends with the head of the answer, and whose read
/// time-out also runs while it is us who do not read.
package func limited<Output: Sendable>(
  _ work: @escaping @Sendable () async -> Output, by limit: @escaping @Sendable () async throws -> Void
) async -> (output: Output, wasLimited: Bool) {
  await withTaskGroup(of: Lap<Output>.self) { group in
    group.addTask { .output(await work()) }
    group.addTask {
      do {
        try await limit()
        return .limit
      } catch {
        return .limitAbandoned
      }
    }
    var wasLimited = false
    while true {
      switch await group.next() {
      case .output(let output):
        group.cancelAll()
        return (output, wasLimited)
      case .limit:
        wasLimited = true
        group.cancelAll()
      case .limitAbandoned: continue
      case nil: preconditionFailure("the group ended before its work did")
      }
    }
  }
}

private enum Lap<Output: Sendable>: Sendable {
  case output(Output)
  case limit
  case limitAbandoned
}

/// Notices that nothing has come from the other side for too long. Time in which we ourselves are busy does not count.
package final class StallWatch: Sendable {
  private let waitingSince = Mutex<Instant?>(nil)
  private let limit: Duration
  private let surroundings: Surroundings

  package init(limit: Duration, surroundings: Surroundings) {
    self.limit = limit
    self.surroundings = surroundings
  }

  /// Runs something whose end means that the other side is alive.
  package func expecting<Output, Failure: Error>(
    _ sign: () async throws(Failure) -> Output
  ) async throws(Failure) -> Output {
    expectSign()
    defer { sawSign() }
    return try await sign()
  }

  /// From now on a sign of life is due.
  package func expectSign() {
    let now = surroundings.now()
    waitingSince.withLock { $0 = now }
  }

  /// It came, or is not expected any more.
  package func sawSign() { waitingSince.withLock { $0 = nil } }

  /// Returns when one sign of life has been expected for longer than the limit.
  package func untilStalled() async throws {
    while true {
      let now = surroundings.now()
      let waited = waitingSince.withLock { since in
        // A clock that was set back: time starts anew.
        if let start = since, start > now { since = now }
        return since.map { now - $0 } ?? .zero
      }
      if waited >= limit { return }
      try await surroundings.sleep(max(limit - waited, .milliseconds(1)))
    }
  }
}
