package import Model

/// The sentence with which a command says first which period it covers, because commands differ in whether they
/// include the day of `--to`.
package enum CoveredPeriod {
  /// - Parameter zone: the time zone of the days.
  package static func text(from first: CalendarDay, through last: CalendarDay, zone: String) -> String {
    first == last
      ? "Period: \(first) (\(zone))." : "Period: \(first) to \(last), both days included (\(zone))."
  }

  /// The period of two moments in UTC, either of which may be open; nil when both are.
  ///
  /// - Parameter end: the first moment after the period.
  package static func text(from start: Instant?, until end: Instant?) -> String? {
    let first = start.map { CalendarDay(containing: $0, in: .utc) }
    let last = end.map { CalendarDay(containing: $0, in: .utc).advanced(by: -1) }
    // Whole days are shown as days.
    let hasDays = first.map { $0.start == start } ?? true && last.map { $0.end == end } ?? true
    if let first, let last, hasDays { return text(from: first, through: last, zone: "UTC") }
    let ending = hasDays ? "day included" : "end excluded"
    switch (hasDays ? first?.description : start?.iso8601, hasDays ? last?.description : end?.iso8601) {
    case (let start?, let end?): return "Period: \(start) to \(end), \(ending) (UTC)."
    case (let start?, nil): return "Period: from \(start) (UTC)."
    case (nil, let end?): return "Period: \(hasDays ? "up to and including \(end)" : "to \(end), \(ending)") (UTC)."
    case (nil, nil): return nil
    }
  }

  /// The period of `--from` and `--to` of a list, which include the day of `--to`; nil without a valid option.
  package static func text(ofListFrom from: String?, to: String?) -> String? {
    text(
      from: from.flatMap { Instant(dayOrTimestamp: $0, in: .utc) },
      until: to.flatMap { Instant(dayOrTimestamp: $0, endOfDay: true, in: .utc) })
  }
}

extension GlobalOptions {
  /// Says which period the command covers, before anything else.
  func say(period: String?) {
    if let period, !quiet { Terminal.say(period) }
  }
}

extension DaySpan {
  /// Days are counted in the time zone of the source, which the server knows.
  func covered(source: String) -> String {
    CoveredPeriod.text(from: first, through: last, zone: "time zone of the source '\(source)'")
  }
}
