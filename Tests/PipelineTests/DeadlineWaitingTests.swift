import CXone
import Catalog
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// Sources without a status field: few requests, up to a deadline that is counted from the end of the call.
@Suite(.timeLimit(.minutes(5))) struct DeadlineWaitingTests {
  /// The clock's time at the start of each test is 12:00.
  private static let noon = Instant(iso8601: "2026-01-15T12:00:00Z")!
  private static let schedule = DeadlineSchedule(firstAsk: .seconds(600), deadline: .seconds(3600))

  /// A source whose calls have no media until `availableAt`.
  private struct SlowSource: RecordingSource {
    let id = SourceID.default
    let asked = Counter()
    var locates: @Sendable (RecordingID) throws(TapedeckError) -> Located

    var policy: SourcePolicy {
      SourcePolicy(
        waiting: .untilDeadline(DeadlineWaitingTests.schedule), rereadsPrivacy: false, duration: .upperBound,
        pageSize: 100, listsChanges: false)
    }

    func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage {
      ListPage(recordings: [], nextCursor: nil)
    }

    func locate(_ id: RecordingID) async throws(TapedeckError) -> Located {
      asked.count()
      return try locates(id)
    }

    func download(
      _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
      onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
    ) async throws(TapedeckError) -> DownloadState { throw TapedeckError(.notYetAvailable) }

    func checks() async -> [SourceCheck] { [] }
  }

  private static func nothing(_ id: RecordingID) -> Located {
    var facts = PlatformRecording(id: id, status: .processing, privacy: .restricted)
    facts.isPrivacyKnown = false
    return Located(facts, availability: .notYet, parts: [], completesList: true, skipped: ["There is a chat."])
  }

  private func run(
    endedAt end: Instant?, _ source: SlowSource, _ body: @Sendable (PipelineFixture, TestClock) async throws -> Void
  ) async throws {
    let clock = TestClock(now: Self.noon)
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock, source: source)) { fixture in
      if let end {
        let key = try fixture.key("call")
        var facts = PlatformRecording(id: key.id, status: .processing, privacy: .restricted, json: #"{"a":1}"#)
        facts.isPrivacyKnown = false
        facts.endTime = end
        facts.agentName = "Zoë"
        try await fixture.catalog.observe(facts, of: key)
      }
      try await fixture.withWorker {
        try await fixture.request("call", clearance: .restricted)
        try await body(fixture, clock)
      }
    }
  }

  /// Waits for the next poll, moves the clock there, and returns its time after the end of the call in minutes.
  private func wait(_ polls: Int, _ fixture: PipelineFixture, _ clock: TestClock, end: Instant) async throws -> Int64 {
    let job = try await fixture.job("call") { $0.runState == .waiting && $0.polls == polls }
    let due = try #require(job.dueAt)
    clock.advance(by: due - clock.now)
    try await fixture.wakeWorkers()
    return (due - end).milliseconds / 60_000
  }

  @Test func `a call that just ended is asked for at the first moment, then at doubled times, then at the deadline`()
    async throws
  {
    let source = SlowSource { id throws(TapedeckError) in Self.nothing(id) }
    try await run(endedAt: Self.noon, source) { fixture, clock in
      var moments: [Int64] = []
      for poll in 1...4 { moments.append(try await wait(poll, fixture, clock, end: Self.noon)) }
      #expect(moments == [10, 20, 40, 60])
      let job = try await fixture.ended("call")
      #expect(job.failure?.code == .neverAvailable)
      #expect(job.failure?.message.contains("1 hour after its end") == true)
      #expect(job.failure?.message.contains("There is a chat.") == true)
      #expect(source.asked.value == 4)
      // What the list said is kept.
      let facts = try await fixture.catalog.recording(try fixture.key("call"))?.facts
      #expect(facts?.agentName == "Zoë" && facts?.json == #"{"a":1}"#)
      #expect(facts?.privacy == .restricted && facts?.isPrivacyKnown == false)
    }
  }

  @Test func `an old call is asked for once`() async throws {
    let source = SlowSource { id throws(TapedeckError) in Self.nothing(id) }
    try await run(endedAt: Self.noon + .seconds(-7200), source) { fixture, _ in
      let job = try await fixture.ended("call")
      #expect(job.failure?.code == .neverAvailable)
      #expect(source.asked.value == 1)
    }
  }

  @Test func `a call that was never listed waits from its request on`() async throws {
    let source = SlowSource { id throws(TapedeckError) in Self.nothing(id) }
    try await run(endedAt: nil, source) { fixture, clock in
      let moment = try await wait(1, fixture, clock, end: Self.noon)
      #expect(moment == 10)
      let later = try await wait(2, fixture, clock, end: Self.noon)
      #expect(later == 20)
    }
  }

  @Test func `media of which a part is missing is waited for until the deadline, then its other parts are archived`()
    async throws
  {
    let source = SlowSource { id throws(TapedeckError) in
      Located(
        PlatformRecording(id: id, status: .available, privacy: .standard), availability: .available,
        parts: [LocatedPart(PartLocator(id))], completesList: true, missing: [LocatedPart(PartLocator(id, part: 1))])
    }
    try await run(endedAt: Self.noon, source) { fixture, clock in
      var moments: [Int64] = []
      for poll in 1...4 { moments.append(try await wait(poll, fixture, clock, end: Self.noon)) }
      #expect(moments == [10, 20, 40, 60])
      // The source has no bytes, so the job stays in the download.
      let job = try await fixture.job("call") { $0.stage == .fetching }
      #expect(job.media == PlannedMedia(parts: [PartFacts(0)], missing: [PartFacts(1)]))
      #expect(source.asked.value == 4)
    }
  }

  @Test func `privacy is read once, with the media, and neither again before the commit nor by reviews`()
    async throws
  {
    let wav = WAVFormat(.pcm16, channels: 1).header(dataBytes: 64_000) + [UInt8](repeating: 0, count: 64_000)
    var source = HandSource(bytes: wav)
    let asked = Counter()
    source.policy = SourcePolicy(
      waiting: .untilDeadline(Self.schedule), rereadsPrivacy: false, duration: .upperBound, pageSize: 100,
      listsChanges: false)
    source.facts = { id throws(TapedeckError) in
      asked.count()
      var facts = PlatformRecording(id: id, status: .available, privacy: .standard)
      // Longer than the audio: it includes the queue.
      facts.durationSeconds = 600
      return facts
    }
    let reviewed = source
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("call")
        return try await fixture.ended("call")
      }
      #expect(job.runState == .done)
      #expect(asked.value == 1)
      let review = PrivacyReview(
        catalog: fixture.catalog, sources: [reviewed], system: fixture.system, logger: .silent)
      await review.review(try fixture.key("call"))
      #expect(asked.value == 1)
    }
  }
}
