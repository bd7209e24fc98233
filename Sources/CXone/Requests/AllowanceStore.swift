package import Model
import Synchronization

/// Where the request allowance of a bucket of a source is stored: in this process, or shared by all nodes.
///
/// Permits are taken immediately before each request and none are held in reserve. What one node learns therefore
/// applies to the next request of every node, and a node that stops loses no permits.
package protocol AllowanceStore: Sendable {
  /// Changes the current allowance. Calls are serialized and share one clock; `body` must have no side effects, because
  /// it may run again.
  ///
  /// - Throws: what the store throws; no request is sent then.
  func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T
}

/// Returns where the allowance of a bucket of a source with these limits is stored.
package typealias AllowanceStores = @Sendable (RequestBucket, RequestLimits) -> any AllowanceStore

/// An allowance of this process alone.
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
