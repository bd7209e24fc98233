import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Sandbox
import ServiceLifecycle
import TestKit
import Testing

/// Pipelines that are stopped or killed in each stage, and the pipeline that resumes their work.
@Suite(.timeLimit(.minutes(5)))
struct ShutdownTests {
  static let id = "small-01"

  /// Lets another worker finish the job.
  private func finish(_ fixture: PipelineFixture) async throws {
    let job = try await fixture.withWorker { try await fixture.ended(Self.id) }
    #expect(job.runState == .done, "\(job.failure?.message ?? "")")
  }

  /// Opens the spool file of a job whose worker is gone; a child process of another test may hold its lock for a
  /// moment.
  private func hold(_ job: JobRow, _ fixture: PipelineFixture, keep: Int64) async throws -> SpoolFile {
    var part: SpoolFile?
    try await until {
      do throws(TapedeckError) { part = try await fixture.spool.open(lease(job), part: 0) { _ in keep } } catch {
        guard error.code == .leaseLost else { throw error }
      }
      return part != nil
    }
    return try #require(part)
  }

  /// Leaves a job and its complete spool file as they are when a process is killed while it waits for a slot.
  ///
  /// - Returns: the job as it was claimed.
  private func crashBeforeConversion(_ fixture: PipelineFixture) async throws -> JobRow {
    try await fixture.conversions.acquire()
    try await fixture.conversions.acquire()
    let claimed = try await fixture.claim(Self.id)
    let run = Task { try await fixture.ingest.run(claimed) }
    _ = try await fixture.job(Self.id) { $0.stage == .processing }
    run.cancel()
    _ = try? await run.value
    fixture.conversions.release()
    fixture.conversions.release()
    return claimed
  }

  private func lease(_ job: JobRow) -> JobLease { JobLease(jobID: job.id, fence: job.fence) }

  @Test func `a shutdown during the download releases the job, and the next worker resumes at the last byte`()
    async throws
  {
    let faults = [FaultRule(.stalledBody, times: 1, afterBytes: 1_500_000)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id) { $0.bytes > 0 }
      }
      let stopped = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id)))
      #expect(stopped.runState == .idle)
      #expect(stopped.stage == .fetching)
      #expect(stopped.attempts == 0)
      #expect(stopped.failure == nil)
      #expect(try fixture.files(in: "spool").contains { $0.hasSuffix(".part") })
      let held = stopped.bytes
      #expect(held > 0)

      try await finish(fixture)
      let asked = fixture.asked(for: Self.id)
      #expect(asked.map(\.range) == ["bytes=0-", "bytes=\(held)-"])
      #expect(asked.last?.ifRange != nil)
      #expect(asked.last?.status == 206)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a shutdown during a platform request releases the job`() async throws {
    let faults = [FaultRule(.delayed, endpoint: .metadata, times: 1, delay: 600)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id) { $0.runState == .leased }
      }
      let stopped = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id)))
      #expect(stopped.runState == .idle)
      #expect(stopped.attempts == 0)
      fixture.tenant.faults.clear()
      try await finish(fixture)
    }
  }

  @Test func `a shutdown during the conversion keeps the complete spool file for the next start`() async throws {
    try await PipelineFixture.run { fixture in
      // No slot is free, so the job waits for one after its download.
      try await fixture.conversions.acquire()
      try await fixture.conversions.acquire()
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id) { $0.stage == .processing && $0.runState == .leased }
      }
      let stopped = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id)))
      #expect(stopped.runState == .idle)
      #expect(stopped.stage == .processing)
      #expect(stopped.attempts == 0)
      fixture.conversions.release()
      fixture.conversions.release()
      try await finish(fixture)
      #expect(fixture.downloads(of: Self.id) == 1)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a job that waits for a slot at shutdown takes none`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.conversions.acquire()
      try await fixture.conversions.acquire()
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        try await until { fixture.conversions.waiterCount > 0 }
      }
      #expect(fixture.conversions.waiterCount == 0)
      fixture.conversions.release()
      #expect(fixture.conversions.tryAcquire())
      #expect(!fixture.conversions.tryAcquire())
    }
  }

  @Test func `after a crash during the download the next start frees the job and resumes the download`() async throws {
    let faults = [FaultRule(.stalledBody, times: 1, afterBytes: 1_500_000)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      let claimed = try await fixture.claim(Self.id)
      // This job is not released: the row and the spool file stay as they are when a process is killed.
      let run = Task { try await fixture.ingest.run(claimed) }
      let held = try await fixture.job(Self.id) { $0.bytes > 0 }
      run.cancel()
      _ = try? await run.value
      #expect(held.runState == .leased)

      try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
      let freed = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id)))
      #expect(freed.runState == .idle)
      #expect((freed.attempts, freed.workerDeaths) == (0, 1))
      try await finish(fixture)
      let asked = fixture.asked(for: Self.id)
      #expect(asked.count == 2)
      #expect(asked.last?.range != "bytes=0-")
      #expect(asked.last?.status == 206)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `after a crash during the conversion the recording is converted from the spool`() async throws {
    try await PipelineFixture.run { fixture in
      _ = try await crashBeforeConversion(fixture)
      try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
      try await finish(fixture)
      #expect(fixture.downloads(of: Self.id) == 1)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a spool file that another claim still holds is left alone`() async throws {
    try await PipelineFixture.run { fixture in
      let claimed = try await crashBeforeConversion(fixture)
      let part = try await hold(claimed, fixture, keep: 100_000)
      #expect(part.length == 100_000)
      try await fixture.catalog.release(lease(claimed), .interrupted)
      try await fixture.withWorker {
        // The spool file is still held: it is left alone and tried again a second later.
        let refused = try await fixture.job(Self.id) { $0.failure?.code == .leaseLost }
        #expect(refused.attempts == 0)
        #expect(part.length == 100_000)
      }
    }
  }

  @Test func `an expired lease is taken by another worker`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      let dead = try await fixture.claim(Self.id)
      try await fixture.withWorker {
        try await clock.untilSleeping(3)
        #expect(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first == nil)
        clock.advance(by: .seconds(31))
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      // Later writes of the dead worker are refused.
      await #expect(throws: TapedeckError.self) { try await fixture.catalog.release(lease(dead), .interrupted) }
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a job that crashes its worker at every attempt ends`() async throws {
    var options = PipelineFixture.Options()
    options.settings.retry.workerDeaths = 4
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.claim(Self.id)
      // Rate-limited by the platform once: that reason must not keep the job alive.
      try await fixture.catalog.release(
        lease(job), .postpone(until: .systemNow(), because: TapedeckError(.platformRateLimited)))
      for _ in 1...4 {
        _ = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
        try await fixture.catalog.reclaimJobs(everyLease: true)
      }
      let ended = try await fixture.withWorker { try await fixture.ended(Self.id) }
      #expect(ended.failure?.code == .internalError)
      #expect(ended.failure?.message.contains("4 times") == true)
      #expect(fixture.downloads(of: Self.id) == 0)
    }
  }
}
