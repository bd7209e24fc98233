import Catalog
import Model
import TestKit
import Testing

/// The state machine of a job, as lists of events and the row's state after each.
@Suite(.serialized) struct JobLifeTests {
  enum Event: Sendable {
    case request(Privacy)
    /// A worker claims the next due job of a queue, if there is one.
    case claim(JobQueue)
    case advance(Stage)
    case release(JobRelease)
    case archive
    case pass(Duration)
    /// Reclaims expired leases, or with `true` all leases, as at a start without other nodes.
    case reclaim(Bool)
    case refuse
    /// A user cancels it.
    case cancel
  }

  /// What a job's row says about its state.
  struct Row: Sendable, Equatable {
    var stage: Stage
    var runState: RunState
    var attempts: Int
    var polls: Int
    /// In whole seconds from now; nil for a job without a due time.
    var due: Int64?
    var failure: TapedeckError.Code?
    var retryAfter: Int64?
    var deaths: Int

    init(
      _ stage: Stage, _ runState: RunState, attempts: Int = 0, polls: Int = 0, due: Int64? = 0,
      failure: TapedeckError.Code? = nil, retryAfter: Int64? = nil, deaths: Int = 0
    ) {
      self.stage = stage
      self.runState = runState
      self.attempts = attempts
      self.polls = polls
      self.due = due
      self.failure = failure
      self.retryAfter = retryAfter
      self.deaths = deaths
    }

    init(_ job: JobRow, at now: Instant) {
      self.init(
        job.stage, job.runState, attempts: job.attempts, polls: job.polls,
        due: job.dueAt.map { ($0 - now).milliseconds / 1000 }, failure: job.failure?.code,
        retryAfter: job.failure?.retryAfter.map { $0.milliseconds / 1000 }, deaths: job.workerDeaths)
    }
  }

  struct Life: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// Each event, and the row after it.
    var events: [(Event, Row)]
  }

  static let start = TestClock().now
  static let broken = TapedeckError(.platformUnavailable, retryAfter: .seconds(9))

  static let lives = [
    Life(
      testDescription: "a recording that is available at once",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.transfer), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.advance(to: .fetching)), Row(.fetching, .idle)),
        (.claim(.polling), Row(.fetching, .idle)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1)),
        (.advance(.processing), Row(.processing, .leased, attempts: 1)),
        (.archive, Row(.ready, .done, attempts: 1, due: nil)),
        (.request(.restricted), Row(.ready, .done, attempts: 1, due: nil)),
        (.claim(.transfer), Row(.ready, .done, attempts: 1, due: nil)),
      ]),
    Life(
      testDescription: "a recording that is not ready is polled until it is",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.pollAgain(at: start + .seconds(2))), Row(.awaiting, .waiting, polls: 1, due: 2)),
        (.claim(.polling), Row(.awaiting, .waiting, polls: 1, due: 2)),
        (.request(.standard), Row(.awaiting, .waiting, polls: 1, due: 2)),
        (.request(.restricted), Row(.awaiting, .waiting, polls: 1, due: 2)),
        (.pass(.milliseconds(1999)), Row(.awaiting, .waiting, polls: 1)),
        (.claim(.polling), Row(.awaiting, .waiting, polls: 1)),
        (.pass(.milliseconds(1)), Row(.awaiting, .waiting, polls: 1)),
        (.claim(.polling), Row(.awaiting, .leased, attempts: 1, polls: 1)),
        (.release(.pollAgain(at: start + .seconds(6))), Row(.awaiting, .waiting, polls: 2, due: 4)),
      ]),
    Life(
      testDescription: "attempts that fail are counted until one succeeds",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (
          .release(.retry(at: start + .seconds(1), because: broken)),
          Row(.queued, .waiting, attempts: 1, due: 1, failure: .platformUnavailable, retryAfter: 9)
        ),
        (.pass(.seconds(1)), Row(.queued, .waiting, attempts: 1, failure: .platformUnavailable, retryAfter: 9)),
        (.claim(.polling), Row(.queued, .leased, attempts: 2, failure: .platformUnavailable, retryAfter: 9)),
        (
          .release(.retry(at: start + .seconds(3), because: broken)),
          Row(.queued, .waiting, attempts: 2, due: 2, failure: .platformUnavailable, retryAfter: 9)
        ),
        (.pass(.seconds(2)), Row(.queued, .waiting, attempts: 2, failure: .platformUnavailable, retryAfter: 9)),
        (.claim(.polling), Row(.queued, .leased, attempts: 3, failure: .platformUnavailable, retryAfter: 9)),
        (.release(.advance(to: .fetching)), Row(.fetching, .idle)),
      ]),
    Life(
      testDescription: "a rate limit of the platform does not count as an attempt",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (
          .release(.postpone(until: start + .seconds(5), because: TapedeckError(.platformRateLimited))),
          Row(.queued, .waiting, due: 5, failure: .platformRateLimited)
        ),
        (.pass(.seconds(5)), Row(.queued, .waiting, failure: .platformRateLimited)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1, failure: .platformRateLimited)),
      ]),
    Life(
      testDescription: "a failed job is restarted by the next request",
      events: [
        (.request(.restricted), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.pollAgain(at: start)), Row(.awaiting, .waiting, polls: 1)),
        (.claim(.polling), Row(.awaiting, .leased, attempts: 1, polls: 1)),
        (.release(.advance(to: .fetching)), Row(.fetching, .idle, polls: 1)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1, polls: 1)),
        (.refuse, Row(.fetching, .leased, attempts: 1, polls: 1)),
        (
          .release(.fail(TapedeckError(.incompleteRecording))),
          Row(.fetching, .failed, attempts: 1, polls: 1, due: nil, failure: .incompleteRecording)
        ),
        (.claim(.transfer), Row(.fetching, .failed, attempts: 1, polls: 1, due: nil, failure: .incompleteRecording)),
        (.reclaim(true), Row(.fetching, .failed, attempts: 1, polls: 1, due: nil, failure: .incompleteRecording)),
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
      ]),
    Life(
      testDescription: "a cancelled job is restarted by the next request",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.cancel, Row(.queued, .cancelled, due: nil)),
        (.claim(.polling), Row(.queued, .cancelled, due: nil)),
        (.request(.standard), Row(.queued, .idle)),
      ]),
    Life(
      testDescription: "a shutdown releases the job and does not count as an attempt",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.interrupted), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
      ]),
    Life(
      testDescription: "the death of a worker does not count as an attempt",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.pass(.seconds(30)), Row(.queued, .leased, attempts: 1, due: -30)),
        (.reclaim(false), Row(.queued, .leased, attempts: 1, due: -30)),
        (.pass(.milliseconds(1)), Row(.queued, .leased, attempts: 1, due: -30)),
        (.reclaim(false), Row(.queued, .idle, deaths: 1)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1, deaths: 1)),
        (.reclaim(true), Row(.queued, .idle, deaths: 2)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1, deaths: 2)),
        (.release(.advance(to: .fetching)), Row(.fetching, .idle)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1)),
        (.reclaim(true), Row(.fetching, .idle, deaths: 1)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1, deaths: 1)),
        (.advance(.processing), Row(.processing, .leased, attempts: 1)),
      ]),
    Life(
      testDescription: "a restricted recording waits for a request with clearance",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.awaitClearance), Row(.queued, .waiting, due: nil)),
        (.pass(.seconds(86_400)), Row(.queued, .waiting, due: nil)),
        (.claim(.polling), Row(.queued, .waiting, due: nil)),
        (.request(.standard), Row(.queued, .waiting, due: nil)),
        (.reclaim(true), Row(.queued, .waiting, due: nil)),
        (.request(.restricted), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
      ]),
    Life(
      testDescription: "a request with clearance arrives before the worker releases the job to wait for one",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.request(.restricted), Row(.queued, .leased, attempts: 1)),
        (.release(.awaitClearance), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
      ]),
    Life(
      testDescription: "a recording that becomes restricted during the download waits at its stage",
      events: [
        (.request(.standard), Row(.queued, .idle)),
        (.claim(.polling), Row(.queued, .leased, attempts: 1)),
        (.release(.advance(to: .fetching)), Row(.fetching, .idle)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1)),
        (.release(.awaitClearance), Row(.fetching, .waiting, due: nil)),
        (.request(.restricted), Row(.fetching, .idle)),
        (.claim(.transfer), Row(.fetching, .leased, attempts: 1)),
      ]),
  ]

  @Test(arguments: DatabaseKind.allCases, lives)
  func `a job goes from state to state as documented`(kind: DatabaseKind, life: Life) async throws {
    let test = try await TestCatalog(kind)
    var lease: JobLease?
    for (number, (event, expected)) in life.events.enumerated() {
      switch event {
      case .request(let clearance): try await test.request(clearance: clearance)
      case .claim(let queue):
        if let job = try await test.catalog.claimJobs(in: queue, lease: .seconds(30), limit: 1).first {
          lease = JobLease(jobID: job.id, fence: job.fence)
        }
      case .advance(let stage): try await test.catalog.advance(try #require(lease), to: stage)
      case .release(let release): try await test.catalog.release(try #require(lease), release)
      case .archive:
        try await test.insertObjects()
        try await test.catalog.archive(try test.archive(), lease: try #require(lease))
      case .pass(let duration): test.clock.advance(by: duration)
      case .reclaim(let everyLease): try await test.catalog.reclaimJobs(everyLease: everyLease)
      case .refuse: try await test.catalog.recordRefusal(of: try #require(lease))
      case .cancel:
        _ = try await test.database.write { db in
          try db.execute("UPDATE job SET run_state = \(RunState.cancelled), due_at = NULL")
        }
      }
      let job = try #require(try await test.catalog.job(of: try key("call-1")))
      #expect(Row(job, at: test.clock.now) == expected, "event \(number): \(event)")
    }
    #expect(try await test.count("job") == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a restart resets all counts and the clearance`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.request(clearance: .restricted)
    let (_, lease) = try await test.claim()
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{}", bytes: 500, totalBytes: 1000), resumes: 3)
    try await test.catalog.recordRefusal(of: lease)
    try await test.catalog.release(lease, .fail(TapedeckError(.incompleteRecording)))
    let failed = try #require(try await test.catalog.job(of: try key("call-1")))
    #expect(failed.endedAt == test.clock.now)
    test.clock.advance(by: .seconds(5))
    let fresh = try await test.request(clearance: .standard)
    #expect(fresh.id == failed.id)
    #expect(fresh.fence > failed.fence)
    #expect(fresh.clearance == .standard)
    #expect(fresh.requestedAt == test.clock.now)
    #expect((fresh.resumes, fresh.refusals, fresh.polls, fresh.attempts) == (0, 0, 0, 0))
    #expect((fresh.bytes, fresh.totalBytes, fresh.part(0)?.download) == (0, nil, nil))
    #expect(fresh.failure == nil && fresh.endedAt == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the clearance of an unfinished job only increases`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await test.request(clearance: .standard).clearance == .standard)
    #expect(try await test.request(clearance: .restricted).clearance == .restricted)
    #expect(try await test.request(clearance: .standard).clearance == .restricted)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `fifty requests at the same moment make one job and fifty entries in the log`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let jobs = try await withThrowingTaskGroup(of: Int64.self) { group in
      for _ in 0..<50 { group.addTask { try await test.request().id } }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(jobs.count == 1)
    #expect(try await test.count("job") == 1)
    #expect(try await test.count("log_entry") == 50)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `recordings of the same id in different sources are different jobs`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let first = try await test.request("call-1")
    let second = try await test.request("eu~call-1")
    #expect(first.id != second.id)
    #expect(second.key.source.rawValue == "eu")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a request that cannot be logged makes no job`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let before = try await test.everything()
    for statements in 0...4 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await test.request() } == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
  }
}
