import Catalog
import Model
import TestKit
import Testing

/// Faults of the machine: a full disk, a clock that is set back.
@Suite struct FaultTests {
  @Test(arguments: DatabaseKind.allCases)
  func `postponed transfers keep their due time, and other work continues`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    let (underWay, _) = try await test.jobInProcessing("under-way")
    for name in ["first", "second"] {
      test.clock.advance(by: .seconds(1))
      let (_, lease) = try await test.jobInProcessing(name)
      try await test.catalog.release(lease, .interrupted)
    }
    try await test.request("question")
    test.clock.advance(by: .seconds(10))
    try await test.catalog.postponeTransfers(because: TapedeckError(.diskFull))
    for name in ["first", "second"] {
      let job = try #require(try await test.catalog.job(of: try key(name)))
      #expect(job.runState == .waiting)
      #expect(job.failure?.code == .diskFull)
    }
    #expect(try await test.catalog.job(underWay.id)?.runState == .leased)
    #expect(try await test.catalog.job(of: try key("question"))?.runState == .idle)
    for name in ["first", "second"] { #expect(try await test.claim(.transfer).job.key.id.rawValue == name) }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `on a shared database, a node without space leaves newly due jobs to others`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let (job, lease) = try await test.jobInProcessing()
    try await test.catalog.release(lease, .interrupted)
    test.clock.advance(by: .milliseconds(9_999))
    try await test.catalog.postponeTransfers(because: TapedeckError(.diskFull))
    #expect(try await test.catalog.job(job.id)?.runState == (kind == .postgresql ? .idle : .waiting))
    test.clock.advance(by: .milliseconds(1))
    try await test.catalog.postponeTransfers(because: TapedeckError(.diskFull))
    #expect(try await test.catalog.job(job.id)?.runState == .waiting)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a request makes a job that waits for space due at once`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (job, lease) = try await test.jobInProcessing()
    try await test.catalog.release(
      lease, .postpone(until: test.clock.now + .seconds(900), because: TapedeckError(.diskFull)))
    #expect(try await test.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first == nil)
    let asked = try await test.request(clearance: .restricted)
    #expect(asked.id == job.id && asked.runState == .idle && asked.stage == .processing)
    #expect(asked.clearance == .restricted)
    #expect(try await test.claim(.transfer).job.id == job.id)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a clock that is set back moves every due time, and a normal clock none`(
    kind: DatabaseKind
  )
    async throws
  {
    let test = try await TestCatalog(kind)
    try await test.request("polled")
    let polled = try await test.claim()
    try await test.catalog.release(polled.lease, .pollAgain(at: test.clock.now + .seconds(100)))
    try await test.archiveRecording("told")
    try await test.catalog.recordDelivery(
      of: "msg_told", status: 500, error: "no", delivered: false, next: test.clock.now + .seconds(300))
    try await test.request("held")
    let held = try await test.claim()

    let seen = try await test.catalog.correctDueTimes(since: nil)
    #expect(seen == test.clock.now)
    let before = try await test.everything()
    test.clock.advance(by: .milliseconds(500))
    _ = try await test.catalog.correctDueTimes(since: seen)
    test.clock.jump(by: .milliseconds(-900))
    _ = try await test.catalog.correctDueTimes(since: seen)
    #expect(try await test.everything() == before)

    test.clock.jump(by: .seconds(-3600))
    let now = try await test.catalog.correctDueTimes(since: seen)
    #expect(now == test.clock.now)
    let back = now - seen
    #expect(try await test.catalog.job(polled.job.id)?.dueAt == seen + .seconds(100) + back)
    #expect(try await test.catalog.nextMessageDue() == seen + .seconds(300) + back)
    // A second node corrects the same change: waits become shorter, but never end in the past.
    _ = try await test.catalog.correctDueTimes(since: seen)
    #expect(try await test.catalog.job(polled.job.id)?.dueAt == now)
    #expect(try await test.catalog.nextMessageDue() == now)
    test.clock.advance(by: .seconds(31))
    #expect(try await test.catalog.reclaimJobs(everyLease: false) == 1)
    #expect(try await test.catalog.job(held.job.id)?.runState == .idle)
  }

  @Test(arguments: DatabaseKind.allCases, [true, false])
  func `a clock that is set back moves recurring tasks, also while no node was running`(
    kind: DatabaseKind, wasSeen: Bool
  ) async throws {
    let test = try await TestCatalog(kind)
    let keys = [TaskKey(.sync, of: .default), TaskKey(.lookBack, of: .default)]
    try await test.catalog.ensureTasks(keys)
    let sync = try #require(try await test.catalog.claimTask(keys[0], lease: .seconds(30)))
    let next = test.clock.now + .seconds(60)
    try await test.catalog.release(sync.lease, .done(next: next))
    _ = try await test.catalog.claimTask(keys[1], lease: .seconds(30))
    let seen = try await test.catalog.correctDueTimes(since: nil)
    #expect(try await test.catalog.nextTaskTime(among: [keys[0]]) == next)
    let changes = test.catalog.changes()
    test.clock.jump(by: .seconds(-5 * 3600))
    let now = try await test.catalog.correctDueTimes(since: wasSeen ? seen : nil)
    #expect(now == test.clock.now)
    #expect(try await test.catalog.nextTaskTime(among: [keys[0]]) == now + .seconds(60))
    #expect(try await test.catalog.nextTaskTime(among: [keys[1]]) == now + .seconds(30))
    try test.database.close()
    var heard: Set<Change> = []
    for await change in changes { heard.insert(change) }
    #expect(heard == [.workDue, .taskDue, .webhookDue])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `corrections by several nodes end no lease before its next heartbeat`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let task = TaskKey(.sync, of: .default)
    try await test.catalog.ensureTasks([task])
    for lease in [Duration.seconds(30), .seconds(120)] {
      let job = try await test.request("lease-\(lease)")
      _ = try await test.claim(lease: lease)
      _ = try await test.catalog.claimTask(task, lease: .seconds(30))
      test.clock.advance(by: .seconds(5))
      let seen = try await test.catalog.correctDueTimes(since: nil)
      test.clock.jump(by: .seconds(-12))
      for _ in 0..<10 { _ = try await test.catalog.correctDueTimes(since: seen, lease: lease) }
      let row = try await test.database.read { db in try db.row("SELECT lease_until FROM job WHERE id = \(job.id)") }
      #expect(row?.optionalInstant("lease_until") == test.clock.now + lease)
      #expect(try await test.catalog.recurringTask(task)?.leaseUntil ?? seen >= test.clock.now + .seconds(30))
    }
  }
}
