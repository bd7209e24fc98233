package import ArgumentParser
package import Model

/// A range of dates, independent of the time zone.
package struct DaySpan: Sendable {
  package let first: CalendarDay
  /// Included.
  package let last: CalendarDay

  package var days: [CalendarDay] { CalendarDay.days(from: first, through: last) }

  /// - Parameters:
  ///   - to: the end day, excluded.
  ///   - maximum: the largest number of days; nil for no limit.
  package init(from: String, to: String, maximum: Int? = nil) throws(ValidationError) {
    func day(_ text: String, _ option: String) throws(ValidationError) -> CalendarDay {
      guard let day = CalendarDay(text, in: .utc) else {
        throw ValidationError("\(option) must be \(CalendarDay.expectedForm()).")
      }
      return day
    }
    let (first, end) = (try day(from, "--from"), try day(to, "--to"))
    guard first < end else { throw ValidationError("--from must be before --to, because the day of --to is excluded.") }
    if let maximum, first.distance(to: end) > maximum {
      throw ValidationError("--from and --to must be at most \(maximum) days apart.")
    }
    self.first = first
    last = end.advanced(by: -1)
  }
}
