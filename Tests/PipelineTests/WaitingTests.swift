import Catalog
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// Recordings that the platform does not have ready yet. The test controls the time.
@Suite(.timeLimit(.minutes(5)))
struct WaitingTests {
  @Test func `a recording that is not ready is polled on the schedule, without counting attempts`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.withWorker {
        let requested = try await fixture.request(FixedRecordings.never)
        // 2^k seconds, capped at 30: the random number is the middle of the jitter.
        for (poll, seconds) in [1.0, 2, 4, 8, 16, 30, 30].enumerated() {
          let job = try await fixture.job(FixedRecordings.never) { $0.runState == .waiting && $0.polls == poll + 1 }
          #expect(job.stage == .awaiting)
          #expect(job.attempts == 0)
          #expect(job.requestedAt == requested.requestedAt)
          let due = try #require(job.dueAt)
          #expect(due - clock.now == .seconds(seconds))
          // No request is sent one millisecond before the due time.
          clock.advance(by: due - clock.now + .milliseconds(-1))
          #expect(try await fixture.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first == nil)
          clock.advance(by: .milliseconds(1))
          try await fixture.wakeWorkers()
        }
      }
      #expect(fixture.downloads(of: FixedRecordings.never) == 0)
    }
  }

  @Test func `waiting ends after the last attempt`() async throws {
    let clock = TestClock()
    var options = PipelineFixture.Options(clock: clock)
    options.settings.waiting = WaitingSchedule(attempts: 3)
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(FixedRecordings.never)
        for poll in 1...2 {
          let job = try await fixture.job(FixedRecordings.never) { $0.runState == .waiting && $0.polls == poll }
          clock.advance(by: try #require(job.dueAt) - clock.now)
          try await fixture.wakeWorkers()
        }
        let job = try await fixture.ended(FixedRecordings.never)
        #expect(job.failure?.code == .neverAvailable)
        #expect(job.failure?.message.contains("3 attempts") == true)
      }
      #expect(fixture.tenant.statistics.snapshot.recordings[FixedRecordings.never]?.metadata == 3)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test(arguments: ["archiving", "PENDING_REVIEW", "1", "en cours"])
  func `the message at the end of the wait has a status of unknown meaning`(word: String) async throws {
    let clock = TestClock()
    var source = HandSource { _, _ in throw TapedeckError(.unknownRecording) }
    source.facts = { id in
      var facts = PlatformRecording(id: id, status: .processing, privacy: .standard)
      facts.unknownStatus = word
      return facts
    }
    var options = PipelineFixture.Options(clock: clock, source: source)
    options.settings.waiting = WaitingSchedule(attempts: 1)
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("odd")
        let job = try await fixture.ended("odd")
        #expect(job.failure?.code == .neverAvailable)
        #expect(job.failure?.message.contains("Its last status is '\(word)'") == true)
      }
    }
  }

  @Test func `the wait is stored in the row, so another worker continues it`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(FixedRecordings.never)
        _ = try await fixture.job(FixedRecordings.never) { $0.runState == .waiting }
      }
      clock.advance(by: .seconds(1))
      try await fixture.withWorker {
        let job = try await fixture.job(FixedRecordings.never) { $0.polls == 2 }
        #expect(job.runState == .waiting)
      }
    }
  }

  @Test func `a worker wakes by itself when a recording falls due`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(FixedRecordings.never)
        _ = try await fixture.job(FixedRecordings.never) { $0.runState == .waiting }
        let key = try fixture.key(FixedRecordings.never)
        try await fixture.advance(clock) { try await fixture.catalog.job(of: key)?.polls != 1 }
      }
    }
  }

  @Test func `a recording is fetched when it becomes ready`() async throws {
    var options = PipelineFixture.Options()
    options.tenant = { $0.processingTime = .milliseconds(200) }
    options.settings.waiting = WaitingSchedule(cap: .milliseconds(50))
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(FixedRecordings.processing)
        let job = try await fixture.ended(FixedRecordings.processing)
        #expect(job.runState == .done)
        #expect(job.polls > 0)
      }
      try await fixture.expectOriginal(FixedRecordings.processing)
    }
  }

  @Test func `a worker is notified of a job that is added during its first query`() async throws {
    // The clock does not advance, so only the notification can wake the worker.
    try await PipelineFixture.run(PipelineFixture.Options(clock: TestClock())) { fixture in
      let database = InterposedDatabase(fixture.database) { _ = try? await fixture.request("unknown-recording") }
      let ingest = fixture.ingest(on: database)
      // Only the queue of the job checks for work.
      try await fixture.with(Worker(ingest: ingest, limits: .init(transfers: 0))) {
        let job = try await fixture.ended("unknown-recording")
        #expect(job.failure?.code == .unknownRecording)
      }
    }
  }
}
