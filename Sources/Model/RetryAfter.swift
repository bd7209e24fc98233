/// Reads the HTTP header `Retry-After`: seconds, or a date in any of the three forms of RFC 9110 §5.6.7.
package enum RetryAfter {
  /// No answer of the platform makes us wait longer than this; the next one may ask again.
  package static let longest: Duration = .seconds(3600)

  /// How long to wait, from 0 to `limit`; nil for a header that cannot be read.
  ///
  /// A date is measured against the answer's own `Date`, because their clock and ours may differ; without a readable
  /// one against `now`.
  package static func delay(
    _ value: String, answeredAt date: String?, now: Instant, limit: Duration = longest
  ) -> Duration? {
    let text = value.trimmingSpaces
    if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
      return min(.seconds(Int64(text) ?? .max), limit)
    }
    guard let moment = HTTPDate.parse(text, now: now) else { return nil }
    let reference = date.flatMap { HTTPDate.parse($0, now: now) } ?? now
    return min(max(.zero, moment - reference), limit)
  }
}

/// The dates of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
package enum HTTPDate {
  /// The moment that is meant, or nil; `now` decides the century of a year with two digits.
  package static func parse(_ text: String, now: Instant) -> Instant? {
    let words = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "-" })
    if words.count == 6, words[5] == "GMT" || words[5] == "UTC" {
      return instant(day: words[1], month: words[2], year: words[3], time: words[4], now: now)
    }
    if words.count == 5 {
      return instant(day: words[2], month: words[1], year: words[4], time: words[3], now: now)
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
    // RFC 9110: a date that seems to lie more than 50 years ahead is the last one in the past with the same two digits.
    let century = Int(yearOf(now) / 100) * 100
    let guess = century + short
    return moment(in: guess > Int(yearOf(now)) + 50 ? guess - 100 : guess)
  }

  private static func number(_ text: Substring, digits: ClosedRange<Int>, in range: ClosedRange<Int>) -> Int? {
    guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let value = Int(text), range.contains(value)
    else { return nil }
    return value
  }

  /// The year of a moment, to the accuracy that the choice of a century needs.
  private static func yearOf(_ moment: Instant) -> Int64 {
    1970 + min(max(moment.milliseconds, 0), 250_000_000_000_000) / 31_556_952_000
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop(while: { $0 == " " || $0 == "\t" }).reversed().drop(while: { $0 == " " || $0 == "\t" }).reversed())
  }
}
