import Model
import Synchronization

/// A bucket that fills with so many requests a second and holds one second's worth.
final class RateLimit: Sendable {
  private let rate: Double
  private let surroundings: Surroundings
  private let level: Mutex<(tokens: Double, at: Instant)>

  init(rate: Double, surroundings: Surroundings) {
    self.rate = rate
    self.surroundings = surroundings
    level = Mutex((max(1, rate), surroundings.now()))
  }

  /// Takes one request out; false when there is none.
  func admits() -> Bool {
    let now = surroundings.now()
    return level.withLock { level in
      level.tokens = min(max(1, rate), level.tokens + max(0, (now - level.at).inSeconds) * rate)
      level.at = now
      guard level.tokens >= 1 else { return false }
      level.tokens -= 1
      return true
    }
  }
}
