package import Model
import Synchronization

/// A source's budget of requests, shared by all its callers, who are served in the order in which they came.
package final class RequestBudget: Sendable {
  /// Callers stand in line through a pause up to this long; a longer one is reported to them, so that nobody sleeps
  /// over work that can be put down and taken up again later.
  static let longestPauseInLine: Duration = .seconds(30)

  private let line = Turnstile(places: 1)
  private let bucket: Mutex<TokenBucket>
  private let surroundings: Surroundings

  package init(rate: Double, burst: Int, surroundings: Surroundings) {
    self.surroundings = surroundings
    bucket = Mutex(TokenBucket(rate: rate, burst: burst, now: surroundings.now()))
  }

  /// Waits until a request may be made.
  ///
  /// - Throws: `platformRateLimited` during a long pause, `interrupted` when the task is cancelled.
  package func take() async throws(TapedeckError) {
    try await line.withPlace { () async throws(TapedeckError) in
      while true {
        switch bucket.withLock({ $0.take(now: surroundings.now()) }) {
        case .go: return
        case .paused(let delay) where delay > Self.longestPauseInLine:
          throw TapedeckError(.platformRateLimited, retryAfter: delay)
        case .wait(let delay), .paused(let delay):
          do {
            try await surroundings.sleep(delay)
          } catch {
            throw TapedeckError(.interrupted, cause: error)
          }
        }
      }
    }
  }

  /// The platform asked for silence: everybody's, not only this caller's. Nil when it did not say for how long.
  package func refused(retryAfter: Duration?) {
    let now = surroundings.now()
    let random = surroundings.random()
    bucket.withLock {
      if let retryAfter {
        $0.pause(for: retryAfter, now: now)
      } else {
        $0.pauseAfterRefusal(now: now, random: random)
      }
    }
  }

  /// The platform served a request.
  package func accepted() { bucket.withLock { $0.accepted() } }
}
