import Model
import Synchronization

/// A token bucket whose terms can be changed while it is in use.
package final class RateLimit: Sendable {
  /// The terms of the limit.
  package struct Terms: Sendable, Codable, Equatable {
    /// Requests per second.
    package var rate: Double
    /// Requests that are answered at once after a quiet period; nil for one second's worth.
    package var burst: Int?
    /// Whether a refusal has `Retry-After`; nil counts as true.
    package var saysRetryAfter: Bool?

    package init(rate: Double, burst: Int? = nil, saysRetryAfter: Bool? = nil) {
      self.rate = rate
      self.burst = burst
      self.saysRetryAfter = saysRetryAfter
    }

    var size: Double { max(1, burst.map(Double.init) ?? rate) }

    /// What is wrong with the numbers; nil when they are valid.
    var problem: String? {
      guard rate > 0, rate.isFinite else { return "'rate' must be more than 0" }
      return burst.map { $0 >= 1 } ?? true ? nil : "'burst' must be at least 1"
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

  private let system: SystemServices
  private let state: Mutex<State>

  /// - Parameter terms: nil for no limit.
  init(_ terms: Terms?, system: SystemServices) {
    self.system = system
    state = Mutex(State(terms: terms, tokens: terms?.size ?? 0, at: system.now()))
  }

  /// The current terms; nil for no limit.
  package var terms: Terms? { state.withLock { $0.terms } }

  /// Changes the terms; saved tokens are kept up to the size of the new bucket.
  package func change(to terms: Terms?) {
    let now = system.now()
    state.withLock { state in
      state.fill(now: now)
      if state.terms == nil { state.tokens = terms?.size ?? 0 }
      state.terms = terms
      state.fill(now: now)
    }
  }

  /// Takes a token; returns the terms when there is none and the request must be refused.
  func refusal() -> Terms? {
    let now = system.now()
    return state.withLock { state in
      state.fill(now: now)
      guard let terms = state.terms else { return nil }
      guard state.tokens >= 1 else { return terms }
      state.tokens -= 1
      return nil
    }
  }
}
