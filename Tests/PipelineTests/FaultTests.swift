import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Sandbox
import Testing

/// Every fault of the sandbox ends with the right file or with the right code.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
  /// A fault, with its description.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var faults: [FaultRule]

    init(_ name: String, _ faults: FaultRule...) {
      self.name = name
      self.faults = faults
    }

    var testDescription: String { name }
  }

  static let id = "codec-pcm-mono"

  static var cut: FaultRule { FaultRule(.cut, times: 1) }

  static let overcome: [Case] = [
    Case("429 on the metadata", FaultRule(.rateLimited, endpoint: .metadata, times: 1, retryAfter: "1")),
    Case("429 without Retry-After", FaultRule(.rateLimited, endpoint: .metadata, times: 1)),
    Case("429 with a date", FaultRule(.rateLimited, endpoint: .download, times: 1, retryAfter: "date:1")),
    Case("429 on the token", FaultRule(.rateLimited, endpoint: .token, times: 1, retryAfter: "0")),
    Case("500 everywhere twice", FaultRule(.serverError, times: 2)),
    Case("503 on the download", FaultRule(.serverError, endpoint: .download, times: 2, status: 503)),
    Case("media not there at first", FaultRule(.gone, endpoint: .download, times: 2)),
    Case("media in conflict at first", FaultRule(.serverError, endpoint: .download, times: 2, status: 409)),
    Case("media locked at first", FaultRule(.serverError, endpoint: .download, times: 2, status: 423)),
    Case("metadata too early", FaultRule(.serverError, endpoint: .metadata, times: 2, retryAfter: "1", status: 425)),
    Case("an expired token", FaultRule(.expiredToken, endpoint: .download, times: 1)),
    Case("two refused tokens in a row", FaultRule(.expiredToken, endpoint: .download, times: 2)),
    Case("five refused tokens in a row", FaultRule(.expiredToken, endpoint: .download, times: 5)),
    Case("three refused tokens for the metadata", FaultRule(.expiredToken, endpoint: .metadata, times: 3)),
    Case("late answers", FaultRule(.delayed, times: 3, delay: 0.2)),
    Case("a status that goes back", FaultRule(.statusFlap, times: 1)),
    Case("one cut", FaultRule(.cut, times: 1)),
    Case("four cuts", FaultRule(.cut, times: 4, afterBytes: 70_000)),
    Case("a file that changes", FaultRule(.changedFile, times: 1)),
    Case("a stall", FaultRule(.stalledBody, times: 1)),
    Case("a slow line", FaultRule(.slow, bytesPerSecond: 1_000_000)),
    Case("no ranges", FaultRule(.noRanges)),
    Case("no ranges and a cut", FaultRule(.noRanges), cut),
    Case("no Content-Range", FaultRule(.strippedContentRange)),
    Case("no Content-Range and a cut", FaultRule(.strippedContentRange), cut),
    Case("a continuation without Content-Range", FaultRule(.noContentRangeResume), cut),
    Case("a continuation with a broken Content-Range", FaultRule(.brokenContentRange), cut),
    Case("a continuation that starts too late", FaultRule(.wrongStart), cut),
    Case("a continuation that starts too early", FaultRule(.earlyStart), cut),
    Case("a continuation with another tag", FaultRule(.wrongETag), cut),
    Case("a weak tag and a cut", FaultRule(.weakETag), cut),
    Case("no tag and a cut", FaultRule(.noETag), cut),
    Case("a coding that is none", FaultRule(.contentEncoding)),
    Case("an error page once", FaultRule(.errorPage, times: 1)),
    Case("an error page that calls itself audio, once", FaultRule(.errorPage, times: 1, variant: "json-as-audio")),
    Case("a header without sound, once", FaultRule(.headerOnly, times: 1)),
    Case("a file cut short, once", FaultRule(.cutShort, times: 1)),
    Case("a playlist, once", FaultRule(.playlist, times: 1)),
  ]

  @Test(arguments: overcome)
  func `a temporary fault leaves the right file and nothing else`(fault: Case) async throws {
    var options = PipelineFixture.Options(faults: fault.faults)
    options.settings.waiting = WaitingSchedule(cap: .milliseconds(10))
    // Long, because a busy machine may delay a body that does not stall.
    if fault.faults.contains(where: { $0.fault == .stalledBody }) { options.stallTimeout = .seconds(5) }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        let job = try await fixture.ended(Self.id)
        #expect(job.runState == .done, "\(job.failure?.error.description ?? "")")
        #expect(job.failure == nil)
      }
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  /// Permanent faults, and the codes that they end with.
  static let final: [(Case, TapedeckError.Code)] = [
    (Case("no such recording", FaultRule(.gone)), .unknownRecording),
    (Case("described, but never provided", FaultRule(.gone, endpoint: .download)), .notYetAvailable),
    (Case("always locked", FaultRule(.serverError, endpoint: .download, status: 423)), .notYetAvailable),
    (Case("no scope to read", FaultRule(.scopeMissing, endpoint: .metadata)), .platformScopeRefused),
    (Case("no scope to download", FaultRule(.scopeMissing, endpoint: .download)), .platformScopeRefused),
    (Case("privacy", FaultRule(.privacyRefused, endpoint: .download)), .platformRefused),
    (Case("tokens that are never accepted", FaultRule(.expiredToken)), .platformCredentialsRefused),
    (
      Case("tokens that are never accepted for the download", FaultRule(.expiredToken, endpoint: .download)),
      .platformCredentialsRefused
    ),
    (Case("a broken platform", FaultRule(.serverError)), .platformUnavailable),
    (Case("a broken download", FaultRule(.serverError, endpoint: .download, status: 502)), .platformUnavailable),
    (Case("a connection that ends without a byte", FaultRule(.cut, afterBytes: 0)), .downloadInterrupted),
  ]

  @Test(arguments: final)
  func `a permanent fault ends with its code and leaves nothing`(fault: Case, code: TapedeckError.Code) async throws {
    try await PipelineFixture.run(PipelineFixture.Options(faults: fault.faults)) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(Self.id)
        return try await fixture.ended(Self.id)
      }
      #expect(job.runState == .failed)
      #expect(job.failure?.code == code)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `a recording that disappears during its download leaves no partial file`() async throws {
    let faults = [FaultRule(.cut, times: 1, afterBytes: 100_000)]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      let job = try await fixture.claim(Self.id)
      fixture.tenant.faults.add(FaultRule(.gone, endpoint: .download))
      try await fixture.catalog.release(JobLease(jobID: job.id, fence: job.fence), .interrupted)
      let ended = try await fixture.withWorker { try await fixture.ended(Self.id) }
      #expect(ended.failure?.code == .notYetAvailable)
      #expect(fixture.asked(for: Self.id).reduce(0) { $0 + $1.bytesSent } == 100_000)
      try await fixture.expectTidy(archived: 0)
    }
  }

  static let noRecording: [Case] = [
    Case("an error page", FaultRule(.errorPage)),
    Case("an error in JSON", FaultRule(.errorPage, variant: "json")),
    Case("an error page that calls itself audio", FaultRule(.errorPage, variant: "html-as-audio")),
    Case("an error in JSON that calls itself audio", FaultRule(.errorPage, variant: "json-as-audio")),
    Case("a header that claims no sound", FaultRule(.headerOnly, variant: "empty")),
    Case("a header that claims sound", FaultRule(.headerOnly, variant: "claims-data")),
    Case("a file cut short", FaultRule(.cutShort)),
    Case("a file cut inside its header", FaultRule(.cutShort, afterBytes: 30)),
    Case("a playlist", FaultRule(.playlist)),
  ]

  @Test(arguments: noRecording)
  func `an invalid recording is fetched twice and then kept in quarantine`(fault: Case) async throws {
    try await PipelineFixture.run(PipelineFixture.Options(faults: fault.faults)) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(Self.id)
        return try await fixture.ended(Self.id)
      }
      #expect(job.runState == .failed)
      #expect(job.failure?.code == .incompleteRecording)
      #expect(fixture.downloads(of: Self.id) == 2)
      try await fixture.expectTidy(archived: 0, quarantined: 1)
      let note = try #require(try fixture.files(in: "quarantine").first { $0.hasSuffix(".json") })
      let reason = String(decoding: try fixture.bytes(of: "quarantine/\(note)"), as: UTF8.self)
      #expect(reason.contains("\"code\" : \"not_a_whole_recording\""))
      #expect(reason.contains("\"recording\" : \"\(Self.id)\""))
    }
  }

  @Test func `contradictory answers are refused like an invalid file`() async throws {
    // More bytes than the platform announced.
    var options = PipelineFixture.Options()
    let calls = Counter()
    options.source = HandSource { sink, _ in
      calls.count()
      try await sink.append(.init(string: "RIFF and more than was announced"))
      throw TapedeckError(.incompleteRecording, "The platform sends more of this recording than it announced.")
    }
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("liar")
        return try await fixture.ended("liar")
      }
      #expect(job.failure?.code == .incompleteRecording)
      #expect(job.failure?.message == "The platform sends more of this recording than it announced.")
      #expect(calls.value == 2)
      try await fixture.expectTidy(archived: 0, quarantined: 1)
    }
  }

  @Test func `a platform that stays rate-limited keeps the job waiting, without counting attempts`() async throws {
    let faults = [FaultRule(.rateLimited, endpoint: .metadata, retryAfter: "0")]
    try await PipelineFixture.run(PipelineFixture.Options(faults: faults)) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        let job = try await fixture.job(Self.id) { $0.runState == .waiting && $0.failure != nil }
        #expect(job.failure?.code == .platformRateLimited)
        #expect(job.attempts == 0)
        fixture.tenant.faults.clear()
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a recording that the platform failed to produce is refused without a download`() async throws {
    try await PipelineFixture.run { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(FixedRecordings.failed)
        return try await fixture.ended(FixedRecordings.failed)
      }
      #expect(job.failure?.code == .recordingFailedOnPlatform)
      #expect(fixture.downloads(of: FixedRecordings.failed) == 0)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `an id that the platform does not know is refused, and leaves no recording`() async throws {
    try await PipelineFixture.run { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("unknown-recording")
        return try await fixture.ended("unknown-recording")
      }
      #expect(job.failure?.code == .unknownRecording)
      #expect(try await fixture.count("FROM recording") == 0)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `a job of a source that is not configured is left to a node that knows it`() async throws {
    try await PipelineFixture.run { fixture in
      let source = try #require(SourceID("elsewhere"))
      let key = RecordingKey(source: source, id: try fixture.key("any").id)
      try await fixture.withWorker {
        let job = try await fixture.catalog.requestIngest(
          of: key, clearance: .standard, by: "tester",
          entry: LogEntry(at: .systemNow(), action: .ingest, outcome: .allowed, actor: nil, recording: key))
        try await fixture.request(Self.id)
        #expect(try await fixture.ended(Self.id).runState == .done)
        let left = try #require(try await fixture.catalog.job(job.id))
        #expect((left.runState, left.attempts, left.fence) == (.idle, 0, 0))
      }
    }
  }

  @Test func `a failed job restarts when it is requested again`() async throws {
    try await PipelineFixture.run(PipelineFixture.Options(faults: [FaultRule(.cutShort)])) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        let failed = try await fixture.ended(Self.id)
        #expect(failed.runState == .failed)
        fixture.tenant.faults.clear()
        let again = try await fixture.request(Self.id)
        #expect(again.id == failed.id)
        #expect(again.refusals == 0)
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1, quarantined: 1)
    }
  }
}
