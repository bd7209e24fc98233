import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Sandbox
import TestKit
import Testing

/// A system clock that is adjusted while work is under way.
@Suite(.timeLimit(.minutes(5)))
struct ClockTests {
  static let id = "codec-pcm-mono"
  /// How long a worker sleeps between two heartbeats; no other sleep has this length.
  static let heartbeat = Worker.Limits().heartbeat

  /// A tenant whose recording is ready at the second request.
  private func secondTimeReady(_ asked: Counter) async throws -> HandSource {
    let wav = try await PipelineFixture.run { try await $0.original(FixedRecordings.tiny) }
    var source = HandSource { sink, _ in
      try await sink.cut(to: 0)
      try await sink.append(.init(bytes: wav))
      return .init(totalBytes: Int64(wav.count))
    }
    source.facts = { id throws(TapedeckError) in
      PlatformRecording(id: id, status: asked.count() == 1 ? .processing : .available, privacy: .standard)
    }
    return source
  }

  @Test(arguments: [-3600, -60, 3600])
  func `a wait for the platform ends in time although the clock was set`(seconds: Int) async throws {
    let clock = TestClock()
    let asked = Counter()
    var options = PipelineFixture.Options(clock: clock)
    options.settings.waiting = WaitingSchedule(base: 30, jitter: 1...1, cap: .seconds(30))
    options.source = try await secondTimeReady(asked)
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id) { $0.polls == 1 }
        try await clock.untilSleeping(3)
        clock.jump(by: .seconds(seconds))
        let set = clock.uptime
        // 30 s, the 10 s until the jump is noticed, and the time this machine needs meanwhile.
        let key = try fixture.key(Self.id)
        try await fixture.advance(clock) { try await fixture.catalog.job(of: key)?.runState == .done }
        #expect(clock.uptime - set < .seconds(1800))
      }
      #expect(asked.value >= 2)
    }
  }

  @Test func `a job that was requested just before the clock went back does not wait for an hour`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      // A worker that sends heartbeats but has no work: the test claims the job itself.
      try await fixture.withWorker(.init(polling: 0, transfers: 0)) {
        try await clock.untilSleeping(1)
        clock.jump(by: .seconds(3600))
        clock.advance(by: .seconds(10))
        try await clock.untilSleeping(1)
        // A pause that the platform asks for is kept to the second, whatever the clock does.
        let job = try await fixture.claim(Self.id)
        try await fixture.catalog.release(
          JobLease(jobID: job.id, fence: job.fence),
          .postpone(until: clock.now + .seconds(600), because: TapedeckError(.platformRateLimited)))
        clock.jump(by: .seconds(-3600))
        clock.advance(by: .seconds(10))
        let due = try await fixture.job(Self.id) { $0.dueAt! < clock.now + .seconds(3600) }.dueAt
        let wait = try #require(due) - clock.now
        #expect(.seconds(590)...(.seconds(600)) ~= wait)
      }
    }
  }

  @Test(arguments: [-3600, 3600])
  func `a worker keeps its jobs although the clock was set`(seconds: Int) async throws {
    let clock = TestClock()
    let (isUnderWay, mayEnd) = (Gate(), Gate())
    let wav = try await PipelineFixture.run { try await $0.original(FixedRecordings.tiny) }
    var options = PipelineFixture.Options(clock: clock)
    options.source = HandSource { sink, _ in
      try await sink.append(.init(bytes: wav))
      isUnderWay.open()
      try await mayEnd.wait()
      return .init(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        try await isUnderWay.wait()
        let fence = try #require(try await fixture.catalog.job(of: try fixture.key(Self.id))?.fence)
        clock.jump(by: .seconds(seconds))
        // Six heartbeats.
        for _ in 1...6 {
          try await clock.untilSleeping(for: Self.heartbeat)
          clock.advance(by: Self.heartbeat)
        }
        try await clock.untilSleeping(for: Self.heartbeat)
        #expect(try #require(try await leaseEnd(fixture)) > clock.now)
        mayEnd.open()
        let job = try await fixture.ended(Self.id)
        #expect(job.runState == .done)
        #expect(job.fence == fence, "no other worker has claimed it")
      }
      try await fixture.expectTidy(archived: 1)
    }
  }

  private func leaseEnd(_ fixture: PipelineFixture) async throws -> Instant? {
    try await fixture.database.read { db in try db.row("SELECT lease_until FROM job")?.optionalInstant("lease_until") }
  }

  @Test func `the job of a crashed worker is freed in time although the clock went back`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      _ = try await fixture.claim(Self.id)
      try await fixture.withWorker {
        try await clock.untilSleeping(for: Self.heartbeat)
        clock.jump(by: .seconds(-3600))
        // 10 s until the jump is noticed, then the lease, and 10 s until the next check.
        for _ in 1...5 {
          try await clock.untilSleeping(for: Self.heartbeat)
          clock.advance(by: Self.heartbeat)
        }
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
    }
  }
}
