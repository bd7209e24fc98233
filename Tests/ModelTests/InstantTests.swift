import Foundation
import Model
import Testing

@Suite struct InstantTests {
  static let moments: [(String, Int64)] = [
    ("1970-01-01T00:00:00Z", 0), ("2026-01-15T12:00:00Z", 1_768_478_400_000),
    ("2026-01-15T12:00:00.5Z", 1_768_478_400_500), ("2026-01-15T12:00:00.001Z", 1_768_478_400_001),
    ("2026-01-15T12:00:00.9999999Z", 1_768_478_400_999),
    ("2026-01-15T12:00:00.\(String(repeating: "9", count: 400))Z", 1_768_478_400_999),
    ("2026-01-15T13:00:00+01:00", 1_768_478_400_000), ("2026-01-15T06:30:00-0530", 1_768_478_400_000),
    ("2026-01-15T13:00:00+01", 1_768_478_400_000), ("2026-01-15T12:00:00-00:00", 1_768_478_400_000),
    ("2024-02-29T23:59:59Z", 1_709_251_199_000), ("2000-02-29T00:00:00Z", 951_782_400_000),
    ("2016-12-31T23:59:60Z", 1_483_228_800_000), ("1969-12-31T23:59:59.999Z", -1),
    ("0000-01-01T00:00:00Z", -62_167_219_200_000), ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
  ]

  @Test(arguments: moments)
  func `a moment is read with millisecond precision`(text: String, milliseconds: Int64) {
    #expect(Instant(iso8601: text)?.milliseconds == milliseconds)
  }

  @Test(arguments: [
    "", "Z", "now", "2026-01-15", "2026-01-15T12:00:00", "2026-01-15T12:00Z", "2026-01-15 12:00:00Z",
    "2026-01-15T12:00:00Zgarbage", "2026-01-15T12:00:00Z ", " 2026-01-15T12:00:00Z", "2026-01-15T12:00:00GMT",
    "2026-1-5T1:0:0Z", "20260115T120000Z", "2026-01-15T12:00:00.Z", "2026-01-15T12:00:00,5Z",
    "2026-02-29T12:00:00Z", "2026-02-30T12:00:00Z", "1900-02-29T12:00:00Z", "2026-04-31T12:00:00Z",
    "2026-00-15T12:00:00Z", "2026-13-15T12:00:00Z", "2026-01-00T12:00:00Z", "2026-01-32T12:00:00Z",
    "2026-01-15T24:00:00Z", "2026-01-15T12:60:00Z", "2026-01-15T12:00:61Z", "2026-01-15T12:00:00+24:00",
    "2026-01-15T12:00:00+01:60", "2026-01-15T12:00:00+1", "2026-01-15T12:00:00+01:", "2026-01-15T12:00:00+01:0",
    "99999-01-15T12:00:00Z", "-2026-01-15T12:00:00Z", "+2026-01-15T12:00:00Z", "２０２６-01-15T12:00:00Z",
    "99999999999999999999-01-15T12:00:00Z", "2026-01-15T12:00:00Z\u{0}", "2026-01-15T12:00:+1Z",
  ])
  func `malformed moments are rejected`(text: String) {
    #expect(Instant(iso8601: text) == nil)
  }

  @Test(arguments: [Int64(0), 1_768_478_400_000, -86_400_000, -62_167_219_200_000, 253_402_300_799_000])
  func `every millisecond of a second is written and read back`(second: Int64) {
    for millisecond in 0..<Int64(1000) {
      let instant = Instant(milliseconds: second + millisecond)
      #expect(Instant(iso8601: instant.iso8601Milliseconds) == instant)
      #expect(Instant(iso8601: instant.iso8601)?.milliseconds == second)
    }
  }

  @Test func `moments are written in the documented forms with truncated fractions`() {
    let instant = Instant(milliseconds: 1_768_478_400_999)
    #expect(instant.iso8601 == "2026-01-15T12:00:00Z")
    #expect(instant.iso8601Milliseconds == "2026-01-15T12:00:00.999Z")
    #expect(Instant(milliseconds: 7).iso8601Milliseconds == "1970-01-01T00:00:00.007Z")
    #expect(Instant(milliseconds: -1).iso8601 == "1969-12-31T23:59:59Z")
  }

  @Test func `dates agree with an independent calendar`() throws {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
    // 1600 to 2400: every kind of leap year, every month.
    for day in stride(from: -135_140, to: 157_054, by: 37) {
      let instant = Instant(milliseconds: Int64(day) * 86_400_000 + 43_200_000)
      let parts = calendar.dateComponents([.year, .month, .day, .hour], from: instant.date)
      let expected = String(
        format: "%04d-%02d-%02dT%02d:00:00Z", try #require(parts.year), try #require(parts.month),
        try #require(parts.day), try #require(parts.hour))
      #expect(instant.iso8601 == expected)
      #expect(Instant(iso8601: expected) == instant)
    }
  }

  @Test func `a moment outside the years 0 to 9999 is written as the nearest one inside`() {
    for milliseconds in [Int64.max, 253_402_300_800_000] {
      #expect(Instant(milliseconds: milliseconds).iso8601Milliseconds == "9999-12-31T23:59:59.999Z")
    }
    for milliseconds in [Int64.min, -62_167_219_200_001] {
      #expect(Instant(milliseconds: milliseconds).iso8601Milliseconds == "0000-01-01T00:00:00.000Z")
    }
  }

  @Test func `addition and subtraction saturate`() {
    let first = Instant(milliseconds: .min)
    let last = Instant(milliseconds: .max)
    #expect(last + .seconds(1) == last)
    #expect(first + .seconds(-1) == first)
    #expect(last + .seconds(Int64.max) == last)
    #expect(last - first == .milliseconds(Int64.max))
    #expect(first - last == .milliseconds(Int64.min))
    #expect(Instant(milliseconds: 5) - Instant(milliseconds: 7) == .milliseconds(-2))
    #expect(Instant(milliseconds: 5) + .milliseconds(-7) == Instant(milliseconds: -2))
  }

  static let durations: [(Duration, Int64)] = [
    (Duration.zero, 0), (.milliseconds(1), 1), (.microseconds(1999), 1), (.microseconds(-1999), -1),
    (.seconds(3) + .milliseconds(250), 3250), (.milliseconds(Int64.max), .max), (.milliseconds(Int64.min), .min),
    (.milliseconds(Int64.max) + .milliseconds(1), .max), (.milliseconds(Int64.min) - .milliseconds(1), .min),
    (.seconds(Int64.max), .max), (.seconds(Int64.min), .min),
  ]

  @Test(arguments: durations)
  func `a duration in milliseconds saturates at 64 bits`(duration: Duration, milliseconds: Int64) {
    #expect(duration.milliseconds == milliseconds)
  }

  @Test(arguments: [(0, true), (1, true), (999, true), (1000, false), (-1, false), (-1000, false), (86_400_000, false)])
  func `a moment after now is not within a duration before it`(age: Int64, isWithin: Bool) {
    let now = Instant(milliseconds: 5_000_000)
    #expect((now + .milliseconds(-age)).isWithin(.seconds(1), before: now) == isWithin)
  }

  static let dates: [(Double, Int64)] = [
    (0, 0), (1.0004, 1000), (1.0006, 1001), (-1.5, -1500), (1e300, 9_000_000_000_000_000),
    (-.infinity, -9_000_000_000_000_000), (.infinity, 9_000_000_000_000_000), (.nan, 0),
  ]

  @Test(arguments: dates)
  func `every date converts to a moment`(seconds: Double, milliseconds: Int64) {
    #expect(Instant(Date(timeIntervalSince1970: seconds)).milliseconds == milliseconds)
  }
}
