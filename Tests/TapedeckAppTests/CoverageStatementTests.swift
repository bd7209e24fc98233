import Catalog
import Foundation
import Model
import TapedeckApp
import TestKit
import Testing
import Web

@Suite struct CoverageStatementTests {
  private let folder: TemporaryFolder
  private let clock = TestClock()

  init() throws { folder = try TemporaryFolder() }

  private func recording(_ id: String, at time: String) throws -> PlatformRecording {
    var recording = PlatformRecording(id: try #require(RecordingID(id)), status: .available, privacy: .standard)
    recording.startTime = Instant(iso8601: time)
    return recording
  }

  @Test func `each day, gap and total is one line of fields`() async throws {
    let database = try SQLiteDatabase(path: "\(folder.path)/catalog.sqlite", now: { clock.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let first = try #require(CalendarDay("2026-01-10", in: .utc))
    let second = first.advanced(by: 1)
    let plan = SyncPlan()
    _ = try await catalog.discover(
      [
        recording("call-1", at: "2026-01-10T10:00:00Z"), recording("a b", at: "2026-01-10T11:00:00Z"),
      ], in: first.period, of: .default, expected: plan.filter, fetched: nil, for: .check)
    try await catalog.recordCheck(of: first, by: plan, unwanted: 3, startedAt: clock.now)
    let statement = CoverageStatement(
      plan: plan, days: try await catalog.coverage(of: plan, on: [first, second], visibleTo: .everything),
      gaps: try await catalog.coverageGaps(
        of: .default, in: Period(start: first.start, end: second.end), visibleTo: .everything, after: nil, limit: 10),
      madeAt: clock.now)
    try database.close()

    let lines = statement.text(origin: "archive.example").split(separator: "\n", omittingEmptySubsequences: false)
    #expect(
      lines.prefix(8) == [
        "tapedeck coverage statement v1 INCOMPLETE", "origin archive.example", "source default", "first day 2026-01-10",
        "last day 2026-01-11", "time zone UTC", "filter outbound calls", "made at 2026-01-15T12:00:00Z",
      ])
    #expect(
      lines[8]
        == "day 2026-01-10 from=2026-01-10T00:00:00Z to=2026-01-11T00:00:00Z checked=2026-01-15T12:00:00Z state=incomplete reported=5 expected=2 ready=0 waiting=0 failed=0 refused=0 missing=2 unidentified=0"
    )
    #expect(
      lines[9].hasSuffix(
        "checked=never state=not-checked reported=unknown expected=0 ready=0 waiting=0 failed=0 refused=0 missing=0 unidentified=0"
      ))
    #expect(lines[10].hasPrefix("gap 2026-01-10 2026-01-10T10:00:00Z call-1 missing "))
    #expect(lines[11].hasPrefix("gap 2026-01-10 2026-01-10T11:00:00Z a%20b missing "))
    #expect(
      lines[12] == "total reported=unknown expected=2 ready=0 waiting=0 failed=0 refused=0 missing=2 unidentified=0")
    #expect(lines[13...] == [""])
  }

  /// The statement of a situation, or of the same days when they are checked and have no recordings.
  private func statement(of situation: IncompleteSituation?) async throws -> [Substring] {
    let (days, gaps) = try await coverage(in: situation)
    let statement = CoverageStatement(plan: SyncPlan(), days: days, gaps: gaps, madeAt: clock.now)
    return statement.text(origin: "archive.example").split(separator: "\n")
  }

  private func coverage(in situation: IncompleteSituation?) async throws -> ([CoverageDay], [CoverageGap]) {
    let database = try SQLiteDatabase(path: "\(folder.path)/catalog.sqlite", now: { IncompleteSituation.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let first = IncompleteSituation.first
    var days = [first, first.advanced(by: 1)]
    if let situation {
      days = try await situation.prepare(catalog, database)
    } else {
      for day in days { try await catalog.recordCheck(of: day, by: SyncPlan(), unwanted: 2, startedAt: clock.now) }
    }
    let found = try await catalog.coverage(of: SyncPlan(), on: days, visibleTo: .everything)
    let gaps = try await catalog.coverageGaps(
      of: .default, in: Period(start: days[0].start, end: days[1].end), visibleTo: .everything, after: nil, limit: 10)
    try database.close()
    return (found, gaps)
  }

  /// What `tapedeck coverage` makes of the server's answer.
  private func report(of situation: IncompleteSituation?) async throws -> CoverageReport {
    let (days, gaps) = try await coverage(in: situation)
    let answer = CoverageAnswer(plan: SyncPlan(), others: [], days: days, gaps: gaps, next: nil, tasks: [])
    return try JSONDecoder().decode(CoverageReport.self, from: try JSONEncoder().encode(answer))
  }

  @Test(arguments: IncompleteSituation.allCases)
  func `the command exits with 3 over an incomplete situation, and says why`(situation: IncompleteSituation)
    async throws
  {
    let report = try await report(of: situation)
    let text = try #require(report.incompleteText)
    #expect(Tapedeck.exitStatus(of: TapedeckError(.partlyDone, text)).rawValue == 3)
    #expect(text.contains("not checked") || text.contains("not in the archive"))
    // The table of days does not read as complete either.
    let total = try #require(report.lines.first { $0.hasPrefix("TOTAL") }).split(separator: " ").map(String.init)
    #expect(total.suffix(2) == ["not", "checked"] || total[2] != total[3], "\(total)")
    let hasRow = report.lines.contains { $0.hasPrefix("2026-01-13  7 ") && $0.hasSuffix(" The row has no ID.") }
    #expect(hasRow == situation.hasUnidentifiedRows)
  }

  @Test func `the command exits with 0 over checked days without gaps`() async throws {
    #expect(try await report(of: nil).incompleteText == nil)
  }

  @Test(arguments: IncompleteSituation.allCases)
  func `no statement over an incomplete situation reads as complete`(situation: IncompleteSituation) async throws {
    let lines = try await statement(of: situation)
    #expect(lines.first == "tapedeck coverage statement v1 INCOMPLETE")
    #expect(lines.contains { $0.hasPrefix("day ") && !$0.contains("state=complete") })
    if situation.hasUnidentifiedRows {
      #expect(lines.contains("unidentified 2026-01-13 row=7 The row has no ID."))
      #expect(lines.last?.hasSuffix("unidentified=\(situation == .manyUnidentifiedRows ? 1500 : 1)") ?? false)
    }
  }

  @Test func `a statement over checked days without gaps is complete`() async throws {
    let lines = try await statement(of: nil)
    #expect(lines.first == "tapedeck coverage statement v1")
    #expect(lines.filter { $0.contains("state=complete") }.count == 2)
  }

  @Test func `a statement without days is incomplete`() {
    let statement = CoverageStatement(plan: SyncPlan(), days: [], gaps: [], madeAt: clock.now)
    let text = statement.text(origin: "archive.example")
    #expect(text.hasPrefix("tapedeck coverage statement v1 INCOMPLETE\n"))
    #expect(text.contains("\nfirst day -\nlast day -\n"))
    #expect(
      text.hasSuffix("\ntotal reported=0 expected=0 ready=0 waiting=0 failed=0 refused=0 missing=0 unidentified=0\n"))
  }
}
