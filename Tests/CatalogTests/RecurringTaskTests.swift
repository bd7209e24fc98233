import Catalog
import Model
import TestKit
import Testing

@Suite struct RecurringTaskTests {
  let key = TaskKey(.sync, of: .default)
  let backfill = TaskKey(.backfill, of: .default)

  @Test(arguments: DatabaseKind.allCases)
  func `a recurring task exists once and is due at once, a backfill only on request`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key, backfill])
    let (_, lease) = try await claim(test)
    try await test.catalog.release(lease, .done(next: test.clock.now + .seconds(60)))
    try await test.catalog.ensureTasks([key, backfill])
    #expect(try await test.count("recurring_task") == 2)
    #expect(try await test.catalog.recurringTask(key)?.dueAt == test.clock.now + .seconds(60))
    #expect(try await test.catalog.recurringTask(backfill)?.dueAt == nil)
    #expect(try await test.catalog.claimTask(backfill, lease: .seconds(30)) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `of many nodes that claim a task at once, one gets it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    let claims = try await withThrowingTaskGroup(of: TaskRow?.self) { group in
      for _ in 0..<20 { group.addTask { try await test.catalog.claimTask(key, lease: .seconds(30)) } }
      return try await group.reduce(into: [TaskRow]()) { claims, claim in if let claim { claims.append(claim) } }
    }
    #expect(claims.count == 1)
    #expect(try await test.catalog.claimTask(key, lease: .seconds(30), early: true) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a task is claimed when it is due, and earlier only on request`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    let (_, lease) = try await claim(test)
    let due = test.clock.now + .seconds(60)
    try await test.catalog.release(lease, .done(next: due))
    #expect(try await test.catalog.nextTaskTime(among: [key]) == due)
    test.clock.advance(by: .milliseconds(59_999))
    #expect(try await test.catalog.claimTask(key, lease: .seconds(30)) == nil)
    let early = try #require(try await test.catalog.claimTask(key, lease: .seconds(30), early: true))
    try await test.catalog.release(early.lease, .done(next: due))
    test.clock.advance(by: .milliseconds(1))
    #expect(try await test.catalog.claimTask(key, lease: .seconds(30)) != nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an expired lease goes to another node, and later writes of the old one are refused`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    let (_, dead) = try await claim(test)
    #expect(try await test.catalog.nextTaskTime(among: [key]) == test.clock.now + .seconds(30))
    test.clock.advance(by: .seconds(20))
    try await test.catalog.heartbeat([dead], lease: .seconds(30))
    test.clock.advance(by: .seconds(30))
    #expect(try await test.catalog.claimTask(key, lease: .seconds(30)) == nil)
    test.clock.advance(by: .milliseconds(1))
    let (row, lease) = try await claim(test)
    #expect(lease.fence > dead.fence)
    #expect(row.key == key)
    #expect(await failure { try await test.catalog.recordState("{}", of: dead) } == .leaseLost)
    #expect(await failure { try await test.catalog.release(dead, .interrupted) } == .leaseLost)
    try await test.catalog.heartbeat([dead], lease: .seconds(300))
    #expect(try await test.catalog.recurringTask(key)?.leaseUntil == test.clock.now + .seconds(30))
    try await test.catalog.release(lease, .interrupted)
    #expect(await failure { try await test.catalog.release(lease, .interrupted) } == .leaseLost)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the state of a task is kept for its next claim, and a shutdown is not a failure`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    let (_, lease) = try await claim(test)
    try await test.catalog.recordState(#"{"watermark":5}"#, of: lease)
    try await test.catalog.release(lease, .interrupted)
    let (row, _) = try await claim(test)
    #expect(row.state == #"{"watermark":5}"#)
    #expect(row.failures == 0 && row.lastError == nil && row.lastSuccessAt == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `failures are counted with their reason until one success`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    for count in 1...3 {
      let (_, lease) = try await claim(test)
      try await test.catalog.release(
        lease, .failed(next: test.clock.now, because: TapedeckError(.platformUnavailable, "It is down.")))
      let row = try #require(try await test.catalog.recurringTask(key))
      #expect(row.failures == count)
      #expect(row.lastError?.code == .platformUnavailable && row.lastError?.message == "It is down.")
    }
    let (_, lease) = try await claim(test)
    try await test.catalog.release(lease, .done(next: nil))
    let row = try #require(try await test.catalog.recurringTask(key))
    #expect(row.failures == 0 && row.lastError == nil && row.lastSuccessAt == test.clock.now && row.dueAt == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a request for a task that is running is not forgotten`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([backfill])
    _ = try await start(test)
    let taken = try #require(try await test.catalog.claimTask(backfill, lease: .seconds(30)))
    _ = try await start(test)
    try await test.catalog.release(taken.lease, .done(next: nil))
    #expect(try await test.catalog.claimTask(backfill, lease: .seconds(30)) != nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the tasks of a dead process can be claimed after their release`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.ensureTasks([key])
    _ = try await claim(test)
    try await test.catalog.releaseAllTasks()
    _ = try await claim(test)
  }

  private func claim(_ test: TestCatalog) async throws -> (TaskRow, TaskLease) {
    let row = try #require(try await test.catalog.claimTask(key, lease: .seconds(30)))
    return (row, row.lease)
  }

  private func start(_ test: TestCatalog) async throws -> Backfill {
    try await test.catalog.startBackfill(
      of: Period(start: Instant(milliseconds: 0), end: Instant(milliseconds: 1000)), from: .default, direction: nil,
      by: "tester", entry: test.entry(.ingest))
  }
}
