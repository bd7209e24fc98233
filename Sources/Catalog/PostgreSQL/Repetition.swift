import Model

/// How often one transaction may still be repeated, and after how long a pause.
struct Repetition {
  /// Of a transaction that met others. Generous: of those that meet, one gets through each time.
  static let conflicts = 25
  /// Of a lost connection; with the pauses between them they take five seconds, the time of a server's restart.
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
      return conflicts <= Self.conflicts ? jittered(.milliseconds(2), doublings: conflicts, most: 200, random) : nil
    case .repeatOnce:
      violations += 1
      return violations <= 1 ? .zero : nil
    case .reconnect: return pauseBeforeConnecting(random: random)
    }
  }

  /// The same for anything that needs a connection again: at once the first time, as the server is most often still there.
  mutating func pauseBeforeConnecting(random: Double) -> Duration? {
    losses += 1
    if losses == 1 { return .zero }
    // At least half of it, or eight attempts may pass while the server is still starting.
    return losses <= Self.losses ? jittered(.milliseconds(50), doublings: losses, most: 1_600, 0.5 + random / 2) : nil
  }

  private func jittered(_ base: Duration, doublings: Int, most: Int64, _ factor: Double) -> Duration {
    .milliseconds(Double(min(base.milliseconds << min(doublings, 20), most)) * factor)
  }
}
