import Catalog
import Model
import TestKit
import Testing

@Suite struct BackfillTests {
  /// Set by each test, since the database is a test argument.
  private var test: TestCatalog!
  let key = TaskKey(.backfill, of: .default)
  let span = Period(start: Instant(iso8601: "2026-01-01T00:00:00Z")!, end: Instant(iso8601: "2026-01-05T00:00:00Z")!)

  private func start() async throws -> Backfill {
    try await test.catalog.startBackfill(
      of: span, from: .default, direction: nil, by: "tester", entry: test.entry(.ingest))
  }

  private func take() async throws -> TaskLease {
    try #require(try await test.catalog.claimTask(key, lease: .seconds(30))).lease
  }

  private func discover(
    _ names: [String], _ backfill: Backfill, _ lease: TaskLease, reached: String = "2026-01-02T00:00:00Z"
  ) async throws -> Int {
    try await test.catalog.discover(
      names.map { test.facts($0) }, in: span, of: .default, expected: SyncFilter(), fetched: SyncFilter(),
      for: .backfill(
        id: backfill.id, lease: lease,
        BackfillStep(reached: try #require(Instant(iso8601: reached)), found: names.count)))
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a backfill makes its recurring task due, and counts recordings and jobs`(kind: DatabaseKind)
    async throws
  {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    #expect(backfill.state == .running && backfill.reachedAt == span.start && backfill.share == 0)
    let lease = try await take()
    try await test.request("known")
    #expect(try await discover(["known", "new-1", "new-2"], backfill, lease) == 2)
    let row = try #require(try await test.catalog.backfill(backfill.id))
    #expect((row.found, row.queued, row.open, row.failed) == (3, 2, 2, 0))
    #expect(row.share == 0.25)
    // Two jobs in a quarter of the period: six more are estimated.
    #expect(row.remaining == 8)
    #expect(try await test.catalog.job(of: try CatalogTests.key("new-1"))?.clearance == .restricted)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `no job is created once it is paused or cancelled, at any moment`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let lease = try await take()
    for state in [Backfill.State.paused, .cancelled] {
      let row = try await test.catalog.setBackfill(backfill.id, to: state, entry: test.entry(.ingest))
      #expect(row.state == state)
      #expect(await failure { try await discover(["call-1"], backfill, lease) } == .leaseLost)
    }
    #expect(try await test.count("job") == 0)
    #expect(try await test.count("recording") == 0)
    #expect(try await test.catalog.nextBackfill(of: .default) == nil)
    #expect(try await test.catalog.backfill(backfill.id)?.endedAt == test.clock.now)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a node that lost the task lease creates no jobs`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let dead = try await take()
    test.clock.advance(by: .seconds(31))
    let lease = try await take()
    #expect(await failure { try await discover(["call-1"], backfill, dead) } == .leaseLost)
    #expect(
      await failure {
        try await test.catalog.advanceBackfill(backfill.id, lease: dead, to: span.end, isListed: true)
      } == .leaseLost)
    #expect(try await discover(["call-1"], backfill, lease) == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a resumed backfill continues where it stopped`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let lease = try await take()
    _ = try await discover(["call-1"], backfill, lease)
    _ = try await test.catalog.setBackfill(backfill.id, to: .paused, entry: test.entry(.ingest))
    try await test.catalog.release(lease, .done(next: nil))
    _ = try await take()
    let resumed = try await test.catalog.setBackfill(backfill.id, to: .running, entry: test.entry(.ingest))
    #expect(resumed.reachedAt == Instant(iso8601: "2026-01-02T00:00:00Z") && resumed.found == 1)
    #expect(try await test.catalog.nextBackfill(of: .default)?.id == backfill.id)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `the oldest running backfill is next`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let first = try await start()
    test.clock.advance(by: .seconds(1))
    let second = try await start()
    #expect(try await test.catalog.nextBackfill(of: .default)?.id == first.id)
    _ = try await test.catalog.setBackfill(first.id, to: .paused, entry: test.entry(.ingest))
    #expect(try await test.catalog.nextBackfill(of: .default)?.id == second.id)
    #expect(try await test.catalog.backfills().map(\.id) == [second.id, first.id])
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `an ended backfill cannot be changed`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let lease = try await take()
    try await test.catalog.advanceBackfill(backfill.id, lease: lease, to: span.end, isListed: true)
    try await test.catalog.endBackfill(backfill.id, lease: lease)
    let row = try #require(try await test.catalog.backfill(backfill.id))
    #expect(row.state == .done && row.endedAt == test.clock.now && row.share == 1 && row.remaining == 0)
    for state in [Backfill.State.running, .paused, .cancelled] {
      #expect(
        await failure { try await test.catalog.setBackfill(backfill.id, to: state, entry: test.entry(.ingest)) }
          == .invalidRequest)
    }
    #expect(
      await failure { try await test.catalog.setBackfill("nothing", to: .paused, entry: test.entry(.ingest)) }
        == .notFound)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `its end is estimated from the last hour`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let lease = try await take()
    _ = try await discover((1...10).map { "call-\($0)" }, backfill, lease)
    var row = try #require(try await test.catalog.backfill(backfill.id))
    #expect(row.remaining == 40 && row.through(at: test.clock.now) == nil)
    test.clock.advance(by: .seconds(1800))
    for _ in 1...5 {
      let job = try await test.claim()
      try await test.catalog.release(job.lease, .fail(TapedeckError(.neverAvailable)))
    }
    row = try #require(try await test.catalog.backfill(backfill.id))
    #expect((row.open, row.failed, row.endedLately, row.remaining) == (5, 5, 5, 35))
    #expect(row.hourlyRate(at: test.clock.now) == 10)
    #expect(row.through(at: test.clock.now) == test.clock.now + .seconds(3600 * 35 / 10))
    // Without a job that ended within the hour there is no estimate.
    test.clock.advance(by: .seconds(3601))
    row = try #require(try await test.catalog.backfill(backfill.id))
    #expect(row.hourlyRate(at: test.clock.now) == nil && row.through(at: test.clock.now) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a change of state and its entry are one transaction`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let backfill = try await start()
    let before = try await test.everything()
    for statements in 1...5 {
      test.database.fail(afterStatements: statements)
      #expect(
        await failure { try await test.catalog.setBackfill(backfill.id, to: .paused, entry: test.entry(.ingest)) }
          == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
  }
}
