import Synchronization

/// Whether the server could be reached the last time. While it cannot, work fails at once instead of each waiting for a
/// time-out of its own, and once a second somebody tries.
final class Reachability: Sendable {
  private let last = Mutex<(at: ContinuousClock.Instant, failure: PostgreSQLFailure)?>(nil)

  /// The failure of an attempt within the last second.
  var recentFailure: PostgreSQLFailure? {
    last.withLock { last in last.flatMap { $0.at.duration(to: .now) < .seconds(1) ? $0.failure : nil } }
  }

  func note(_ failure: PostgreSQLFailure?) { last.withLock { $0 = failure.map { (.now, $0) } } }
}
