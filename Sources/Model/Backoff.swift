import Foundation

/// How long to wait until the platform is asked again whether a recording is available.
///
/// Attempt k, from 0, waits `min(base^k × U(jitter), cap)` seconds; after `attempts` the job gives up (`neverAvailable`).
package struct WaitingSchedule: Sendable, Equatable {
  package var base: Double
  package var jitter: ClosedRange<Double>
  package var cap: Duration
  package var attempts: Int

  package init(
    base: Double = 2, jitter: ClosedRange<Double> = 0.5...1.5, cap: Duration = .seconds(30), attempts: Int = 15
  ) {
    self.base = base
    self.jitter = jitter
    self.cap = cap
    self.attempts = attempts
  }

  /// The wait after the attempt numbered from 0; `random` is in `0..<1`.
  package func delay(attempt: Int, random: Double) -> Duration {
    let factor = jitter.lowerBound + (jitter.upperBound - jitter.lowerBound) * random
    // Finite, because infinity times a factor of 0 is no number.
    let growth = min(pow(base, Double(max(0, attempt))), .greatestFiniteMagnitude)
    return .seconds(min(growth * factor, cap.inSeconds))
  }
}

/// How long to wait before work that failed is tried again: full jitter, `U(0, min(base × 2^k, cap))`.
///
/// Full jitter made the fewest calls of the published variants (AWS architecture blog, "Exponential Backoff And Jitter").
package struct RetrySchedule: Sendable, Equatable {
  package var base: Duration
  package var cap: Duration
  /// After this many failures the job gives up with the last one's code.
  package var attempts: Int
  /// After so many workers died over it, the job gives up: it may be what kills them. More than `attempts`, since all that
  /// a worker has under way dies with it.
  package var workerDeaths: Int

  package init(
    base: Duration = .seconds(1), cap: Duration = .seconds(60), attempts: Int = 6, workerDeaths: Int = 20
  ) {
    self.base = base
    self.cap = cap
    self.attempts = attempts
    self.workerDeaths = workerDeaths
  }

  /// The wait after the failure numbered from 0; `random` is in `0..<1`.
  package func delay(attempt: Int, random: Double) -> Duration {
    .seconds(min(base.inSeconds * pow(2, Double(min(max(0, attempt), 40))), cap.inSeconds) * random)
  }
}
