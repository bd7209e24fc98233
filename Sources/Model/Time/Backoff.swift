import Foundation

/// The wait before the platform is asked again whether a recording is available.
///
/// After attempt k, counted from 0, the wait is `min(base^k × U(jitter), cap)` seconds. After `attempts` attempts the
/// job fails with `neverAvailable`.
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
    // Finite, because infinity times a factor of 0 is not a number.
    let growth = min(pow(base, Double(max(0, attempt))), .greatestFiniteMagnitude)
    return .seconds(min(growth * factor, cap.inSeconds))
  }
}

/// The wait before failed work is retried: full jitter, `U(0, min(base × 2^k, cap))`.
///
/// Full jitter needs the fewest calls of the published variants (AWS Architecture Blog, "Exponential Backoff And
/// Jitter").
package struct RetrySchedule: Sendable, Equatable {
  package var base: Duration
  package var cap: Duration
  /// After this many failures the job fails with the code of the last one.
  package var attempts: Int
  /// After this many worker crashes the job fails, because the job may be what causes them. Higher than `attempts`,
  /// because a crash affects every job of the worker.
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
