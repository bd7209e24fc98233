import Model
import Testing

@Suite struct CalendarDayTests {
  private func zone(_ name: String) throws -> CalendarZone { try #require(CalendarZone(name), "\(name)") }

  private func day(_ text: String, _ zoneName: String = "UTC") throws -> CalendarDay {
    try #require(CalendarDay(text, in: try zone(zoneName)), "\(text)")
  }

  /// zone, day, first moment, length in hours
  static let days: [(String, String, String, Double)] = [
    ("UTC", "2026-11-01", "2026-11-01T00:00:00Z", 24),
    ("UTC", "0000-01-01", "0000-01-01T00:00:00Z", 24),
    ("UTC", "1969-12-31", "1969-12-31T00:00:00Z", 24),
    ("Europe/Berlin", "2026-01-15", "2026-01-14T23:00:00Z", 24),
    ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 23),
    ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z", 24),
    ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 25),
    ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 23),
    ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 25),
    ("Asia/Kolkata", "2026-11-01", "2026-10-31T18:30:00Z", 24),
    ("Asia/Kathmandu", "2026-11-01", "2026-10-31T18:15:00Z", 24),
    ("Pacific/Kiritimati", "2026-11-01", "2026-10-31T10:00:00Z", 24),
    ("Pacific/Pago_Pago", "2026-11-01", "2026-11-01T11:00:00Z", 24),
    // Midnight is skipped, so the day begins at 01:00.
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23),
    ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23),
    // The clocks go back at midnight: the hour before it occurs twice and belongs to the previous day.
    ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 25),
    ("Africa/Cairo", "2026-10-29", "2026-10-28T21:00:00Z", 25),
    // The clocks go back to midnight, which occurs twice: the day begins with the first.
    ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25),
    // The clocks change by half an hour.
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", 23.5),
    // This date was skipped when the islands moved across the date line.
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0),
    ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", 24),
    ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 24),
  ]

  @Test(arguments: days)
  func `the length of a day follows its zone`(name: String, text: String, start: String, hours: Double) throws {
    let day = try day(text, name)
    #expect(day.start.iso8601Milliseconds == start.replacing("Z", with: ".000Z"))
    #expect(day.period.duration == .seconds(hours * 3600))
    #expect(day.description == text)
  }

  @Test(arguments: [
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "America/Sao_Paulo",
    "Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "Asia/Tehran",
  ])
  func `days neither overlap nor leave a gap, and every moment belongs to one`(name: String) throws {
    let first = try day("2005-12-28", name)
    var previous = first
    for step in 1...2600 {
      let day = first.advanced(by: step)
      #expect(day.start == previous.end, "\(day)")
      #expect(day > previous && previous.distance(to: day) == 1)
      let hours = day.period.duration.inSeconds / 3600
      #expect(hours == 0 || (22.5...25.5).contains(hours), "\(day): \(hours)")
      if !day.period.isEmpty {
        let last = Instant(milliseconds: day.end.milliseconds - 1)
        for moment in [day.start, day.start + .seconds(3 * 3600), last] {
          #expect(day.period.contains(moment))
          #expect(CalendarDay(containing: moment, in: day.zone) == day, "\(moment.iso8601Milliseconds)")
        }
      }
      #expect(!day.period.contains(day.end))
      previous = day
    }
  }

  @Test func `a span of days includes both ends and omits skipped dates`() throws {
    func span(_ first: String, _ last: String, _ zone: String = "UTC") throws -> [String] {
      CalendarDay.days(from: try day(first, zone), through: try day(last, zone)).map(\.description)
    }
    #expect(try span("2024-02-28", "2024-03-01") == ["2024-02-28", "2024-02-29", "2024-03-01"])
    #expect(try span("2026-11-01", "2026-11-01") == ["2026-11-01"])
    #expect(try span("2026-11-02", "2026-11-01") == [])
    #expect(try span("2011-12-29", "2011-12-31", "Pacific/Apia") == ["2011-12-29", "2011-12-31"])
  }

  @Test(arguments: [
    "", "2026-11-1", "2026-13-01", "2026-02-29", "2026-11-31", "20261101", "2026/11/01", "2026-11-01Z", "+026-11-01",
    "2026-11-0１", "99999-01-01", "-001-01-01", "2026-11-01T00:00:00Z", "today", "\u{0}\u{0}\u{0}\u{0}-\u{0}",
  ])
  func `invalid dates are rejected`(text: String) {
    #expect(CalendarDay(text, in: .utc) == nil)
  }

  @Test func `every moment belongs to a day`() throws {
    for name in ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/Juneau"] {
      let zone = try zone(name)
      for milliseconds in [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max] {
        let day = CalendarDay(containing: Instant(milliseconds: milliseconds), in: zone)
        #expect(CalendarDay(day.description, in: zone) == day)
      }
      #expect(CalendarDay(containing: Instant(milliseconds: .max), in: zone).description == "9999-12-31")
      #expect(CalendarDay(containing: Instant(milliseconds: .min), in: zone).description == "0000-01-01")
    }
    let last = try day("9999-12-31")
    #expect(last.advanced(by: 1) == last && last.advanced(by: .max) == last)
    #expect(last.advanced(by: .min).description == "0000-01-01")
  }

  @Test(arguments: [
    "", " ", "Mars/Olympus", "Europe/Berlin ", "Europe/Ber\u{0}lin", "../../etc/passwd", "Europe", "🕛",
    String(repeating: "A", count: 65), String(repeating: "Z", count: 100_000),
  ])
  func `invalid zone names are rejected`(name: String) {
    #expect(CalendarZone(name) == nil)
  }
}
