package import Model

/// How many requests a source may make: `rate` a second, up to `burst` at once after a pause. Pure; time is handed in.
package struct TokenBucket: Sendable {
  package enum Answer: Equatable, Sendable {
    case go
    /// Ask again after this long.
    case wait(Duration)
    /// The platform asked for silence, for this long.
    case paused(Duration)
  }

  /// Requests a second; 0 means no limit.
  private let rate: Double
  private let burst: Double
  private var tokens: Double
  private var refilledAt: Instant
  private var pausedUntil: Instant?
  /// How many refusals without a figure came in a row.
  private var refusals = 0

  package init(rate: Double, burst: Int, now: Instant) {
    self.rate = rate
    self.burst = Double(max(1, burst))
    tokens = self.burst
    refilledAt = now
  }

  /// Takes one request out of the budget if there is one.
  package mutating func take(now: Instant) -> Answer {
    if let until = pausedUntil, now < until {
      let rest = until - now
      // A pause is never longer than this; the clock was set back.
      guard rest <= RetryAfter.longest else {
        pausedUntil = nil
        return take(now: now)
      }
      return .paused(rest)
    }
    guard rate > 0 else { return .go }
    refill(now: now)
    if tokens >= 1 {
      tokens -= 1
      return .go
    }
    return .wait(.milliseconds(Int64(((1 - tokens) / rate * 1000).rounded(.up))))
  }

  /// Gives nobody anything for `delay`, and no burst afterwards: what was saved up is what the platform complained about.
  package mutating func pause(for delay: Duration, now: Instant) {
    let until = now + min(max(.zero, delay), RetryAfter.longest)
    guard until > pausedUntil ?? now else { return }
    pausedUntil = until
    tokens = 0
    refilledAt = until
  }

  /// Pauses after a refusal that names no time: longer each time in a row, with jitter. `random` is in `0..<1`.
  package mutating func pauseAfterRefusal(now: Instant, random: Double) {
    // Requests that were under way together are refused together; they count once.
    guard now >= pausedUntil ?? now else { return }
    pause(for: WaitingSchedule().delay(attempt: refusals, random: random), now: now)
    refusals = min(refusals + 1, 10)
  }

  /// The platform answered something else than a refusal.
  package mutating func accepted() { refusals = 0 }

  private mutating func refill(now: Instant) {
    guard now > refilledAt else {
      // The clock was set back: time starts anew, nothing is given or taken. A pause's end lies ahead by intent.
      if pausedUntil == nil || now < refilledAt { refilledAt = min(refilledAt, now) }
      return
    }
    tokens = min(burst, tokens + (now - refilledAt).inSeconds * rate)
    refilledAt = now
  }
}
