import Catalog
import Model
import TestKit
import Testing

@Suite struct CoverageTests {
  /// Set by each test, since the database is a test argument.
  private var test: TestCatalog!
  let day: CalendarDay

  init() throws {
    day = try #require(CalendarDay("2026-01-14", in: .utc))
  }

  private func call(_ name: String, at moment: String = "2026-01-14T10:00:00Z") -> PlatformRecording {
    var call = test.facts(name)
    call.startTime = Instant(iso8601: moment)
    call.direction = .outbound
    return call
  }

  /// Lists the calls of the day, as a check does.
  private func check(_ calls: [PlatformRecording], unwanted: Int = 0) async throws {
    let startedAt = try await test.catalog.now()
    try await test.catalog.discover(
      calls, in: day.period, of: .default, expected: SyncFilter(), fetched: nil, for: .check)
    try await test.catalog.recordCheck(of: day, by: SyncPlan(), unwanted: unwanted, startedAt: startedAt)
  }

  private func coverage() async throws -> CoverageDay {
    try #require(try await test.catalog.coverage(of: SyncPlan(), on: [day], visibleTo: .everything).first)
  }

  private func gaps(visibleTo visibility: Visibility = .everything, after: Int64? = nil, limit: Int = 100) async throws
    -> [CoverageGap]
  {
    try await test.catalog.coverageGaps(
      of: .default, in: day.period, visibleTo: visibility, after: after, limit: limit)
  }

  private func fail(_ name: String, _ error: TapedeckError) async throws {
    try await test.request(name)
    try await test.catalog.release(try await test.claim().lease, .fail(error))
  }

  /// One recording for each reason of a gap, and an archived one.
  private func everyKind() async throws -> [PlatformRecording] {
    try await test.archiveRecording("ready")
    try await fail("never", TapedeckError(.neverAvailable))
    try await fail("half", TapedeckError(.incompleteRecording))
    try await test.archiveRecording("lost")
    try await test.archiveRecording("no-files")
    _ = try await test.database.write { db in
      try db.execute("DELETE FROM webhook_message")
      try db.execute(
        "DELETE FROM media_part WHERE recording_id IN (SELECT id FROM recording WHERE platform_id <> 'ready')")
      try db.execute("DELETE FROM recording WHERE platform_id = 'lost'")
    }
    try await test.request("clearance")
    try await test.catalog.release(try await test.claim().lease, .awaitClearance)
    try await test.request("retry")
    try await test.catalog.release(
      try await test.claim().lease,
      .retry(at: test.clock.now + .seconds(60), because: TapedeckError(.platformUnavailable)))
    try await test.request("queued")
    try await test.request("stopped")
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET run_state = 'cancelled' WHERE platform_id = 'stopped'")
    }
    var dead = call("dead")
    dead.status = .failed
    return [
      "ready", "never", "half", "lost", "no-files", "clearance", "retry", "queued", "stopped", "unrequested",
    ].map { call($0) } + [dead]
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `every expected recording has one status, and the counts add up to the expected number`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    let calls = try await everyKind()
    try await check(calls, unwanted: 4)
    let coverage = try await coverage()
    #expect(coverage.expected == 11)
    #expect(coverage.reported == 15)
    #expect(coverage.counts == [.ready: 1, .waiting: 3, .failed: 3, .refused: 1, .missing: 3])
    #expect(coverage.expected == CoverageStatus.allCases.reduce(0) { $0 + coverage.count($1) })
    #expect(coverage.gaps == 10 && coverage.unlisted == 0)
    #expect(coverage.checkedAt == test.clock.now)
    #expect(try await gaps().count == 10)
  }

  /// Accepts the original of an archived recording, as a user does before it is archived.
  private func accept(_ name: String, by requester: String) async throws {
    let key = try key(name)
    let part = try #require(try await test.catalog.archived(key)?.parts.first)
    try await test.catalog.addToQuarantine(
      key, because: TapedeckError(.incompleteRecording, "It was cut short."),
      content: ObjectContent(hash: part.sourceHash, bytes: part.sourceBytes), spoolID: "spool", node: "a:/q", file: name
    )
    _ = try await test.database.write { db in
      try db.execute(
        """
        UPDATE quarantine SET state = 'accepted', decided_at = tapedeck_now_ms(), decided_by = \(requester),
          decision = 'Checked by ear.' WHERE platform_id = \(name)
        """)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `an accepted recording is ready, and is counted and listed as accepted`(kind: DatabaseKind) async throws
  {
    test = try await TestCatalog(kind)
    for name in ["sound", "cut", "hurt"] { try await test.archiveRecording(name) }
    try await check(["sound", "cut", "hurt", "open"].map { call($0) })
    _ = try await test.database.write { db in
      try db.execute(
        "INSERT INTO account (id, name, role, password_hash, created_at) VALUES ('u1', 'dana', 'supervisor', '', 1)")
    }
    try await accept("cut", by: "u1")
    try await accept("hurt", by: "operator:root")
    _ = try await test.database.write { db in
      try db.execute("UPDATE recording SET damage = \(storedDamage) WHERE platform_id = 'hurt'")
    }
    let coverage = try await coverage()
    #expect(coverage.counts == [.ready: 2, .missing: 2])
    #expect(coverage.accepted == 1, "A damaged recording is not ready.")
    let found = try await test.catalog.acceptances(
      of: .default, in: day.period, visibleTo: .everything, limit: 10)
    #expect(found.map(\.key.id.rawValue) == ["cut"])
    let first = try #require(found.first)
    #expect(first.acceptedBy == "dana" && first.reason == "Checked by ear." && first.finding == "It was cut short.")
    #expect(first.acceptedAt == test.clock.now && first.failedAt == test.clock.now)
    #expect(try await test.catalog.acceptance(of: try key("hurt"))?.acceptedBy == "operator:root")
    #expect(try await test.catalog.acceptance(of: try key("sound")) == nil)
    #expect(try await test.catalog.recording(try key("cut"))?.isAccepted == true)
    let listed = try await test.catalog.recordings(
      matching: RecordingFilter(), visibleTo: .everything, after: nil, limit: 10)
    #expect(Set(listed.filter(\.recording.isAccepted).names) == ["cut", "hurt"])
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `each gap has a reason, and whether a request may fill it`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await check(try await everyKind())
    let gaps = Dictionary(try await gaps().map { ($0.key.id.rawValue, $0) }) { first, _ in first }
    func expect(
      _ name: String, _ status: CoverageStatus, _ words: String, code: TapedeckError.Code? = nil, fill: Bool
    ) throws {
      let gap = try #require(gaps[name], "\(name)")
      #expect(gap.status == status && gap.code == code && gap.isFillable == fill, "\(gap)")
      #expect(gap.reason.contains(words) && gap.reason.hasSuffix("."), "\(gap.reason)")
    }
    try expect("never", .failed, "did not make the recording available", code: .neverAvailable, fill: true)
    try expect("half", .refused, "failed the integrity check", code: .incompleteRecording, fill: false)
    try expect("lost", .missing, "the catalog no longer has it", fill: true)
    try expect("no-files", .missing, "its files are damaged or lost", fill: true)
    try expect("clearance", .waiting, "until a supervisor requests it", fill: true)
    try expect("retry", .waiting, "It will be retried", code: .platformUnavailable, fill: false)
    try expect("queued", .waiting, "It is queued", fill: false)
    try expect("stopped", .failed, "was cancelled", fill: false)
    try expect("unrequested", .missing, "has not been requested", fill: true)
    try expect("dead", .failed, "The platform reports", code: .recordingFailedOnPlatform, fill: false)
    #expect(gaps["ready"] == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a failed job that is cancelled keeps its reason, and is not filled`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await fail("late", TapedeckError(.neverAvailable))
    try await fail("half", TapedeckError(.incompleteRecording))
    try await test.request("open")
    try await check([call("late"), call("half"), call("open")])
    for name in ["late", "half", "open"] {
      let id = try #require(try await test.catalog.job(of: try key(name))?.id)
      _ = try await test.catalog.cancelJob(id, entry: test.entry(.cancelJob))
      await #expect(throws: TapedeckError.self) { try await test.catalog.cancelJob(id, entry: test.entry(.cancelJob)) }
    }
    let gaps = Dictionary(try await gaps().map { ($0.key.id.rawValue, $0) }) { first, _ in first }
    let expected: [(String, CoverageStatus, TapedeckError.Code?, String)] = [
      ("late", .failed, .neverAvailable, "did not make the recording available"),
      ("half", .refused, .incompleteRecording, "failed the integrity check"),
      ("open", .failed, nil, "Its job was cancelled. Request"),
    ]
    for (name, status, code, words) in expected {
      let gap = try #require(gaps[name])
      #expect(gap.status == status && gap.code == code && !gap.isFillable, "\(gap)")
      #expect(gap.reason.contains(words), "\(gap.reason)")
      if code != nil { #expect(gap.reason.hasSuffix("Its job was then cancelled.")) }
    }
    #expect(try await coverage().counts == [.failed: 2, .refused: 1])
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a day that was never checked has no check time, and counts what sync found`(kind: DatabaseKind)
    async throws
  {
    test = try await TestCatalog(kind)
    let calls = ["call-1", "call-2"].map { call($0) }
    try await test.catalog.discover(
      calls, in: day.period, of: .default, expected: SyncFilter(), fetched: SyncFilter(), for: .sync)
    let coverage = try await coverage()
    #expect(coverage.reported == nil && coverage.checkedAt == nil)
    #expect(coverage.expected == 2 && coverage.count(.waiting) == 2)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `rows without a usable ID are gaps, until a check without them`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let rows = (1...1500).map { UnidentifiedRow(position: $0 * 2, reason: "The row has no ID.") }
    try await test.catalog.recordCheck(
      of: day, by: SyncPlan(), unwanted: 1, unidentified: rows, startedAt: test.clock.now)
    let found = try await coverage()
    #expect(found.count(.unidentified) == 1500 && found.gaps == 1500 && found.reported == 1501)
    #expect(found.isChecked && !found.isComplete)
    #expect(found.unidentified == Array(rows.prefix(Catalog.maxUnidentifiedRows)))
    try await check([])
    #expect(try await coverage().unidentified.isEmpty)
    #expect(try await coverage().isComplete)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `recordings found by sync after a check are reported too`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await check([call("call-1")], unwanted: 2)
    test.clock.advance(by: .seconds(60))
    try await test.catalog.discover(
      [call("call-2")], in: day.period, of: .default, expected: SyncFilter(), fetched: SyncFilter(), for: .sync)
    let coverage = try await coverage()
    #expect(coverage.reported == 4 && coverage.expected == 2 && coverage.unlisted == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a recording that the platform no longer lists stays expected and is counted as unlisted`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("kept")
    try await check(["kept", "gone", "still-there"].map { call($0) })
    test.clock.advance(by: .seconds(3600))
    try await check([call("still-there")])
    let coverage = try await coverage()
    #expect(coverage.reported == 1 && coverage.expected == 3 && coverage.unlisted == 2)
    #expect(coverage.count(.ready) == 1 && coverage.count(.missing) == 2)
    let gone = try #require(try await gaps().first { $0.key.id.rawValue == "gone" })
    #expect(gone.reason.contains("no longer lists it"))
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a day excludes its end, and belongs to its source and time zone`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let berlin = try #require(CalendarZone("Europe/Berlin"))
    let calls = [
      call("before", at: "2026-01-13T22:59:59.999Z"), call("first", at: "2026-01-13T23:00:00Z"),
      call("last", at: "2026-01-14T22:59:59.999Z"), call("after", at: "2026-01-14T23:00:00Z"),
    ]
    for source in [SourceID.default, SourceID("eu")!] {
      try await test.catalog.discover(
        calls, in: day.period, of: source, expected: SyncFilter(), fetched: nil, for: .check)
    }
    let local = try #require(CalendarDay("2026-01-14", in: berlin))
    let days = CalendarDay.days(from: local.advanced(by: -1), through: local.advanced(by: 1))
    #expect(
      try await test.catalog.coverage(of: SyncPlan(), on: days, visibleTo: .everything).map(\.expected) == [1, 2, 1])
    let gaps = try await test.catalog.coverageGaps(
      of: SourceID("eu")!, in: local.period, visibleTo: .everything, after: nil, limit: 10)
    #expect(gaps.map(\.key.description) == ["eu~first", "eu~last"])
    // A check of the day in one time zone does not count for the day in another.
    try await check([])
    #expect(try await coverage().reported != nil)
    #expect(try await test.catalog.coverage(of: SyncPlan(), on: [local], visibleTo: .everything).first?.reported == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a check with another filter does not count`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await check([call("call-1")], unwanted: 2)
    let allCalls = SyncPlan(filter: SyncFilter(direction: nil))
    let two = SyncPlan(filter: SyncFilter(agentIDs: ["1001", "1002"]))
    let same = SyncPlan(filter: SyncFilter(agentIDs: ["1002", "1001"]))
    func checked(_ plan: SyncPlan) async throws -> CoverageDay {
      try #require(try await test.catalog.coverage(of: plan, on: [day], visibleTo: .everything).first)
    }
    #expect(try await checked(SyncPlan()).reported == 3)
    for plan in [allCalls, two] {
      let coverage = try await checked(plan)
      #expect(coverage.reported == nil && coverage.checkedAt == nil && coverage.expected == 1)
    }
    try await test.catalog.recordCheck(of: day, by: two, unwanted: 5, startedAt: test.clock.now)
    #expect(try await checked(same).checkedAt == test.clock.now)
    #expect(try await checked(SyncPlan()).checkedAt == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a check counts from the end of the day and its overlap, and not before it happened`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    for (overlap, milliseconds, isChecked) in [
      (Duration.seconds(3600), -1, false), (.seconds(3600), 0, true), (.zero, -1, false), (.zero, 0, true),
      (.seconds(600_000), 0, false), (.seconds(600_000), 500_000_000, false),
    ] {
      let plan = SyncPlan(overlap: overlap)
      let at = day.end + overlap + .milliseconds(milliseconds)
      try await test.catalog.recordCheck(of: day, by: plan, unwanted: 0, startedAt: at)
      let found = try #require(try await test.catalog.coverage(of: plan, on: [day], visibleTo: .everything).first)
      #expect(found.checkedAt == at && found.isChecked == isChecked && found.isComplete == isChecked)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a check in the future is forgotten by the next check, before the clock reaches it`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    let later = day.advanced(by: 3)
    try await test.catalog.recordCheck(
      of: later, by: SyncPlan(), unwanted: 0, startedAt: test.clock.now + .seconds(400_000))
    try await check([])
    test.clock.advance(by: .seconds(500_000))
    let found = try await test.catalog.coverage(of: SyncPlan(), on: [day, later], visibleTo: .everything)
    #expect(found.map(\.isChecked) == [true, false] && found.last?.checkedAt == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a call without a start counts toward the day whose list has it`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    var unknown = call("unknown")
    unknown.startTime = nil
    let sync = Period(start: day.start + .seconds(-3600), end: day.end + .seconds(-3600))
    func list(_ period: Period, _ reason: DiscoveryReason) async throws {
      try await test.catalog.discover(
        [unknown], in: period, of: .default, expected: SyncFilter(), fetched: nil, for: reason)
    }
    func expected() async throws -> [Int64] {
      let days = [-1, 0, 1].map { day.advanced(by: $0) }
      return try await test.catalog.coverage(of: SyncPlan(), on: days, visibleTo: .everything).map(\.expected)
    }
    try await list(sync, .sync)
    #expect(try await expected() == [0, 1, 0])
    try await list(day.advanced(by: -1).period, .lookBack)
    for reason in [DiscoveryReason.sync, .sync] {
      try await list(sync, reason)
      #expect(try await expected() == [1, 0, 0])
    }
    try await list(day.advanced(by: 1).period, .check)
    #expect(try await expected() == [0, 0, 1])
    // The day is kept when the start is no longer reported.
    unknown.startTime = day.start + .seconds(36_000)
    try await list(sync, .sync)
    unknown.startTime = nil
    for (period, reason) in [(sync, DiscoveryReason.sync), (day.period, .check), (day.period, .lookBack)] {
      try await list(period, reason)
      #expect(try await expected() == [0, 1, 0])
      #expect(try await gaps().map(\.countedAt) == [day.start + .seconds(36_000)])
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a removed recording is not expected`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await check([call("expired")])
    _ = try await test.database.write { db in try db.execute("UPDATE recording SET tombstoned_at = 5") }
    let coverage = try await coverage()
    #expect(coverage.expected == 0)
    #expect(try await gaps().isEmpty)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `gaps are paged in the order of their calls, and restricted ones need visible facts`(
    kind: DatabaseKind
  )
    async throws
  {
    test = try await TestCatalog(kind)
    var calls = (0..<7).map { call("call-\($0)", at: "2026-01-14T0\(6 - $0):00:00Z") }
    calls[3].privacy = .restricted
    calls.append(call("same-time", at: "2026-01-14T03:00:00Z"))
    try await check(calls)
    var seen: [String] = []
    var last: Int64?
    while true {
      let page = try await gaps(after: last, limit: 3)
      seen += page.map(\.key.id.rawValue)
      last = page.last?.id
      if page.count < 3 { break }
    }
    #expect(seen == ["call-6", "call-5", "call-4", "call-3", "same-time", "call-2", "call-1", "call-0"])
    let admin = Identity(kind: .account, id: "x", name: "X", role: .admin)
    #expect(try await gaps(visibleTo: admin.visibility).count == 7)
    #expect(try await coverage().gaps == 8)
  }

  @Test mutating func `coverage reads the index of expected recordings`() async throws {
    test = try await TestCatalog(.sqlite)
    let plans = try await test.database.plans {
      _ = try await coverage()
      _ = try await gaps()
    }
    #expect(plans.filter { $0.contains(" r ") }.allSatisfy { $0.contains("USING INDEX recording_by_coverage") })
    #expect(plans.contains { $0.contains("recording_by_coverage (source=? AND counted_at>? AND counted_at<?)") })
    #expect(!plans.contains { $0.hasPrefix("SCAN j") || $0.hasPrefix("SCAN p") }, "\(plans)")
  }
}
