package import Foundation

/// A moment in UTC, counted in milliseconds since 1970-01-01. Stored in the catalog as a 64-bit integer.
package struct Instant: Hashable, Comparable, Sendable, Codable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  package var milliseconds: Int64

  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// The nearest moment to a date; one more than some 285,000 years away is clamped.
  package init(_ date: Date) {
    let value = (date.timeIntervalSince1970 * 1000).rounded()
    milliseconds = value.isNaN ? 0 : Int64(exactly: min(max(value, -9.0e15), 9.0e15)) ?? 0
  }

  /// The current time of the system's clock.
  package static func systemNow() -> Instant { Instant(Date()) }

  package var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

  package static func < (left: Instant, right: Instant) -> Bool { left.milliseconds < right.milliseconds }

  package static func + (instant: Instant, duration: Duration) -> Instant {
    let (sum, overflow) = instant.milliseconds.addingReportingOverflow(duration.milliseconds)
    return Instant(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
  }

  package static func - (later: Instant, earlier: Instant) -> Duration {
    let (difference, overflow) = later.milliseconds.subtractingReportingOverflow(earlier.milliseconds)
    return .milliseconds(overflow ? (later < earlier ? .min : .max) : difference)
  }
}

extension Duration {
  /// Whole milliseconds, rounded towards zero, clamped to 64 bits.
  package var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1000)
    let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
    return overflow || sumOverflow ? (seconds < 0 ? .min : .max) : sum
  }

  /// Seconds as a floating-point number, for metrics and messages.
  package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// Where time and chance come from, so that tests can fix both. `Compose.swift` gives the real ones.
package struct Surroundings: Sendable {
  /// The current moment.
  package var now: @Sendable () -> Instant
  /// How long it is since some moment, whatever the clock is set to; also through a suspension of the process.
  package var uptime: @Sendable () -> Duration
  /// Waits; ends early with `CancellationError` when the task is cancelled.
  package var sleep: @Sendable (Duration) async throws -> Void
  /// A random number in `0..<1`.
  package var random: @Sendable () -> Double

  package init(
    now: @escaping @Sendable () -> Instant, uptime: @escaping @Sendable () -> Duration = Surroundings.systemUptime,
    sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> Double
  ) {
    self.now = now
    self.uptime = uptime
    self.sleep = sleep
    self.random = random
  }

  /// Counted from the first call.
  package static let systemUptime: @Sendable () -> Duration = {
    let begin = ContinuousClock.now
    return { ContinuousClock.now - begin }
  }()

  /// The system's clock and random numbers.
  package static let system = Surroundings(
    now: { .systemNow() }, sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0..<1) })
}
