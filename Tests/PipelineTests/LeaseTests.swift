import Catalog
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// Workers that lose their lease or cannot renew it.
@Suite(.timeLimit(.minutes(5)))
struct LeaseTests {
  static let id = "small-01"

  private func entry(_ fixture: PipelineFixture) throws -> LogEntry {
    LogEntry(
      at: .systemNow(), action: .cancelJob, outcome: .allowed, actor: nil, recording: try fixture.key(Self.id))
  }

  @Test(arguments: [
    FaultRule(.stalledBody, afterBytes: 500_000), FaultRule(.slow, bytesPerSecond: 200_000),
  ])
  func `a download whose job is stopped is cancelled, and leaves nothing`(fault: FaultRule) async throws {
    try await PipelineFixture.run(PipelineFixture.Options(faults: [fault])) { fixture in
      try await fixture.withWorker(.init(lease: .seconds(15))) {
        try await fixture.request(Self.id)
        let job = try await fixture.job(Self.id) { $0.bytes > 0 }
        _ = try await fixture.catalog.cancelJob(job.id, entry: try entry(fixture))
        try await until { fixture.tenant.statistics.snapshot.downloadsInFlight == 0 }
        try await until { try fixture.files(in: "spool").isEmpty }
        #expect(try await fixture.catalog.job(job.id)?.runState == .cancelled)
        #expect(fixture.downloads(of: Self.id) == 1)
        // A new request starts at the first byte.
        fixture.tenant.faults.clear()
        try await fixture.request(Self.id)
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      // On a machine so slow that the lease expires, more may follow.
      #expect(fixture.asked(for: Self.id).map(\.range).prefix(2) == ["bytes=0-", "bytes=0-"])
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `stopping a job that has no worker leaves nothing in the spool`() async throws {
    let faults = [FaultRule(.stalledBody, times: 1, afterBytes: 500_000)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id) { $0.bytes > 0 }
      }
      #expect(try !fixture.files(in: "spool").isEmpty)
      let job = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id)))
      // No queue runs: the worker cleans up by itself, once it knows the spool's contents.
      try await fixture.withWorker(.init(polling: 0, transfers: 0)) {
        try await until { try await isCleared(job, fixture) }
      }
    }
  }

  /// Stops the job repeatedly, because the start of the worker's listening cannot be observed.
  private func isCleared(_ job: JobRow, _ fixture: PipelineFixture) async throws -> Bool {
    _ = try? await fixture.catalog.cancelJob(job.id, entry: try entry(fixture))
    try await fixture.database.write { db in db.notify(.job(job.id)) }
    return try fixture.files(in: "spool").isEmpty
  }

  @Test(arguments: [true, false])
  func `work stops before the lease expires when the catalog is unavailable`(hangs: Bool) async throws {
    let faults = [FaultRule(.stalledBody, times: 1, afterBytes: 500_000)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      let database = BreakableDatabase(fixture.database)
      let gate = Gate()
      let lease = Duration.seconds(12)
      let worker = Worker(ingest: fixture.ingest(on: database), limits: .init(lease: lease))
      try await fixture.with(worker) {
        try await fixture.request(Self.id)
        let job = try await fixture.job(Self.id) { $0.bytes > 0 }
        if hangs { database.hang(until: gate) } else { database.fail() }
        let start = ContinuousClock.now
        try await until { fixture.tenant.statistics.snapshot.downloadsInFlight == 0 }
        // Long before the timeout of a stalled body, even when a busy machine is late.
        #expect(ContinuousClock.now - start < lease * 10)
        // Another worker may have the job now, and finishes it.
        #expect(try await fixture.catalog.job(job.id)?.runState == .leased)
        database.work()
        gate.open()
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectOriginal(Self.id)
    }
  }

  @Test func `a job whose worker is gone is resumed at most half a lease later`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      let limits = Worker.Limits(lease: .seconds(60))
      _ = try await fixture.request(Self.id)
      _ = try #require(try await fixture.catalog.claimJobs(in: .polling, lease: limits.lease, limit: 1).first)
      let begin = clock.now
      try await fixture.withWorker(limits) {
        while clock.now - begin <= limits.lease {
          try await clock.untilSleeping(for: limits.heartbeat)
          #expect(try await fixture.catalog.job(of: try fixture.key(Self.id))?.stage == .queued)
          clock.advance(by: limits.heartbeat)
        }
        _ = try await fixture.job(Self.id) { $0.stage == .fetching }
      }
      #expect(clock.now - begin < limits.lease * 3 / 2)
    }
  }

  // MARK: The retry budget

  @Test func `over the retry budget jobs wait, and none of them fails`() async throws {
    let clock = TestClock()
    var options = PipelineFixture.Options(faults: [FaultRule(.serverError, endpoint: .metadata)], clock: clock)
    options.settings.retry = RetrySchedule(base: .milliseconds(1), cap: .milliseconds(1), attempts: 1000)
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        let ids = (1...6).map { "small-0\($0)" }
        for id in ids { try await fixture.request(id) }
        for id in ids {
          let key = try fixture.key(id)
          var job: JobRow?
          try await fixture.advance(clock) {
            job = try await fixture.catalog.job(of: key)
            return job?.runState == .waiting && job?.dueAt ?? clock.now > clock.now + .seconds(10)
          }
          #expect(job?.failure?.code == .platformUnavailable)
        }
      }
      let statistics = fixture.tenant.statistics.snapshot
      // The six first requests, and the ten retries that an idle source may make.
      #expect(statistics.endpoints["metadata"] == 16)
    }
  }
}
