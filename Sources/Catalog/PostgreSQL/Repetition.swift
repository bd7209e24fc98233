import Model

/// Counts the repetitions of one transaction, and decides whether and when to repeat it again.
struct Repetition {
  /// Retries after a serialization failure. Each one means that another transaction committed, so there is progress;
  /// but eight nodes that list the same pages can commit more than a hundred before the last one gets through. With
  /// pauses of at most 50 ms the bound is reached after about five seconds.
  static let conflicts = 200
  /// The maximum after lost connections. The pauses add up to about six seconds, enough for a restart of the server.
  static let losses = 8

  private var conflicts = 0
  private var violations = 0
  private var losses = 0

  /// The pause before the next attempt; nil when this failure is final.
  ///
  /// - Parameter random: in `0..<1`.
  mutating func pause(after failure: PostgreSQLFailure, random: Double) -> Duration? {
    switch failure.remedy {
    case .none: return nil
    case .repeatLater:
      conflicts += 1
      return conflicts <= Self.conflicts ? jittered(.milliseconds(2), doublings: conflicts, most: 50, random) : nil
    case .repeatOnce:
      violations += 1
      return violations <= 1 ? .zero : nil
    case .reconnect: return pauseBeforeConnecting(random: random)
    }
  }

  /// The pause before reconnecting; zero at first, since the server usually still runs. Nil when there were too many.
  mutating func pauseBeforeConnecting(random: Double) -> Duration? {
    losses += 1
    if losses == 1 { return .zero }
    // At least half the pause: otherwise eight attempts may pass while the server is still starting.
    return losses <= Self.losses ? jittered(.milliseconds(50), doublings: losses, most: 1_600, 0.5 + random / 2) : nil
  }

  private func jittered(_ base: Duration, doublings: Int, most: Int64, _ factor: Double) -> Duration {
    .milliseconds(Double(min(base.milliseconds << min(doublings, 20), most)) * factor)
  }
}
