package import Model
import Synchronization

/// Where a source's allowance is kept: in this process, or where all nodes share it.
///
/// Whoever draws, draws just before the request, and nobody keeps requests in store: what one node learns holds for all
/// with their next request, and a node that dies takes nothing with it.
package protocol AllowanceStore: Sendable {
  /// Changes the allowance as it is now, by one clock and one caller after the other; `body` has no other effect and may
  /// run again.
  ///
  /// - Throws: what the place where it is kept throws. Nobody asks the platform then.
  func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T
}

/// An allowance that is this process's own.
package final class LocalAllowance: AllowanceStore {
  private let allowance: Mutex<RequestAllowance>
  private let now: @Sendable () -> Instant

  package init(limits: RequestLimits, now: @escaping @Sendable () -> Instant) {
    allowance = Mutex(RequestAllowance(limits: limits, now: now()))
    self.now = now
  }

  package func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T {
    allowance.withLock { body(&$0, now()) }
  }
}
