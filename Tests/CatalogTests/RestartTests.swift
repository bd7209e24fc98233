import Catalog
import Model
import TestKit
import Testing

/// Restarts of ended jobs and resumptions of waiting ones, by each operation that causes them.
@Suite struct RestartTests {
  /// An operation that restarts or resumes a job.
  enum Operation: Sendable, CaseIterable {
    case request, retry, lookBack, repair
  }

  private func perform(_ operation: Operation, _ test: TestCatalog, clearance: Privacy) async throws {
    let key = try key("call-1")
    switch operation {
    case .request: try await test.request(clearance: clearance)
    case .retry:
      let job = try #require(try await test.catalog.job(of: key))
      _ = try await test.catalog.retryJob(
        job.id, clearance: clearance, by: "tok_1", entry: test.entry(.retryJob, of: key))
    case .lookBack:
      let day = Period(start: test.clock.now, end: test.clock.now + .seconds(86_400))
      try await test.catalog.discover(
        [test.facts("call-1")], in: day, of: .default, expected: SyncFilter(), fetched: SyncFilter(), for: .lookBack)
    case .repair:
      let row = try #require(try await test.catalog.recording(key))
      let damage = Damage(
        recordingID: row.id, key: key, files: [DamagedFile(.mp3, .damaged)], code: .objectDamaged, hasOriginal: false,
        details: [:])
      _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
    }
  }

  private func set(_ assignments: SQL, _ test: TestCatalog) async throws {
    _ = try await test.database.write { db in try db.execute("UPDATE job SET \(assignments)") }
  }

  @Test(arguments: DatabaseKind.allCases, Operation.allCases)
  func `every restart resets the same columns`(kind: DatabaseKind, operation: Operation) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    try await test.catalog.observe(test.facts("call-1"), of: try key("call-1"))
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{}", bytes: 500, totalBytes: 1000), resumes: 3)
    try await set(
      """
      run_state = 'failed', due_at = NULL, lease_until = 5, polls = 1, attempts = 2, worker_deaths = 1, refusals = 1,
      failure_code = 'platform_unavailable', failure_message = 'No answer.', retry_after_ms = 9, ended_at = 7
      """, test)
    test.clock.advance(by: .seconds(7200))

    try await perform(operation, test, clearance: .restricted)
    let row = try #require(try await test.database.read { db in try db.row("SELECT * FROM job") })
    let now = test.clock.now.sqlValue
    let zero = Value.integer(0)
    for (column, value) in [
      ("stage", .text("queued")), ("run_state", .text("idle")), ("clearance", .text("restricted")), ("due_at", now),
      ("requested_at", now), ("polls", zero), ("attempts", zero), ("worker_deaths", zero), ("resumes", zero),
      ("refusals", zero), ("lease_until", .null), ("failure_code", .null), ("failure_message", .null),
      ("retry_after_ms", .null), ("ended_at", .null), ("fence", .integer(lease.fence + 1)),
    ] as [(String, Value)] { #expect(row[column] == value, "\(column)") }
    #expect(try await test.count("job_part") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a restart by a user has the priority of fresh calls, a repair keeps its own`(kind: DatabaseKind) async throws {
    for (operation, priority) in [(Operation.request, Priority.fresh), (.retry, .fresh), (.repair, .backfill)] {
      let test = try await TestCatalog(kind)
      try await test.request()
      try await test.catalog.observe(test.facts("call-1"), of: try key("call-1"))
      try await set("run_state = 'failed', due_at = NULL, priority = \(Priority.backfill)", test)
      try await perform(operation, test, clearance: .standard)
      #expect(try await test.catalog.job(of: try key("call-1"))?.priority == priority, "\(operation)")
    }
  }

  /// A waiting job, and whether a request and a retry with a clearance resume it.
  struct Waiting: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var isDue: Bool
    var code: TapedeckError.Code?
    var clearance: Privacy
    var isResumed: (request: Bool, retry: Bool)
  }

  static let waiting = [
    Waiting(
      testDescription: "waits for clearance, which is missing", isDue: false, clearance: .standard,
      isResumed: (false, false)),
    Waiting(
      testDescription: "waits for clearance, which is given", isDue: false, clearance: .restricted,
      isResumed: (true, true)),
    Waiting(
      testDescription: "waits for disk space", isDue: true, code: .diskFull, clearance: .standard,
      isResumed: (true, true)),
    Waiting(
      testDescription: "waits for clearance after the disk was full", isDue: false, code: .diskFull,
      clearance: .standard, isResumed: (false, false)),
    Waiting(
      testDescription: "waits for the next attempt", isDue: true, code: .platformUnavailable, clearance: .restricted,
      isResumed: (false, true)),
    Waiting(
      testDescription: "waits for the platform", isDue: true, clearance: .standard, isResumed: (false, true)),
  ]

  @Test(arguments: DatabaseKind.allCases, waiting)
  func `a waiting job is resumed only by what it waits for`(kind: DatabaseKind, waiting: Waiting) async throws {
    for (operation, isResumed) in [(Operation.request, waiting.isResumed.request), (.retry, waiting.isResumed.retry)] {
      let test = try await TestCatalog(kind)
      let job = try await test.request()
      let due = waiting.isDue ? test.clock.now + .seconds(900) : nil
      try await set("run_state = 'waiting', due_at = \(due), failure_code = \(waiting.code), attempts = 2", test)
      try await perform(operation, test, clearance: waiting.clearance)
      let now = try #require(try await test.catalog.job(job.id))
      #expect(now.runState == (isResumed ? .idle : .waiting), "\(operation)")
      #expect(now.dueAt == (isResumed ? test.clock.now : due), "\(operation)")
      #expect(now.clearance == waiting.clearance || !isResumed, "\(operation)")
      #expect((now.fence, now.attempts, now.stage) == (job.fence, 2, .queued), "a resumption is not a restart")
    }
  }
}
