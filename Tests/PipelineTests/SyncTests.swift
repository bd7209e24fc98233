import Catalog
import Model
import Pipeline
import TestKit
import Testing

/// Sync and look-back.
@Suite(.timeLimit(.minutes(5)))
struct SyncTests {
  private func spans(_ fixture: SchedulerFixture) -> [String] {
    fixture.source.queries.filter { $0.direction != nil }.map { "\($0.start.iso8601) \($0.end.iso8601)" }
  }

  @Test func `the first sync begins some days ago, later ones overlap with the previous one`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.add(
      try call("long-ago", at: "2026-01-11T23:59:59Z"), try call("old", at: "2026-01-12T10:00:00Z"),
      try call("new", at: "2026-01-15T11:59:00Z"))
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      // An overlap that reaches before the first day does no harm.
      #expect(
        spans(fixture) == [
          "2026-01-11T23:50:00Z 2026-01-12T23:50:00Z", "2026-01-12T23:50:00Z 2026-01-13T23:50:00Z",
          "2026-01-13T23:50:00Z 2026-01-14T23:50:00Z", "2026-01-14T23:50:00Z 2026-01-15T12:00:00Z",
        ])
      #expect(try await fixture.watermark() == fixture.clock.now)
      #expect(Set(try await fixture.queued()) == ["long-ago", "old", "new"])

      fixture.source.add(try call("next", at: "2026-01-15T12:00:30Z"))
      try await fixture.advance(by: .seconds(60))
      try await fixture.ended(.sync)
      #expect(spans(fixture).last == "2026-01-15T11:50:00Z 2026-01-15T12:01:00Z")
      #expect(spans(fixture).count == 5)
      #expect(Set(try await fixture.queued()) == ["long-ago", "old", "new", "next"])
    }
  }

  @Test func `rows without a usable ID are located, until a later sync no longer finds them`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    for number in 1...3 { fixture.source.add(try call("call-\(number)", at: "2026-01-15T11:00:0\(number)Z")) }
    fixture.source.change {
      $0.pageSize = 2
      $0.unidentified = [UnidentifiedRow(position: 2, reason: "The row has no ID.")]
    }
    try await fixture.with([fixture.scheduler()]) {
      let sync = try await fixture.ended(.sync)
      // The list begins with the overlap; two rows are on the page before.
      #expect(sync.unidentified.count == 1)
      #expect(
        sync.unidentified.first.map { "\($0.listFrom) \($0.position) \($0.reason)" }
          == ["2026-01-14T23:50:00Z 4 The row has no ID."])
      let lookBack = try await fixture.ended(.lookBack)
      #expect(lookBack.unidentified.first.map { "\($0.listFrom) \($0.position)" } == ["2026-01-15T00:00:00Z 4"])
      fixture.source.change { $0.unidentified = [] }
      try await fixture.advance(by: .seconds(60))
      #expect(try await fixture.ended(.sync).unidentified == UnidentifiedRows())
    }
  }

  @Test func `a sync on request returns the rows without a usable ID`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .zero, lookBackDays: 2))
    fixture.source.change {
      $0.unidentified = (1...9).map { UnidentifiedRow(position: $0, reason: "The row has no ID.") }
    }
    // Three days are listed, one by one.
    let found = try await fixture.scheduler(syncs: false).syncNow(.default)
    #expect(found.unidentified.count == 27 && found.unidentified.first.count == 20)
    #expect(Set(found.unidentified.first.map(\.listFrom)).count == 3)
  }

  @Test func `calls are searched in the configured direction, and others are not fetched`() async throws {
    let fixture = try await SchedulerFixture(
      plan: SyncPlan(filter: SyncFilter(direction: .inbound, agentIDs: ["7"]), lookBackDays: 0))
    fixture.source.add(
      try call("outbound", at: "2026-01-15T10:00:00Z") { $0.agentID = "7" },
      try call("other-agent", at: "2026-01-15T10:00:00Z") { ($0.direction, $0.agentID) = (.inbound, "8") },
      try call("wanted", at: "2026-01-15T10:00:00Z") { ($0.direction, $0.agentID) = (.inbound, "7") })
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      try await fixture.ended(.lookBack)
      #expect(try await fixture.queued() == ["wanted"])
      #expect(Set(fixture.source.queries.map(\.direction)) == [.inbound, nil])
    }
  }

  @Test func `changes since the last sync update known calls of any age, and add none`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    let old = try call("old", at: "2025-06-01T10:00:00Z")
    let key = RecordingKey(source: .default, id: old.id)
    try await fixture.catalog.observe(old, of: key)
    var changed = old
    (changed.disposition, changed.json) = ("Complaint", #"{"disposition":"Complaint"}"#)
    let changes = [try call("unknown", at: "2025-06-02T10:00:00Z"), changed]
    fixture.source.change { $0.changes = changes }
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      // There is nothing earlier that could have changed.
      #expect(fixture.source.changesSince.isEmpty)
      try await fixture.advance(by: .seconds(60))
      try await fixture.ended(.sync)
      #expect(fixture.source.changesSince == [Instant(iso8601: "2026-01-15T11:50:00Z")])
    }
    #expect(try await fixture.catalog.recording(key)?.facts.disposition == "Complaint")
    let unknown = RecordingKey(source: .default, id: changes[0].id)
    #expect(try await fixture.catalog.recording(unknown) == nil)
    #expect(try await fixture.queued() == [])
  }

  @Test func `a list of changes that fails keeps the watermark`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      let watermark = try await fixture.watermark()
      // A source that lists the same change again and again.
      let row = try call("old", at: "2025-06-01T10:00:00Z")
      fixture.source.change { $0.changes = Array(repeating: row, count: 20) }
      try await fixture.advance(by: .seconds(60))
      #expect(try await fixture.ended(.sync).failures == 1)
      #expect(try await fixture.watermark() == watermark)
    }
  }

  @Test func `a failure on the second page keeps the watermark and is reported`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    try await fixture.with([fixture.scheduler(syncs: true)]) {
      try await fixture.ended(.sync)
      try await fixture.ended(.lookBack)
      let watermark = try #require(try await fixture.watermark())
      for number in 1...5 { fixture.source.add(try call("call-\(number)", at: "2026-01-15T12:00:0\(number)Z")) }
      let next = fixture.source.searches + 2
      fixture.source.change {
        $0.pageSize = 2
        $0.events[next] = { @Sendable () async throws in
          throw TapedeckError(.platformUnavailable, "The platform is down.")
        }
      }
      try await fixture.advance(by: .seconds(60))
      let failed = try await fixture.ended(.sync)
      #expect(failed.failures == 1 && failed.lastError?.message == "The platform is down.")
      #expect(try await fixture.watermark() == watermark)
      // The first page has been stored: its recordings are being downloaded meanwhile.
      #expect(try await fixture.queued() == ["call-1", "call-2"])
      // The middle of the five seconds of jitter.
      #expect(failed.dueAt == fixture.clock.now + .milliseconds(2500))

      try await fixture.advance(by: .milliseconds(2500))
      let good = try await fixture.ended(.sync)
      #expect(good.failures == 0 && good.lastError == nil && good.lastSuccessAt == fixture.clock.now)
      #expect(try await fixture.queued() == (1...5).map { "call-\($0)" })
      #expect(try await fixture.watermark() == Instant(milliseconds: fixture.clock.now.milliseconds / 1000 * 1000))
    }
  }

  @Test func `a platform that asks for a pause gets it in full`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(lookBackDays: 0))
    fixture.source.change {
      $0.events[1] = { @Sendable () async throws in
        throw TapedeckError(.platformRateLimited, retryAfter: .seconds(300))
      }
    }
    let row = try await fixture.with([fixture.scheduler(syncs: true)]) {
      try await fixture.task(.sync) { $0.failures == 1 }
    }
    #expect(row.dueAt == fixture.clock.now + .seconds(300))
  }

  @Test func `after a long interruption the watermark moves day by day, and a restart resumes there`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .zero, lookBackDays: 0))
    try await fixture.with([fixture.scheduler()]) { try await fixture.ended(.sync) }
    let before = try #require(try await fixture.watermark())
    fixture.clock.advance(by: .seconds(86_400 * 10))
    let stuck = Gate()
    let third = fixture.source.searches + 3
    // The look-back that is due at the same time searches one day: its request may be among the first.
    fixture.source.change {
      $0.queries = []
      $0.events[third] = { @Sendable () async throws in
        stuck.open()
        try await Gate().wait()
      }
    }
    try await fixture.with([fixture.scheduler()]) { try await stuck.wait() }
    let row = try #require(try await fixture.catalog.recurringTask(TaskKey(.sync, of: .default)))
    #expect(row.leaseUntil == nil && row.failures == 0 && row.lastError == nil)
    let reached = try #require(try await fixture.watermark())
    #expect(reached > before && reached < fixture.clock.now)
    #expect((reached - before).milliseconds % 86_400_000 == 0)

    fixture.source.change { $0.queries = [] }
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.task(.sync) { $0.leaseUntil == nil && $0.lastSuccessAt == fixture.clock.now }
    }
    #expect(fixture.source.queries.filter { $0.direction != nil }.map(\.start).min() == reached)
    #expect(try await fixture.watermark() == fixture.clock.now)
  }

  @Test func `a call that is too late for the overlap is found by the look-back within the hour`() async throws {
    let fixture = try await SchedulerFixture()
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      try await fixture.ended(.lookBack)
      fixture.source.add(try call("late", at: "2026-01-13T10:00:00Z"), try call("too-late", at: "2026-01-11T10:00:00Z"))
      for _ in 1...30 {
        try await fixture.advance(by: .seconds(119))
        try await fixture.ended(.sync)
      }
      #expect(try await fixture.queued() == [])
      try await fixture.advance(by: .seconds(31))
      try await fixture.task(.lookBack) { $0.leaseUntil == nil && $0.lastEndedAt == fixture.clock.now }
      #expect(try await fixture.queued() == ["late"])
    }
    let job = try #require(try await fixture.catalog.job(of: RecordingKey(id: RecordingID("late")!)))
    #expect(job.clearance == .restricted)
  }

  @Test func `a look-back refreshes privacy and the expected number of calls of each day`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.add(
      try call("turns", at: "2026-01-13T10:00:00Z"),
      try call("inbound", at: "2026-01-13T11:00:00Z") { $0.direction = .inbound })
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.lookBack)
      let key = RecordingKey(id: RecordingID("turns")!)
      #expect(try await fixture.catalog.recording(key)?.facts.privacy == .standard)
      fixture.source.change { $0.recordings[0].privacy = .restricted }
      try await fixture.advance(by: .seconds(3600))
      try await fixture.ended(.lookBack)
      #expect(try await fixture.catalog.recording(key)?.facts.privacy == .restricted)
    }
    let days = try ["2026-01-11", "2026-01-12", "2026-01-13", "2026-01-15"].map {
      try #require(CalendarDay($0, in: .utc))
    }
    let coverage = try await fixture.catalog.coverage(of: SyncPlan(), on: days, visibleTo: .everything)
    #expect(coverage.map(\.reported) == [nil, 0, 2, 0])
    #expect(coverage.map(\.expected) == [0, 0, 1, 0])
    #expect(coverage[2].checkedAt == fixture.clock.now)
    // From today backwards, each day as a whole, and in every direction.
    let looked = fixture.source.queries.filter { $0.direction == nil }.map(\.start.iso8601)
    #expect(
      Array(looked.prefix(4)) == [
        "2026-01-15T00:00:00Z", "2026-01-14T00:00:00Z", "2026-01-13T00:00:00Z", "2026-01-12T00:00:00Z",
      ])
  }

  @Test func `a look-back restarts only jobs whose failure may be temporary`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(lookBackDays: 0))
    let passing: [TapedeckError.Code] = [
      .platformUnavailable, .downloadInterrupted, .storageFailed, .catalogFailed, .conversionTimedOut, .internalError,
      .ffmpegMissing, .neverAvailable, .notYetAvailable,
    ]
    let lasting: [TapedeckError.Code] = [
      .incompleteRecording, .conversionFailed, .unknownRecording, .platformRefused, .recordingFailedOnPlatform,
      .platformProtocol, .platformCredentialsRefused,
    ]
    for code in passing + lasting { fixture.source.add(try call(code.rawValue, at: "2026-01-15T10:00:00Z")) }
    fixture.source.add(
      try call("not-yet", at: "2026-01-15T10:00:00Z") { $0.status = .processing },
      try call("dead", at: "2026-01-15T10:00:00Z"), try call("deadly", at: "2026-01-15T10:00:00Z"),
      try call("stopped", at: "2026-01-15T10:00:00Z"))
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.sync)
      try await fixture.ended(.lookBack)
    }
    _ = try await fixture.database.write { db in
      try db.execute("UPDATE job SET run_state = 'failed', due_at = NULL, failure_code = platform_id, attempts = 6")
      try db.execute("UPDATE job SET failure_code = 'never_available' WHERE platform_id = 'not-yet'")
      try db.execute("UPDATE job SET failure_code = 'platform_unavailable' WHERE platform_id = 'dead'")
      try db.execute(
        "UPDATE job SET failure_code = 'internal_error', worker_deaths = 20 WHERE platform_id = 'deadly'")
      try db.execute(
        "UPDATE job SET run_state = 'cancelled', failure_code = 'job_cancelled' WHERE platform_id = 'stopped'")
    }
    fixture.source.change { state in
      guard let index = state.recordings.firstIndex(where: { $0.id.rawValue == "dead" }) else { return }
      state.recordings[index].status = .failed
    }
    @Sendable func idle() async throws -> Set<String> {
      try await fixture.database.read { db in
        Set(try db.rows("SELECT platform_id FROM job WHERE run_state = 'idle'").map { try $0.text("platform_id") })
      }
    }
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.advance(by: .seconds(60))
      try await fixture.ended(.sync)
      #expect(try await idle().isEmpty)
      try await fixture.advance(by: .seconds(3600))
      try await fixture.ended(.lookBack)
      #expect(try await idle() == Set(passing.map(\.rawValue)))
    }
    let key = RecordingKey(id: RecordingID("storage_failed")!)
    let job = try #require(try await fixture.catalog.job(of: key))
    #expect(job.stage == .queued && job.attempts == 0 && job.failure == nil && job.priority == .fresh)
    #expect(try await fixture.catalog.recording(key)?.facts.status == .available)
  }

  @Test func `an interrupted look-back resumes with the same day`() async throws {
    let fixture = try await SchedulerFixture()
    let stuck = Gate()
    // Four searches of the sync, then those of the look-back; in any order, one of the look-back's is among the last.
    try await fixture.with([fixture.scheduler()]) { try await fixture.ended(.lookBack) }
    try await fixture.with([fixture.scheduler()]) { try await fixture.task(.sync) { $0.leaseUntil == nil } }
    fixture.source.change { $0.queries = [] }
    fixture.clock.advance(by: .seconds(3600))
    fixture.source.change { state in
      let next = state.searches
      for number in 1...4 {
        state.events[next + number] = { @Sendable () async throws in
          guard fixture.source.queries.filter({ $0.direction == nil }).count == 3 else { return }
          stuck.open()
          try await Gate().wait()
        }
      }
    }
    try await fixture.with([fixture.scheduler()]) { try await stuck.wait() }
    fixture.source.change {
      $0.queries = []
      $0.events = [:]
    }
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.task(.lookBack) { $0.leaseUntil == nil && $0.lastSuccessAt == fixture.clock.now }
    }
    let looked = fixture.source.queries.filter { $0.direction == nil }.map(\.start.iso8601)
    #expect(looked == ["2026-01-13T00:00:00Z", "2026-01-12T00:00:00Z"])
  }

  @Test func `days are those of the source's time zone`() async throws {
    let fixture = try await SchedulerFixture(
      plan: SyncPlan(zone: try #require(CalendarZone("Asia/Kolkata")), lookBackDays: 1))
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.lookBack)
    }
    let looked = fixture.source.queries.filter { $0.direction == nil }.map { "\($0.start.iso8601) \($0.end.iso8601)" }
    #expect(looked == ["2026-01-14T18:30:00Z 2026-01-15T18:30:00Z", "2026-01-13T18:30:00Z 2026-01-14T18:30:00Z"])
  }

  @Test func `two nodes run each recurring task once between them`() async throws {
    let fixture = try await SchedulerFixture()
    for number in 0..<40 {
      fixture.source.add(try call("call-\(number)", at: "2026-01-15T10:00:\(number < 10 ? "0" : "")\(number)Z"))
    }
    fixture.source.change { $0.pageSize = 7 }
    try await fixture.with([fixture.scheduler(), fixture.scheduler(), fixture.scheduler()]) {
      try await fixture.ended(.sync)
      try await fixture.ended(.lookBack)
      for _ in 1...5 {
        try await fixture.advance(by: .seconds(60))
        try await fixture.ended(.sync)
      }
    }
    let spans = fixture.source.queries.map { "\($0.start.iso8601) \($0.end.iso8601) \($0.direction?.rawValue ?? "")" }
    #expect(Set(spans).count == spans.count, "\(spans)")
    #expect(spans.count == 4 + 4 + 5)
    #expect(try await fixture.queued().count == 40)
  }

  @Test func `the tasks of a crashed node are taken over within its lease and run again in full`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(lookBackDays: 0))
    let key = TaskKey(.sync, of: .default)
    try await fixture.catalog.ensureTasks([key])
    // This lease is not released.
    _ = try #require(try await fixture.catalog.claimTask(key, lease: .seconds(30)))
    fixture.source.add(try call("call-1", at: "2026-01-15T10:00:00Z"))
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.lookBack)
      fixture.source.change { $0.queries = [] }
      try await fixture.advance(by: .seconds(29))
      #expect(spans(fixture).isEmpty)
      try await fixture.advance(by: .milliseconds(1001))
      try await fixture.ended(.sync)
      #expect(!spans(fixture).isEmpty)
    }
  }

  @Test func `an endless list is abandoned`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.change { $0.isEndless = true }
    let day = try #require(CalendarDay("2026-01-14", in: .utc))
    await #expect {
      try await fixture.discovery(maxPages: 50).check(day, now: fixture.clock.now, fetches: false, for: .check)
    } throws: { ($0 as? TapedeckError)?.code == .platformProtocol }
    #expect(fixture.source.searches == 50)
    #expect(
      try await fixture.catalog.coverage(of: SyncPlan(), on: [day], visibleTo: .everything).first?.checkedAt == nil)
  }

  @Test func `a coverage check counts duplicates once, and does not search future days`() async throws {
    let fixture = try await SchedulerFixture()
    let inbound = try call("inbound", at: "2026-01-14T10:00:00Z") { $0.direction = .inbound }
    let outbound = try call("outbound", at: "2026-01-14T10:00:00Z")
    fixture.source.change {
      $0.recordings = [inbound, inbound, outbound, outbound]
      $0.pageSize = 1
    }
    let day = try #require(CalendarDay("2026-01-14", in: .utc))
    try await fixture.discovery().check(day, now: fixture.clock.now, fetches: false, for: .check)
    let coverage = try #require(
      try await fixture.catalog.coverage(of: SyncPlan(), on: [day], visibleTo: .everything).first)
    #expect(coverage.reported == 2 && coverage.expected == 1)
    #expect(try await fixture.queued() == [])
    let searches = fixture.source.searches
    try await fixture.discovery().check(day.advanced(by: 2), now: fixture.clock.now, fetches: true, for: .check)
    #expect(fixture.source.searches == searches)
  }

  @Test func `a listed call of another day is a gap of the listed day, with its position`() async throws {
    let fixture = try await SchedulerFixture()
    let day = try #require(CalendarDay("2026-01-14", in: .utc))
    let misplaced = [
      try call("old", at: "1970-01-01T00:00:00Z"), try call("late", at: "2062-01-01T00:00:00Z"),
      try call("next", at: "2026-01-15T00:00:02Z"), try call("next", at: "2026-01-15T00:00:02Z"),
      try call("before", at: "2026-01-13T23:59:58Z"),
      try call("inbound", at: "1970-01-01T00:00:00Z") { $0.direction = .inbound },
      // A platform that rounds times lists these with the day as well.
      try call("second-before", at: "2026-01-13T23:59:59.500Z"), try call("end", at: "2026-01-15T00:00:00Z"),
    ]
    let good = try call("good", at: "2026-01-14T10:00:00Z")
    fixture.source.change {
      $0.misplaced = misplaced
      $0.recordings = [good]
      $0.pageSize = 2
    }
    let found = try await fixture.discovery().check(day, now: fixture.clock.now, fetches: true, for: .lookBack)
    #expect(found.queued == 7 && found.unidentified.count == 4)
    func coverage() async throws -> CoverageDay {
      try #require(try await fixture.catalog.coverage(of: fixture.plan, on: [day], visibleTo: .everything).first)
    }
    let first = try await coverage()
    #expect(first.unidentified.map(\.position) == [1, 2, 3, 5] && first.count(.unidentified) == 4)
    #expect(first.unidentified.allSatisfy { $0.reason == "The start of the call is not in the listed day." })
    #expect(first.count(.waiting) == 3 && first.reported == 8 && first.isChecked && !first.isComplete)
    fixture.source.change { $0.misplaced = [] }
    try await fixture.discovery().check(day, now: fixture.clock.now, fetches: true, for: .lookBack)
    #expect(try await coverage().count(.unidentified) == 0)
  }

  /// Starts of calls that only the list of 14 January has.
  @Test(arguments: [
    "2026-01-15T00:00:00Z", "2026-01-15T00:00:00.999Z", "2026-01-15T00:00:01Z", "2026-01-13T23:59:59Z",
    "2026-01-13T23:59:59.999Z",
  ])
  func `a listed call up to a second outside the day is in the figures of that day`(start: String) async throws {
    let fixture = try await SchedulerFixture()
    let day = try #require(CalendarDay("2026-01-14", in: .utc))
    let days = [day.advanced(by: -1), day, day.advanced(by: 1)]
    let edge = try call("edge", at: start)
    let inbound = try call("inbound", at: start) { $0.direction = .inbound }
    func check(_ day: CalendarDay, lists: Bool) async throws {
      fixture.source.change { $0.misplaced = lists ? [edge, inbound] : [] }
      try await fixture.discovery().check(day, now: fixture.clock.now, fetches: false, for: .check)
    }
    func coverage() async throws -> [CoverageDay] {
      try await fixture.catalog.coverage(of: fixture.plan, on: days, visibleTo: .everything)
    }
    // A sync that lists the call afterwards does not move it to the day of its start.
    for syncs in [false, true] {
      try await check(day, lists: true)
      if syncs {
        try await fixture.catalog.discover(
          [edge], in: Period(start: days[0].start, end: days[2].end), of: fixture.plan.source,
          expected: fixture.plan.filter, fetched: nil, for: .sync)
      }
      for other in [days[0], days[2]] { try await check(other, lists: false) }
      let found = try await coverage()
      #expect(found.map(\.expected) == [0, 1, 0] && found.map(\.reported) == [0, 2, 0])
      #expect(found[1].count(.missing) == 1 && !found[1].isComplete && found[1].unidentified.isEmpty)
    }
  }

  @Test func `a call of midnight that two days list counts once, toward the day that listed it last`() async throws {
    let fixture = try await SchedulerFixture()
    let day = try #require(CalendarDay("2026-01-13", in: .utc))
    let days = [day, day.advanced(by: 1)]
    let midnight = try call("midnight", at: "2026-01-14T00:00:00Z")
    for (order, expected) in [(days, [0, 1]), (days.reversed(), [1, 0]), (days, [0, 1])] as [([CalendarDay], [Int64])] {
      for day in order {
        fixture.source.change { $0.misplaced = day == days[0] ? [midnight] : [] }
        fixture.source.change { $0.recordings = [midnight] }
        fixture.clock.advance(by: .seconds(1))
        try await fixture.discovery().check(day, now: fixture.clock.now, fetches: false, for: .check)
      }
      let coverage = try await fixture.catalog.coverage(of: fixture.plan, on: days, visibleTo: .everything)
      #expect(coverage.map(\.expected) == expected && coverage.map { $0.reported ?? -1 } == expected)
    }
  }

  @Test func `an excluded call of midnight that two days list is reported once`() async throws {
    let fixture = try await SchedulerFixture()
    let day = try #require(CalendarDay("2026-01-13", in: .utc))
    let days = [day, day.advanced(by: 1)]
    let midnight = try call("midnight", at: "2026-01-14T00:00:00Z") { $0.direction = .inbound }
    for (order, reported) in [(days, [0, 1]), (days.reversed(), [1, 0]), (days, [0, 1])] as [([CalendarDay], [Int64])] {
      // A check that is repeated changes nothing.
      for day in order + order.suffix(1) {
        fixture.source.change { $0.misplaced = day == days[0] ? [midnight] : [] }
        fixture.source.change { $0.recordings = [midnight] }
        fixture.clock.advance(by: .seconds(1))
        try await fixture.discovery().check(day, now: fixture.clock.now, fetches: false, for: .check)
      }
      let coverage = try await fixture.catalog.coverage(of: fixture.plan, on: days, visibleTo: .everything)
      #expect(coverage.map { $0.reported ?? -1 } == reported && coverage.map(\.expected) == [0, 0])
    }
  }

  @Test func `a list that may be incomplete fails after its rows are queued`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    for number in 1...5 { fixture.source.add(try call("call-\(number)", at: "2026-01-15T11:00:0\(number)Z")) }
    let day = try #require(CalendarDay("2026-01-15", in: .utc))
    for (notes, isWhole) in [
      (ListNotes(rows: 6), false), (ListNotes(rows: 5), true), (ListNotes(rows: 2), true),
      (ListNotes(pages: 4), false), (ListNotes(pages: 3), true), (ListNotes(unknown: ["shards"]), false),
      (ListNotes(continues: true), false),
    ] {
      fixture.source.change { ($0.pageSize, $0.notes) = (2, notes) }
      let code = await failure {
        try await fixture.discovery().check(day, now: fixture.clock.now, fetches: true, for: .lookBack)
      }
      #expect(code == (isWhole ? nil : .platformProtocol))
      #expect(try await fixture.queued().count == 5)
    }
  }

  @Test func `a sync that a person requests runs after the one that is under way`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(lookBackDays: 0))
    fixture.source.add(try call("call-1", at: "2026-01-15T10:00:00Z"))
    let key = TaskKey(.sync, of: .default)
    try await fixture.catalog.ensureTasks([key])
    let other = try #require(try await fixture.catalog.claimTask(key, lease: .seconds(30)))
    let scheduler = fixture.scheduler(syncs: false)
    async let found = scheduler.syncNow(.default)
    try await fixture.clock.untilSleeping(1)
    #expect(fixture.source.searches == 0)
    try await fixture.catalog.release(other.lease, .done(next: nil))
    fixture.clock.advance(by: .milliseconds(200))
    let counts = try await found
    #expect((counts.wanted, counts.queued) == (1, 1))
    #expect(try await fixture.catalog.recurringTask(key)?.leaseUntil == nil)
    #expect(try await fixture.watermark() != nil)
    await #expect { try await scheduler.syncNow(SourceID("nowhere")!) } throws: {
      ($0 as? TapedeckError)?.code == .notFound
    }
  }

  @Test func `without sync no request is sent to the platform`() async throws {
    let fixture = try await SchedulerFixture()
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      try await until { try await !fixture.catalog.recurringTasks().isEmpty }
      try await fixture.advance(by: .seconds(7200))
    }
    #expect(fixture.source.searches == 0)
    #expect(try await fixture.catalog.recurringTasks().map(\.key.name) == [.backfill])
  }
}
