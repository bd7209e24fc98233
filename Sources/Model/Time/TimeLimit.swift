import Synchronization

/// Runs `work` and cancels it when `limit` returns first; returns the output of `work` and whether it was cancelled.
///
/// The HTTP client's own time limits do not serve here: its deadline ends with the head of the response, and its read
/// timeout also runs while Tapedeck does not read.
package func limited<Output: Sendable>(
  _ work: @escaping @Sendable () async -> Output, by limit: @escaping @Sendable () async throws -> Void
) async -> (output: Output, wasLimited: Bool) {
  await withTaskGroup(of: Event<Output>.self) { group in
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

private enum Event<Output: Sendable>: Sendable {
  case output(Output)
  case limit
  case limitAbandoned
}

/// Detects that the peer has sent nothing for too long. Only time in which data is expected counts.
package final class StallWatch: Sendable {
  private let waitingSince = Mutex<Instant?>(nil)
  private let limit: Duration
  private let system: SystemServices

  package init(limit: Duration, system: SystemServices) {
    self.limit = limit
    self.system = system
  }

  /// Runs an operation whose completion shows that the peer is alive.
  package func expecting<Output, Failure: Error>(
    _ operation: () async throws(Failure) -> Output
  ) async throws(Failure) -> Output {
    startWaiting()
    defer { stopWaiting() }
    return try await operation()
  }

  /// Starts to expect data from the peer.
  package func startWaiting() {
    let now = system.now()
    waitingSince.withLock { $0 = now }
  }

  /// Data arrived, or is no longer expected.
  package func stopWaiting() { waitingSince.withLock { $0 = nil } }

  /// Returns when data has been expected for longer than the limit.
  package func untilStalled() async throws {
    while true {
      let now = system.now()
      let waited = waitingSince.withLock { since in
        // After the clock was set back, the time limit starts again.
        if let start = since, start > now { since = now }
        return since.map { now - $0 } ?? .zero
      }
      if waited >= limit { return }
      try await system.sleep(max(limit - waited, .milliseconds(1)))
    }
  }
}
