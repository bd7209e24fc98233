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
      plan: plan, platform: "https://api.example.com",
      days: try await catalog.coverage(of: plan, on: [first, second], visibleTo: .everything),
      gaps: try await catalog.coverageGaps(
        of: .default, in: Period(start: first.start, end: second.end), visibleTo: .everything, after: nil, limit: 10),
      madeAt: clock.now)
    try database.close()

    let lines = statement.text(origin: "archive.example").split(separator: "\n", omittingEmptySubsequences: false)
    #expect(
      lines.prefix(10) == [
        "tapedeck coverage statement v1 INCOMPLETE", "origin archive.example", "source default",
        "platform https://api.example.com", "first day 2026-01-10", "last day 2026-01-11", "time zone UTC",
        "filter outbound calls", "made at 2026-01-15T12:00:00Z", "verified at -",
      ])
    #expect(
      lines[10]
        == "day 2026-01-10 from=2026-01-10T00:00:00Z to=2026-01-11T00:00:00Z checked=2026-01-15T12:00:00Z state=incomplete reported=5 expected=2 ready=0 waiting=0 failed=0 refused=0 missing=2 unidentified=0 accepted=0"
    )
    #expect(
      lines[11].hasSuffix(
        "checked=never state=not-checked reported=unknown expected=0 ready=0 waiting=0 failed=0 refused=0 missing=0 unidentified=0 accepted=0"
      ))
    #expect(lines[12].hasPrefix("gap 2026-01-10 2026-01-10T10:00:00Z call-1 missing "))
    #expect(lines[13].hasPrefix("gap 2026-01-10 2026-01-10T11:00:00Z a%20b missing "))
    #expect(
      lines[14]
        == "total reported=unknown expected=2 ready=0 waiting=0 failed=0 refused=0 missing=2 unidentified=0 accepted=0")
    #expect(lines[15...] == [""])
  }

  @Test(arguments: IncompleteSituation.allCases)
  func `no text of a user or the platform adds a line to a statement`(situation: IncompleteSituation) async throws {
    let days: [CoverageDay]
    var gaps: [CoverageGap]
    (days, gaps) = try await coverage(in: situation)
    for index in gaps.indices {
      gaps[index].reason =
        "ok\u{2028}total reported=9\u{85}day 2026-01-11 state=complete\u{2029}x\u{B}y\u{C}z\r\nw\u{202E}v\u{200B}"
    }
    let text = CoverageStatement(plan: SyncPlan(), days: days, gaps: gaps, madeAt: clock.now)
      .text(origin: "archive.example")
    let lines = text.split(whereSeparator: \.isNewline)
    #expect(lines.count == text.split(separator: "\n").count)
    #expect(lines.count { $0.hasPrefix("gap ") } == gaps.count && lines.count { $0.hasPrefix("total ") } == 1)
    #expect(!text.unicodeScalars.contains { $0 != "\n" && $0.misleadsInLine })
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

  /// What `tapedeck coverage` makes of the server's response.
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
      #expect(
        lines.last?.hasSuffix("unidentified=\(situation == .manyUnidentifiedRows ? 1500 : 1) accepted=0") ?? false)
    }
  }

  @Test func `a statement over checked days without gaps is complete`() async throws {
    let lines = try await statement(of: nil)
    // The filter excluded two calls of each day.
    #expect(
      lines.first == "tapedeck coverage statement v1 COMPLETE: the filter excludes all 4 reported recordings")
    #expect(lines.filter { $0.contains("state=complete") }.count == 2)
  }

  @Test func `a statement without days is incomplete`() {
    let statement = CoverageStatement(plan: SyncPlan(), days: [], gaps: [], madeAt: clock.now)
    let text = statement.text(origin: "archive.example")
    #expect(text.hasPrefix("tapedeck coverage statement v1 INCOMPLETE\n"))
    #expect(text.contains("\nplatform -\nfirst day -\nlast day -\n"))
    #expect(
      text.hasSuffix(
        "\ntotal reported=0 expected=0 ready=0 waiting=0 failed=0 refused=0 missing=0 unidentified=0 accepted=0\n"))
  }

  private func summary(_ verdict: String, _ lines: String...) throws -> [String] {
    let head = """
      tapedeck coverage statement v1\(verdict)
      origin archive.example
      source default
      platform https://api.example.com
      first day 2026-01-10
      last day 2026-01-12
      time zone UTC
      filter outbound calls
      made at 2026-01-15T12:00:00Z

      """
    let text = head + lines.map { "\($0)\n" }.joined()
    return try #require(StatementSummary(parsing: text)).lines
  }

  @Test func `verification of a statement prints what it says`() throws {
    let counts = "waiting=0 failed=0 refused=0 missing=1 unidentified=0 accepted=2"
    let incomplete = try summary(
      " INCOMPLETE", "verified at 2026-01-14T12:00:00Z",
      "day 2026-01-10 checked=2026-01-15T12:00:00Z state=incomplete expected=65",
      "day 2026-01-11 checked=2026-01-15T12:00:00Z state=complete expected=0",
      "day 2026-01-12 checked=never state=not-checked expected=0",
      "note 2026-01-10 2026-01-10T10:00:00Z call-1 accepted total state=not-checked ",
      "total reported=unknown expected=65 ready=64 \(counts)")
    #expect(
      incomplete == [
        "Period: 2026-01-10 to 2026-01-12 (UTC)", "Source: default (https://api.example.com)", "Filter: outbound calls",
        "Made at: 2026-01-15T12:00:00Z", "Oldest verification: 2026-01-14T12:00:00Z",
        "Totals: reported unknown, expected 65, ready 64, waiting 0, failed 0, refused 0, missing 1, unidentified 0, "
          + "accepted 2",
        "State: INCOMPLETE: 1 of 65 expected recordings not in the archive, 1 of 3 days not checked, "
          + "2 recordings accepted after a failed integrity check",
      ])
    // Statements of an earlier version have no word for complete.
    for verdict in ["", " COMPLETE"] {
      let lines = try summary(verdict, "day 2026-01-10 state=complete ", "total reported=1 expected=1 ready=1")
      #expect(lines.last == "State: COMPLETE")
    }
    let excluded = " COMPLETE: the filter excludes all 4 reported recordings"
    #expect(try summary(excluded, "total reported=4 expected=0 ready=0").last == "State:\(excluded)")
    #expect(try summary(" INCOMPLETE", "total reported=0 expected=0").last == "State: INCOMPLETE: it covers no days")
    for other in ["", "another text\n", "tapedeck coverage statement v10\n"] {
      #expect(StatementSummary(parsing: other) == nil)
    }
  }

  @Test func `a statement says when its files were last verified`() async throws {
    let verified = [Instant(milliseconds: 2000), Instant(milliseconds: 1000)]
    let days = try await coverage(in: nil).0
    func line(_ ready: [(count: Int64, verifiedAt: Instant?)]) throws -> Substring? {
      var days = days
      for (index, ready) in ready.enumerated() {
        days[index].counts = [.ready: ready.count]
        days[index].verifiedAt = ready.verifiedAt
      }
      let text = CoverageStatement(plan: SyncPlan(), days: days, gaps: [], madeAt: clock.now).text(origin: "a")
      return text.split(separator: "\n").first { $0.hasPrefix("verified at ") }
    }
    #expect(try line([(3, verified[0]), (1, verified[1])]) == "verified at 1970-01-01T00:00:01Z")
    #expect(try line([(0, nil), (1, verified[1])]) == "verified at 1970-01-01T00:00:01Z")
    #expect(try line([(3, verified[0]), (1, nil)]) == "verified at never")
    #expect(try line([(0, nil), (0, nil)]) == "verified at -")
  }

  @Test func `a statement names each accepted recording, by whom and why`() async throws {
    let database = try SQLiteDatabase(path: "\(folder.path)/catalog.sqlite", now: { clock.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let day = try #require(CalendarDay("2026-01-10", in: .utc))
    _ = try await catalog.discover(
      [recording("a b", at: "2026-01-10T10:00:00Z")], in: day.period, of: .default, expected: SyncFilter(),
      fetched: nil,
      for: .check)
    let hash = String(repeating: "ab", count: 32)
    _ = try await database.write { db in
      try db.execute("UPDATE recording SET archived_at = 1")
      for (name, kind) in [("1", "wav"), ("2", "mp3"), ("3", "peaks")] {
        let object = String(repeating: name, count: 32) + "." + kind
        try db.execute(
          "INSERT INTO object (name, kind, sha256, bytes, reserved_at) VALUES (\(object), \(kind), \(hash), 1, 1)")
      }
      try db.execute(
        """
        INSERT INTO media_part (recording_id, part, source_sha256, source_bytes, codec, channels, sample_rate, audio_ms,
          mp3_object, mp3_sha256, mp3_bytes, peaks_object, peaks_sha256, peaks_bytes)
        SELECT id, 0, \(hash), 1, 'pcm', 1, 8000, 1, \(String(repeating: "2", count: 32) + ".mp3"), \(hash), 1,
          \(String(repeating: "3", count: 32) + ".peaks"), \(hash), 1 FROM recording
        """)
      try db.execute(
        """
        INSERT INTO quarantine (source, platform_id, quarantined_at, code, reason, sha256, bytes, spool, node, file,
          state, decided_at, decided_by, decision)
        VALUES ('default', 'a b', 1000, 'not_a_whole_recording', 'It was cut short.', \(hash), 1, 's', 'n', 'f',
          'accepted', 2000, 'operator:root', 'Checked' || char(10) || 'by ear.')
        """)
    }
    try await catalog.recordCheck(of: day, by: SyncPlan(), unwanted: 0, startedAt: clock.now)
    let statement = CoverageStatement(
      plan: SyncPlan(), days: try await catalog.coverage(of: SyncPlan(), on: [day], visibleTo: .everything), gaps: [],
      acceptances: try await catalog.acceptances(
        of: .default, in: day.period, visibleTo: .everything, limit: 10), madeAt: clock.now)
    try database.close()
    let lines = statement.text(origin: "archive.example").split(separator: "\n")
    #expect(lines.first == "tapedeck coverage statement v1 COMPLETE")
    #expect(lines.contains("verified at never"))
    #expect(
      lines.filter { $0.hasPrefix("note ") } == [
        "note 2026-01-10 2026-01-10T10:00:00Z a%20b accepted The file was refused at "
          + "1970-01-01T00:00:01Z: It was cut short. It was accepted by operator:root at 1970-01-01T00:00:02Z: "
          + "Checked by ear."
      ])
    #expect(lines.last?.hasSuffix("ready=1 waiting=0 failed=0 refused=0 missing=0 unidentified=0 accepted=1") == true)
  }
}
