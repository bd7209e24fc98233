import Synchronization

/// Remembers a failed connection attempt for a second. Meanwhile other work fails at once instead of waiting for its
/// own timeout.
final class Reachability: Sendable {
  private let last = Mutex<(at: ContinuousClock.Instant, failure: PostgreSQLFailure)?>(nil)

  /// The failure of an attempt within the last second.
  var recentFailure: PostgreSQLFailure? {
    last.withLock { last in last.flatMap { $0.at.duration(to: .now) < .seconds(1) ? $0.failure : nil } }
  }

  /// Records the outcome of an attempt; nil for success.
  func note(_ failure: PostgreSQLFailure?) { last.withLock { $0 = failure.map { (.now, $0) } } }
}
