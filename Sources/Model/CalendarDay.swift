/// A day of the calendar in a time zone: a half-open interval, of 23 or 25 hours where the clocks are changed.
///
/// A day begins at the first moment at which clocks show its date or a later one, so that days follow each other
/// without a gap and without an overlap. Where midnight is skipped, the day begins with its first hour that exists; a
/// date that a zone skipped as a whole is an empty day.
package struct CalendarDay: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let zone: CalendarZone
  package let period: Period
  /// Counted from 1970-01-01.
  private let number: Int

  /// From 0000-01-01 to 9999-12-31: what four digits of a year can say.
  private static let numbers = -719_528...2_932_896

  private init(number: Int, zone: CalendarZone) {
    self.number = min(max(number, Self.numbers.lowerBound), Self.numbers.upperBound)
    self.zone = zone
    period = Period(start: Self.start(of: self.number, in: zone), end: Self.start(of: self.number + 1, in: zone))
  }

  /// Reads `YYYY-MM-DD`; nil for anything else, such as a day that no calendar has.
  package init?(_ text: String, in zone: CalendarZone) {
    guard text.utf8.count == 10, let midnight = Instant(iso8601: "\(text)T00:00:00Z") else { return nil }
    self.init(number: Int(midnight.milliseconds / 86_400_000), zone: zone)
  }

  /// The day that a moment belongs to; a moment outside the years 0 to 9999 counts to the nearest day.
  package init(containing instant: Instant, in zone: CalendarZone) {
    let (local, overflow) = instant.milliseconds.addingReportingOverflow(Int64(zone.offset(at: instant)) * 1000)
    let days = (overflow ? instant.milliseconds : local) / 86_400_000
    var day = CalendarDay(number: Int(clamping: days), zone: zone)
    // Rounded towards zero, and once a year local time goes back behind a midnight that was over.
    while instant < day.period.start, day.number > Self.numbers.lowerBound { day = day.advanced(by: -1) }
    while day.period.end <= instant, day.number < Self.numbers.upperBound { day = day.advanced(by: 1) }
    self = day
  }

  /// `YYYY-MM-DD`.
  package var description: String { String(Instant(milliseconds: Int64(number) * 86_400_000).iso8601.prefix(10)) }

  package var start: Instant { period.start }
  package var end: Instant { period.end }

  package func advanced(by days: Int) -> CalendarDay {
    let (sum, overflow) = number.addingReportingOverflow(days)
    return CalendarDay(number: overflow ? (days < 0 ? .min : .max) : sum, zone: zone)
  }

  /// How many dates later another day is; negative for an earlier one.
  package func distance(to other: CalendarDay) -> Int { other.number - number }

  package static func < (left: CalendarDay, right: CalendarDay) -> Bool { left.number < right.number }

  /// The days from one to another, both included, without those that the zone skipped; none when `last` is earlier.
  package static func days(from first: CalendarDay, through last: CalendarDay) -> [CalendarDay] {
    guard first <= last else { return [] }
    return (0...first.distance(to: last)).map { first.advanced(by: $0) }.filter { !$0.period.isEmpty }
  }

  /// The first moment at which clocks show midnight of a date or something later.
  private static func start(of number: Int, in zone: CalendarZone) -> Instant {
    let midnight = number * 86_400
    func isReached(_ second: Int) -> Bool {
      second + zone.offset(at: Instant(milliseconds: Int64(second) * 1000)) >= midnight
    }
    // No clock was ever more than 16 hours away from UTC. An hour holds at most one change of the clocks.
    var before = midnight - 16 * 3600
    var reached = before
    while !isReached(reached), reached < midnight + 16 * 3600 {
      before = reached
      reached += 3600
    }
    while reached - before > 1 {
      let middle = before + (reached - before) / 2
      if isReached(middle) { reached = middle } else { before = middle }
    }
    return Instant(milliseconds: Int64(reached) * 1000)
  }
}
