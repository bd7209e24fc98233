/// A calendar day in a time zone: a half-open interval, usually 23 or 25 hours long when the clocks change.
///
/// A day begins at the first moment at which local time shows its date or a later one, so consecutive days neither
/// overlap nor leave a gap. Where midnight is skipped, the day begins with its first existing hour. A date that the
/// zone skipped entirely is an empty day.
package struct CalendarDay: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let zone: CalendarZone
  package let period: Period
  /// Days since 1970-01-01.
  private let number: Int

  /// 0000-01-01 to 9999-12-31: the dates that a four-digit year can express.
  private static let numbers = -719_528...2_932_896

  private init(number: Int, zone: CalendarZone) {
    self.number = min(max(number, Self.numbers.lowerBound), Self.numbers.upperBound)
    self.zone = zone
    period = Period(start: Self.start(of: self.number, in: zone), end: Self.start(of: self.number + 1, in: zone))
  }

  /// Reads `YYYY-MM-DD`; nil for anything else, including a date that does not exist.
  package init?(_ text: String, in zone: CalendarZone) {
    guard text.utf8.count == 10, let midnight = Instant(iso8601: "\(text)T00:00:00Z") else { return nil }
    self.init(number: Int(midnight.milliseconds / 86_400_000), zone: zone)
  }

  /// What a value that is read as a day must look like, as part of an error message.
  ///
  /// - Parameter orTimestamp: whether a timestamp is accepted too.
  package static func expectedForm(orTimestamp: Bool = false) -> String {
    "a day such as 2026-11-12" + (orTimestamp ? ", or a timestamp such as 2026-11-12T14:00:00Z" : "")
  }

  /// Reads the value of a request's parameter.
  ///
  /// - Throws: `invalidRequest`, with the parameter's name.
  package init(parameter name: String, _ text: String, in zone: CalendarZone) throws(TapedeckError) {
    guard let day = CalendarDay(text, in: zone) else {
      throw TapedeckError(.invalidRequest, "'\(name)' must be \(Self.expectedForm()).")
    }
    self = day
  }

  /// The day that contains a moment; a moment outside the years 0 to 9999 gives the nearest day.
  package init(containing instant: Instant, in zone: CalendarZone) {
    let (local, overflow) = instant.milliseconds.addingReportingOverflow(Int64(zone.offset(at: instant)) * 1000)
    let days = (overflow ? instant.milliseconds : local) / 86_400_000
    var day = CalendarDay(number: Int(clamping: days), zone: zone)
    // The division rounds towards zero, and in some zones local time goes back across midnight.
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

  /// The number of dates from this day to another; negative for an earlier one.
  package func distance(to other: CalendarDay) -> Int { other.number - number }

  package static func < (left: CalendarDay, right: CalendarDay) -> Bool { left.number < right.number }

  /// The days from `first` through `last` without those that the zone skipped; empty when `last` is earlier.
  package static func days(from first: CalendarDay, through last: CalendarDay) -> [CalendarDay] {
    guard first <= last else { return [] }
    return (0...first.distance(to: last)).map { first.advanced(by: $0) }.filter { !$0.period.isEmpty }
  }

  /// The first moment at which local time shows midnight of a date or later.
  private static func start(of number: Int, in zone: CalendarZone) -> Instant {
    let midnight = number * 86_400
    func isReached(_ second: Int) -> Bool {
      second + zone.offset(at: Instant(milliseconds: Int64(second) * 1000)) >= midnight
    }
    // No zone was ever more than 16 hours away from UTC. An hour contains at most one clock change.
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

extension Instant {
  /// Reads a day of a time zone, which counts as its start or its end, or a timestamp (ISO 8601).
  package init?(dayOrTimestamp text: String, endOfDay: Bool = false, in zone: CalendarZone) {
    if let day = CalendarDay(text, in: zone) {
      self = endOfDay ? day.end : day.start
    } else {
      self.init(iso8601: text)
    }
  }
}
