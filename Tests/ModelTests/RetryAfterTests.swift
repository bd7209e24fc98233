import Model
import Testing

@Suite struct RetryAfterTests {
  let now = Instant(iso8601: "2026-01-15T12:00:00Z")!

  @Test(arguments: [
    ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
    ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
    ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"),
    ("Thu, 29 Feb 2024 23:59:60 GMT", "2024-03-01T00:00:00Z"),
    ("Thursday, 01-Jan-76 00:00:00 GMT", "2076-01-01T00:00:00Z"),
    ("Saturday, 01-Jan-77 00:00:00 GMT", "1977-01-01T00:00:00Z"),
    ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
  ])
  func `the three date forms are read`(text: String, expected: String) {
    #expect(HTTPDate.parse(text, now: now)?.iso8601 == expected)
  }

  @Test(arguments: [
    "", "tomorrow", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 PST",
    "06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 +8:49:37 GMT",
  ])
  func `malformed dates are rejected`(text: String) {
    #expect(HTTPDate.parse(text, now: now) == nil)
  }

  @Test(arguments: [
    ("120", Duration.seconds(120)), (" 5 ", .seconds(5)), ("3601", .seconds(3600)),
    ("2.5", .seconds(3)), ("0.2", .seconds(1)), ("1e300", .seconds(3600)), ("99999999999999999999", .seconds(3600)),
    ("Thu, 15 Jan 2026 12:01:00 GMT", .seconds(60)), ("Thu, 15 Jan 2026 23:00:00 GMT", .seconds(3600)),
    ("Thu, 15 Jan 2026 11:59:00 GMT", .zero),
  ])
  func `a delay is read and limited to one hour`(value: String, expected: Duration) {
    #expect(RetryAfter.delay(value, answeredAt: nil, now: now) == expected)
  }

  @Test(arguments: ["", "-1", "-1.5", ".5", "1.5 s", "soon", "1 2"])
  func `malformed delays are rejected`(value: String) {
    #expect(RetryAfter.delay(value, answeredAt: nil, now: now) == nil)
  }

  @Test func `a date is relative to the response's own clock`() {
    let delay = RetryAfter.delay(
      "Thu, 15 Jan 2026 12:10:30 GMT", answeredAt: "Thu, 15 Jan 2026 12:10:00 GMT", now: now)
    #expect(delay == .seconds(30))
  }
}
