import Model
import Synchronization

/// A bucket that fills with so many requests a second; its terms can be changed while it is in use.
package final class RateLimit: Sendable {
  /// How many requests are answered.
  package struct Terms: Sendable, Codable, Equatable {
    /// Requests a second.
    package var rate: Double
    /// Requests at once after a rest; a second's worth when it is not given.
    package var burst: Int?
    /// Whether a refusal says when to come again; it does when this is not given.
    package var saysRetryAfter: Bool?

    package init(rate: Double, burst: Int? = nil, saysRetryAfter: Bool? = nil) {
      self.rate = rate
      self.burst = burst
      self.saysRetryAfter = saysRetryAfter
    }

    var size: Double { max(1, burst.map(Double.init) ?? rate) }

    /// What is wrong with the numbers; nil when nothing is.
    var complaint: String? {
      guard rate > 0, rate.isFinite else { return "'rate' is more than 0" }
      return burst.map { $0 >= 1 } ?? true ? nil : "'burst' is at least 1"
    }
  }

  private struct State {
    var terms: Terms?
    var tokens: Double
    var at: Instant

    mutating func fill(now: Instant) {
      let seconds = max(0, (now - at).inSeconds)
      at = now
      guard let terms else { return }
      tokens = min(terms.size, tokens + seconds * terms.rate)
    }
  }

  private let surroundings: Surroundings
  private let state: Mutex<State>

  /// - Parameter terms: nil for no limit.
  init(_ terms: Terms?, surroundings: Surroundings) {
    self.surroundings = surroundings
    state = Mutex(State(terms: terms, tokens: terms?.size ?? 0, at: surroundings.now()))
  }

  /// What holds now; nil for no limit.
  package var terms: Terms? { state.withLock { $0.terms } }

  /// What was saved up is kept as far as the new bucket holds it.
  package func change(to terms: Terms?) {
    let now = surroundings.now()
    state.withLock { state in
      state.fill(now: now)
      if state.terms == nil { state.tokens = terms?.size ?? 0 }
      state.terms = terms
      state.fill(now: now)
    }
  }

  /// Takes one request out; the terms that it is refused under when there is none.
  func refusal() -> Terms? {
    let now = surroundings.now()
    return state.withLock { state in
      state.fill(now: now)
      guard let terms = state.terms else { return nil }
      guard state.tokens >= 1 else { return terms }
      state.tokens -= 1
      return nil
    }
  }
}
