import Model
import TapedeckApp
import Testing

@Suite struct CoveredPeriodTests {
  @Test(arguments: [
    ("2026-11-01", "2026-11-08", "2026-11-01 to 2026-11-07, both days included (zone)"),
    ("2026-11-01", "2026-11-02", "2026-11-01 (zone)"),
  ])
  func `days are those that are covered, without the day of --to`(from: String, to: String, text: String) throws {
    let span = try DaySpan(from: from, to: to)
    #expect(CoveredPeriod.text(from: span.first, through: span.last, zone: "zone") == "Period: \(text).")
    let (start, end) = (Instant(iso8601: "\(from)T00:00:00Z"), Instant(iso8601: "\(to)T00:00:00Z"))
    #expect(
      CoveredPeriod.text(from: start, until: end) == "Period: \(text.replacing("(zone)", with: "(UTC)")).")
  }

  @Test(
    arguments: [
      ("2026-11-01", "2026-11-07", "2026-11-01 to 2026-11-07, both days included (UTC)"),
      ("2026-11-01", "2026-11-01", "2026-11-01 (UTC)"), ("2026-11-01", nil, "from 2026-11-01 (UTC)"),
      (nil, "2026-11-07", "to 2026-11-07, day included (UTC)"),
      (
        "2026-11-01", "2026-11-07T12:00:00Z",
        "2026-11-01T00:00:00Z to 2026-11-07T12:00:00Z, end excluded (UTC)"
      ),
      ("2026-11-01T10:00:00+01:00", nil, "from 2026-11-01T09:00:00Z (UTC)"),
      (nil, "2026-11-01T10:00:00Z", "to 2026-11-01T10:00:00Z, end excluded (UTC)"),
    ] as [(String?, String?, String)])
  func `lists include the day of --to`(from: String?, to: String?, text: String) {
    #expect(CoveredPeriod.text(ofListFrom: from, to: to) == "Period: \(text).")
  }

  @Test func `without options nothing is said`() {
    #expect(CoveredPeriod.text(ofListFrom: nil, to: nil) == nil)
    #expect(CoveredPeriod.text(ofListFrom: "then", to: nil) == nil)
  }
}
