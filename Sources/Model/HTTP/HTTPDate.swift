/// HTTP dates in the three forms of RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`,
/// `Sun Nov  6 08:49:37 1994`.
package enum HTTPDate {
  /// The moment, or nil for a malformed date; `now` determines the century of a two-digit year.
  package static func parse(_ text: String, now: Instant) -> Instant? {
    let parts = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" })
    if parts.count == 6, parts[5] == "GMT" || parts[5] == "UTC" {
      return instant(day: parts[1], month: parts[2], year: parts[3], time: parts[4], now: now)
    }
    if parts.count == 5 {
      return instant(day: parts[2], month: parts[1], year: parts[4], time: parts[3], now: now)
    }
    return nil
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  private static func instant(
    day: Substring, month: Substring, year: Substring, time: Substring, now: Instant
  ) -> Instant? {
    let clock = time.split(separator: ":", omittingEmptySubsequences: false)
    guard let monthIndex = months.firstIndex(where: { $0 == month }), clock.count == 3,
      let day = number(day, digits: 1...2, in: 1...31), let hour = number(clock[0], digits: 2...2, in: 0...23),
      let minute = number(clock[1], digits: 2...2, in: 0...59), let second = number(clock[2], digits: 2...2, in: 0...60)
    else { return nil }
    let seconds = Int64(hour * 3600 + minute * 60 + second)
    func moment(in year: Int) -> Instant? {
      CivilDate(year: year, month: monthIndex + 1, day: day).map {
        Instant(milliseconds: (Int64($0.daysSinceEpoch) * 86_400 + seconds) * 1000)
      }
    }
    if let full = number(year, digits: 4...4, in: 1600...9999) { return moment(in: full) }
    guard let short = number(year, digits: 2...2, in: 0...99) else { return nil }
    // RFC 9110: a date that appears to be more than 50 years in the future is the most recent past year with the same
    // last two digits.
    let century = Int(yearOf(now) / 100) * 100
    let guess = century + short
    return moment(in: guess > Int(yearOf(now)) + 50 ? guess - 100 : guess)
  }

  private static func number(_ text: Substring, digits: ClosedRange<Int>, in range: ClosedRange<Int>) -> Int? {
    guard digits.contains(text.utf8.count), text.isASCIIDigits, let value = Int(text), range.contains(value)
    else { return nil }
    return value
  }

  /// The year of a moment, exact enough to choose a century.
  private static func yearOf(_ moment: Instant) -> Int64 {
    1970 + min(max(moment.milliseconds, 0), 250_000_000_000_000) / 31_556_952_000
  }
}
