import Catalog
import Model
import TestKit
import Testing

/// The state machine of a job, as lists of events and the row's state after each.
@Suite(.serialized) struct JobLifeTests {
  enum Event: Sendable {
    case request(Privacy)
    /// A worker claims the next due job of a lane, if there is one.
    case claim(Lane)
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

  struct Life: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// After each event: stage, run state, attempts, polls, and due time: seconds from now or never.
    var events: [(Event, String)]
  }

  static let start = TestClock().now
  static let broken = TapedeckError(.platformUnavailable, retryAfter: .seconds(9))

  static let lives = [
    Life(
      testDescription: "a recording that is available at once",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.moving), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.handOver(.fetching)), "fetching idle 0 0 due 0"),
        (.claim(.polling), "fetching idle 0 0 due 0"),
        (.claim(.moving), "fetching leased 1 0 due 0"),
        (.advance(.processing), "processing leased 1 0 due 0"),
        (.archive, "ready done 1 0 due never"),
        (.request(.restricted), "ready done 1 0 due never"),
        (.claim(.moving), "ready done 1 0 due never"),
      ]),
    Life(
      testDescription: "a recording that is not ready is polled until it is",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.snooze(until: start + .seconds(2))), "awaiting waiting 0 1 due 2"),
        (.claim(.polling), "awaiting waiting 0 1 due 2"),
        (.request(.standard), "awaiting waiting 0 1 due 2"),
        (.request(.restricted), "awaiting waiting 0 1 due 2"),
        (.pass(.milliseconds(1999)), "awaiting waiting 0 1 due 0"),
        (.claim(.polling), "awaiting waiting 0 1 due 0"),
        (.pass(.milliseconds(1)), "awaiting waiting 0 1 due 0"),
        (.claim(.polling), "awaiting leased 1 1 due 0"),
        (.release(.snooze(until: start + .seconds(6))), "awaiting waiting 0 2 due 4"),
      ]),
    Life(
      testDescription: "attempts that fail are counted until one succeeds",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (
          .release(.retry(at: start + .seconds(1), because: broken)),
          "queued waiting 1 0 due 1 platform_unavailable 9"
        ),
        (.pass(.seconds(1)), "queued waiting 1 0 due 0 platform_unavailable 9"),
        (.claim(.polling), "queued leased 2 0 due 0 platform_unavailable 9"),
        (
          .release(.retry(at: start + .seconds(3), because: broken)),
          "queued waiting 2 0 due 2 platform_unavailable 9"
        ),
        (.pass(.seconds(2)), "queued waiting 2 0 due 0 platform_unavailable 9"),
        (.claim(.polling), "queued leased 3 0 due 0 platform_unavailable 9"),
        (.release(.handOver(.fetching)), "fetching idle 0 0 due 0"),
      ]),
    Life(
      testDescription: "a rate limit of the platform does not count as an attempt",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (
          .release(.postpone(until: start + .seconds(5), because: TapedeckError(.platformRateLimited))),
          "queued waiting 0 0 due 5 platform_rate_limited"
        ),
        (.pass(.seconds(5)), "queued waiting 0 0 due 0 platform_rate_limited"),
        (.claim(.polling), "queued leased 1 0 due 0 platform_rate_limited"),
      ]),
    Life(
      testDescription: "a failed job is restarted by the next request",
      events: [
        (.request(.restricted), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.snooze(until: start)), "awaiting waiting 0 1 due 0"),
        (.claim(.polling), "awaiting leased 1 1 due 0"),
        (.release(.handOver(.fetching)), "fetching idle 0 1 due 0"),
        (.claim(.moving), "fetching leased 1 1 due 0"),
        (.refuse, "fetching leased 1 1 due 0"),
        (.release(.giveUp(TapedeckError(.incompleteRecording))), "fetching failed 1 1 due never not_a_whole_recording"),
        (.claim(.moving), "fetching failed 1 1 due never not_a_whole_recording"),
        (.reclaim(true), "fetching failed 1 1 due never not_a_whole_recording"),
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
      ]),
    Life(
      testDescription: "a cancelled job is restarted by the next request",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.cancel, "queued cancelled 0 0 due never"),
        (.claim(.polling), "queued cancelled 0 0 due never"),
        (.request(.standard), "queued idle 0 0 due 0"),
      ]),
    Life(
      testDescription: "a shutdown releases the job and does not count as an attempt",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.interrupted), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
      ]),
    Life(
      testDescription: "the death of a worker does not count as an attempt",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.pass(.seconds(30)), "queued leased 1 0 due -30"),
        (.reclaim(false), "queued leased 1 0 due -30"),
        (.pass(.milliseconds(1)), "queued leased 1 0 due -30"),
        (.reclaim(false), "queued idle 0 0 due 0 deaths 1"),
        (.claim(.polling), "queued leased 1 0 due 0 deaths 1"),
        (.reclaim(true), "queued idle 0 0 due 0 deaths 2"),
        (.claim(.polling), "queued leased 1 0 due 0 deaths 2"),
        (.release(.handOver(.fetching)), "fetching idle 0 0 due 0"),
        (.claim(.moving), "fetching leased 1 0 due 0"),
        (.reclaim(true), "fetching idle 0 0 due 0 deaths 1"),
        (.claim(.moving), "fetching leased 1 0 due 0 deaths 1"),
        (.advance(.processing), "processing leased 1 0 due 0"),
      ]),
    Life(
      testDescription: "a restricted recording waits for a request with clearance",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.awaitClearance), "queued waiting 0 0 due never"),
        (.pass(.seconds(86_400)), "queued waiting 0 0 due never"),
        (.claim(.polling), "queued waiting 0 0 due never"),
        (.request(.standard), "queued waiting 0 0 due never"),
        (.reclaim(true), "queued waiting 0 0 due never"),
        (.request(.restricted), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
      ]),
    Life(
      testDescription: "a request with clearance arrives before the worker releases the job to wait for one",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.request(.restricted), "queued leased 1 0 due 0"),
        (.release(.awaitClearance), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
      ]),
    Life(
      testDescription: "a recording that becomes restricted during the download waits at its stage",
      events: [
        (.request(.standard), "queued idle 0 0 due 0"),
        (.claim(.polling), "queued leased 1 0 due 0"),
        (.release(.handOver(.fetching)), "fetching idle 0 0 due 0"),
        (.claim(.moving), "fetching leased 1 0 due 0"),
        (.release(.awaitClearance), "fetching waiting 0 0 due never"),
        (.request(.restricted), "fetching idle 0 0 due 0"),
        (.claim(.moving), "fetching leased 1 0 due 0"),
      ]),
  ]

  @Test(arguments: DatabaseKind.allCases, lives)
  func `a job goes from state to state as documented`(kind: DatabaseKind, life: Life) async throws {
    let test = try await TestCatalog(kind)
    var lease: JobLease?
    for (number, (event, expected)) in life.events.enumerated() {
      switch event {
      case .request(let clearance): try await test.request(clearance: clearance)
      case .claim(let lane):
        if let job = try await test.catalog.claimJob(in: lane, lease: .seconds(30)) {
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
          try db.execute("UPDATE job SET run_state = 'cancelled', due_at = NULL")
        }
      }
      let job = try #require(try await test.catalog.job(of: try key("call-1")))
      #expect(describe(job, at: test.clock.now) == expected, "event \(number): \(event)")
    }
    #expect(try await test.count("job") == 1)
  }

  private func describe(_ job: JobRow, at now: Instant) -> String {
    let due = job.dueAt.map { "\(($0 - now).milliseconds / 1000)" } ?? "never"
    var words = ["\(job.stage)", "\(job.runState)", "\(job.attempts)", "\(job.polls)", "due", due]
    if let failure = job.failure {
      words.append(failure.code.rawValue)
      if let wait = failure.retryAfter { words.append("\(wait.milliseconds / 1000)") }
    }
    if job.workerDeaths > 0 { words += ["deaths", "\(job.workerDeaths)"] }
    return words.joined(separator: " ")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a restart resets all counts and the clearance`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.request(clearance: .restricted)
    let (_, lease) = try await test.claim()
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{}", bytes: 500, totalBytes: 1000), resumes: 3)
    try await test.catalog.recordRefusal(of: lease)
    try await test.catalog.release(lease, .giveUp(TapedeckError(.incompleteRecording)))
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
