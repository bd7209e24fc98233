package import Foundation

/// A moment in UTC in milliseconds since 1970-01-01. Stored in the catalog as a 64-bit integer.
package struct Instant: Hashable, Comparable, Sendable, Codable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  package var milliseconds: Int64

  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  /// The nearest millisecond to a date; a date more than about 285,000 years away is clamped.
  package init(_ date: Date) {
    let value = (date.timeIntervalSince1970 * 1000).rounded()
    milliseconds = value.isNaN ? 0 : Int64(exactly: min(max(value, -9.0e15), 9.0e15)) ?? 0
  }

  /// The current time of the system clock.
  package static func systemNow() -> Instant { Instant(Date()) }

  package var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

  /// Whether this moment is less than `duration` before `now`, and not after it. The clock may have been set back, so a
  /// moment in the future says nothing about how long ago it was.
  package func isWithin(_ duration: Duration, before now: Instant) -> Bool { self <= now && now - self < duration }

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

  /// Seconds as a floating-point number; loses precision.
  package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

/// A half-open interval: `start` is included, `end` is not. A period that ends before it starts is empty.
package struct Period: Sendable, Hashable {
  package var start: Instant
  package var end: Instant

  package init(start: Instant, end: Instant) {
    self.start = start
    self.end = end
  }

  package var isEmpty: Bool { end <= start }
  package var duration: Duration { isEmpty ? .zero : end - start }

  package func contains(_ instant: Instant) -> Bool { start <= instant && instant < end }
}
