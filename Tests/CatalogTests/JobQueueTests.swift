import Catalog
import Model
import TestKit
import Testing

/// The order of claims, and the writes of workers that lost their lease.
@Suite(.serialized) struct JobQueueTests {
  @Test(arguments: DatabaseKind.allCases)
  func `the job that has been due the longest comes first, then the one that was requested first`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    for name in ["c", "a", "b"] { try await test.request(name) }
    let (_, lease) = try await test.claim()
    try await test.catalog.release(lease, .pollAgain(at: test.clock.now + .seconds(5)))
    test.clock.advance(by: .seconds(1))
    try await test.request("late")
    test.clock.advance(by: .seconds(10))
    var order: [String] = []
    while let job = try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first {
      order.append(job.key.id.rawValue)
    }
    #expect(order == ["a", "b", "late", "c"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `new calls go before backfill that is not much older, and neither starves`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for name in ["old-1", "old-2", "old-3"] { try await test.request(name) }
    _ = try await test.database.write { db in try db.execute("UPDATE job SET priority = \(Priority.backfill)") }
    func next() async throws -> String { try await test.claim(.polling).job.key.id.rawValue }
    test.clock.advance(by: .seconds(500))
    try await test.request("new-1")
    #expect(try await next() == "new-1")
    // Backfill does not wait when no new call is due.
    #expect(try await next() == "old-1")
    test.clock.advance(by: .seconds(101))
    try await test.request("new-2")
    #expect(try await next() == "old-2")
    // A person has requested it now.
    try await test.request("old-3")
    test.clock.advance(by: .seconds(1))
    #expect(try await next() == "old-3")
    #expect(try await next() == "new-2")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a requester may have as many open jobs as its limit, in every state`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    func may(_ name: String, by requester: String = "tok_1", limit: Int = 3) async throws -> Bool {
      try await test.catalog.openJobs(of: requester, before: try key(name), limit: limit) < limit
    }
    #expect(try await may("a"))
    for name in ["a", "b", "c"] { try await test.request(name) }
    #expect(try await !may("d"))
    #expect(try await may("a"))
    #expect(try await may("d", by: "tok_2"))
    #expect(try await may("d", limit: 4))
    // Leased, and waiting for the next poll.
    let first = try await test.claim()
    #expect(try await !may("d"))
    try await test.catalog.release(first.lease, .pollAgain(at: test.clock.now + .seconds(60)))
    #expect(try await !may("d"))
    // In the other queue.
    let second = try await test.claim()
    try await test.catalog.release(second.lease, .advance(to: .fetching))
    #expect(try await !may("d"))
    // Ended.
    let moving = try await test.claim(.transfer)
    try await test.catalog.release(moving.lease, .fail(TapedeckError(.conversionFailed)))
    #expect(try await may("d"))
    try await test.request("d")
    #expect(try await !may(second.job.key.id.rawValue))
    // Backfill of the same requester counts too; a job that waits for clearance does not.
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET priority = \(Priority.backfill) WHERE platform_id = 'd'")
    }
    #expect(try await !may("e"))
    let third = try await test.claim()
    try await test.catalog.release(third.lease, .awaitClearance)
    #expect(try await may("e"))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `requesters take turns, however many jobs one of them has`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<20 { try await test.request("many-\(number)") }
    _ = try await test.database.write { db in try db.execute("UPDATE job SET requested_by = 'agent'") }
    test.clock.advance(by: .seconds(60))
    for name in ["few-1", "few-2", "other-1"] { try await test.request(name) }
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET requested_by = 'supervisor' WHERE platform_id LIKE 'few-%'")
      try db.execute("UPDATE job SET requested_by = 'unknown' WHERE platform_id = 'other-1'")
    }
    var order: [String] = []
    for _ in 0..<7 { order.append(try await test.claim(.polling).job.key.id.rawValue) }
    #expect(order == ["many-0", "few-1", "other-1", "many-1", "few-2", "many-2", "many-3"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a requester whose jobs are not due is passed over, and jobs without a requester are taken`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    for name in ["waits", "due", "unnamed"] { try await test.request(name) }
    let later = test.clock.now + .seconds(60)
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET requested_by = 'a', due_at = \(later) WHERE platform_id = 'waits'")
      try db.execute("UPDATE job SET requested_by = 'b' WHERE platform_id = 'due'")
      try db.execute("UPDATE job SET requested_by = NULL WHERE platform_id = 'unnamed'")
    }
    #expect(try await test.claim(.polling).job.key.id.rawValue == "due")
    #expect(try await test.claim(.polling).job.key.id.rawValue == "unnamed")
    #expect(try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `queues do not wait for each other`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (moving, lease) = try await test.jobInProcessing("moving")
    for number in 0..<5 { try await test.request("polling-\(number)") }
    try await test.catalog.release(lease, .interrupted)
    #expect(try await test.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first?.id == moving.id)
    #expect(try await test.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first == nil)
    for number in 0..<5 {
      #expect(try await test.claim(.polling).job.key.id.rawValue == "polling-\(number)")
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `every stage that can be worked on belongs to one queue`(kind: DatabaseKind) async throws {
    for stage in Stage.allCases where stage != .ready {
      let test = try await TestCatalog(kind)
      try await test.request()
      _ = try await test.database.write { db in try db.execute("UPDATE job SET stage = \(stage)") }
      var queues = 0
      for queue in JobQueue.allCases {
        #expect((try await test.catalog.nextDue(in: queue) != nil) == (stage.queue == queue))
        if try await test.catalog.claimJobs(in: queue, lease: .seconds(30), limit: 1).first != nil { queues += 1 }
      }
      #expect(queues == 1)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `none of a thousand jobs is given to two of four workers`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    _ = try await test.database.write { db in
      try db.execute(
        """
        INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, due_at)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        SELECT 'ingest', 'default', 'call-' || i, 'queued', 'idle', 'standard', 0, 0 FROM n
        """)
    }
    let claims = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for _ in 0..<4 {
        group.addTask {
          var mine: [Int64] = []
          while let job = try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first {
            #expect(job.fence == 1 && job.attempts == 1)
            mine.append(job.id)
          }
          return mine
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(claims.count == 1000)
    #expect(Set(claims).count == 1000)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the next due time is that of the next job of the queue`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await test.catalog.nextDue(in: .polling) == nil)
    try await test.request("a")
    try await test.request("b")
    try await test.request("restricted")
    let start = test.clock.now
    #expect(try await test.catalog.nextDue(in: .polling) == start)
    for release in [
      JobRelease.pollAgain(at: start + .seconds(8)),
      .retry(at: start + .seconds(3), because: TapedeckError(.platformUnavailable)), .awaitClearance,
    ] {
      try await test.catalog.release(try await test.claim().lease, release)
    }
    #expect(try await test.catalog.nextDue(in: .polling) == start + .seconds(3))
    #expect(try await test.catalog.nextDue(in: .transfer) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a worker claims only jobs of the sources it knows`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (eu, us) = (SourceID("eu")!, SourceID("us")!)
    for name in ["us~1", "a", "eu~1", "us~2", "b", "eu~2"] {
      try await test.request(name)
      test.clock.advance(by: .seconds(1))
    }
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET priority = \(Priority.backfill) WHERE source = 'us' AND platform_id = '2'")
    }
    let start = test.clock.now
    #expect(try await test.catalog.nextDue(in: .polling) == start + .seconds(-6))
    #expect(try await test.catalog.nextDue(in: .polling, of: [eu, .default]) == start + .seconds(-5))
    #expect(try await test.catalog.nextDue(in: .polling, of: [eu]) == start + .seconds(-4))
    #expect(try await test.catalog.nextDue(in: .polling, of: []) == nil)
    #expect(try await test.catalog.nextDue(in: .polling, of: [SourceID("other")!]) == nil)
    func claims(of sources: [SourceID]?) async throws -> [String] {
      var names: [String] = []
      while let job = try await test.catalog.claimJobs(in: .polling, of: sources, lease: .seconds(30), limit: 1).first {
        names.append("\(job.key)")
      }
      return names
    }
    #expect(try await claims(of: []) == [])
    #expect(try await claims(of: [eu, .default]) == ["a", "eu~1", "b", "eu~2"])
    #expect(try await claims(of: [eu, .default]) == [])
    #expect(try await test.catalog.nextDue(in: .polling, of: [us]) == start + .seconds(-6))
    #expect(try await claims(of: [us]) == ["us~1", "us~2"])
    #expect(try await claims(of: nil) == [])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a job that restarts has no state of its old download`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{}", bytes: 500, totalBytes: 1000), resumes: 1)
    try await test.catalog.archive(try test.archive(), lease: lease)
    _ = try await test.database.write { db in try db.execute("DELETE FROM media_part") }
    let job = try await test.request()
    #expect(job.stage == .queued && job.runState == .idle)
    #expect((job.bytes, job.totalBytes, job.part(0)?.download, job.resumes) == (0, nil, nil, 0))
  }

  // MARK: Fences

  static let releases: [JobRelease] = [
    .advance(to: .fetching), .pollAgain(at: Instant(milliseconds: 0)), .awaitClearance,
    .retry(at: Instant(milliseconds: 0), because: TapedeckError(.internalError)),
    .postpone(until: Instant(milliseconds: 0), because: TapedeckError(.diskFull)),
    .fail(TapedeckError(.conversionFailed)), .interrupted,
  ]

  /// Every write that a worker makes under its lease.
  private func writes(
    _ test: TestCatalog, _ lease: JobLease
  ) throws -> [(name: String, write: () async throws -> Void)] {
    let catalog = test.catalog
    let archive = try test.archive()
    return [
      (
        "progress",
        { try await catalog.recordProgress(of: lease, JobPart(0, download: "x", bytes: 1, totalBytes: 2), resumes: 1) }
      ),
      ("refusal", { try await catalog.recordRefusal(of: lease) }),
      ("advance", { try await catalog.advance(lease, to: .processing) }),
      ("archive", { try await catalog.archive(archive, lease: lease) }),
    ]
      + Self.releases.map { release in
        ("\(release)", { try await catalog.release(lease, release) })
      }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a worker whose lease was taken over cannot write any more`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.request()
    let old = try await test.claim().lease
    try await test.catalog.reclaimJobs(everyLease: true)
    let new = try await test.claim()
    #expect(new.lease.fence > old.fence)
    let before = try await test.everything()
    for (name, write) in try writes(test, old) {
      #expect(await failure(of: write) == .leaseLost, "\(name)")
    }
    try await test.catalog.heartbeat([old], lease: .seconds(3600))
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a worker whose lease has expired cannot write, even before it is taken over`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.request()
    let lease = try await test.claim().lease
    try await test.catalog.reclaimJobs(everyLease: true)
    let before = try await test.everything()
    for (name, write) in try writes(test, lease) {
      #expect(await failure(of: write) == .leaseLost, "\(name)")
    }
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a worker that released its job cannot write any more`(kind: DatabaseKind) async throws {
    for release in Self.releases {
      let test = try await TestCatalog(kind)
      try await test.request()
      let lease = try await test.claim().lease
      try await test.catalog.release(lease, release)
      let before = try await test.everything()
      for (name, write) in try writes(test, lease) {
        #expect(await failure(of: write) == .leaseLost, "\(name) after \(release)")
      }
      #expect(try await test.everything() == before)
    }
  }

  // MARK: Leases

  @Test(arguments: DatabaseKind.allCases)
  func `a heartbeat renews the leases that are still held`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.request("kept")
    try await test.request("lost")
    let kept = try await test.claim().lease
    _ = try await test.claim()
    test.clock.advance(by: .seconds(25))
    try await test.catalog.heartbeat([kept], lease: .seconds(30))
    test.clock.advance(by: .seconds(25))
    #expect(try await test.catalog.reclaimJobs(everyLease: false) == 1)
    #expect(try await test.catalog.job(of: try key("kept"))?.runState == .leased)
    #expect(try await test.catalog.job(of: try key("lost"))?.runState == .idle)
    test.clock.advance(by: .seconds(6))
    #expect(try await test.catalog.reclaimJobs(everyLease: false) == 1)
    #expect(try await test.catalog.reclaimJobs(everyLease: true) == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the recorded progress of a download is available to the next claim`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{\"a\":1}", bytes: 500, totalBytes: 1000), resumes: 2)
    try await test.catalog.reclaimJobs(everyLease: true)
    let job = try await test.claim(.transfer).job
    #expect((job.bytes, job.totalBytes, job.part(0)?.download, job.resumes) == (500, 1000, "{\"a\":1}", 2))
    try await test.catalog.recordRefusal(of: JobLease(jobID: job.id, fence: job.fence))
    let refused = try #require(try await test.catalog.job(job.id))
    #expect((refused.bytes, refused.totalBytes, refused.part(0)?.download, refused.refusals) == (0, nil, nil, 1))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a step that runs twice keeps the result of the last run`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let id = try await test.request().id
    let start = test.clock.now
    for (step, offset, micros) in [(Step.download, 5, 70), (.waiting, 0, 3), (.download, 9, 1_500_000)] {
      try await test.catalog.recordStep(
        StepTime(step: step, startedAt: start + .seconds(offset), duration: .microseconds(micros)), of: id)
    }
    #expect(
      try await test.catalog.steps(of: id) == [
        StepTime(step: .waiting, startedAt: start, duration: .microseconds(3)),
        StepTime(step: .download, startedAt: start + .seconds(9), duration: .microseconds(1_500_000)),
      ])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `jobs are counted by stage and run state, and the unfinished ones are listed`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("ready")
    try await test.request("failed")
    try await test.catalog.release(try await test.claim().lease, .fail(TapedeckError(.neverAvailable)))
    let waiting = try await test.request("waiting")
    let counts = try await test.catalog.jobCounts().map { "\($0.stage) \($0.state) \($0.count)" }
    #expect(Set(counts) == ["ready done 1", "queued failed 1", "queued idle 1"])
    #expect(try await test.catalog.unfinishedJobs() == [waiting.id])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `workers and waiters are notified of relevant changes`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let changes = test.catalog.changes()
    let id = try await test.request().id
    let lease = try await test.claim().lease
    try await test.catalog.release(lease, .pollAgain(at: test.clock.now))
    let second = try await test.claim().lease
    try await test.catalog.release(second, .fail(TapedeckError(.neverAvailable)))
    try test.database.close()
    var heard: [Change] = []
    for await change in changes { heard.append(change) }
    #expect(
      heard == [.workDue, .job(id), .job(id), .workDue, .job(id), .job(id), .job(id)])
  }
}

extension Stage {
  fileprivate var queue: JobQueue? {
    switch self {
    case .queued, .awaiting: .polling
    case .fetching, .processing: .transfer
    case .ready: nil
    }
  }
}
