import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Synchronization
import TestKit
import Testing

/// Recordings that are completely downloaded while the platform no longer reports their privacy.
@Suite(.timeLimit(.minutes(5)))
struct CommitTests {
  /// A platform that serves a recording and does not answer metadata requests afterwards.
  private final class Platform: Sendable {
    static let wav = HostileFile.make(seed: 7)

    private let code: TapedeckError.Code
    private let state: Mutex<(downloads: Int, failures: Int)>

    /// - Parameter times: how many metadata requests after the download fail.
    init(_ code: TapedeckError.Code, times: Int) {
      self.code = code
      state = Mutex((0, times))
    }

    var downloads: Int { state.withLock { $0.downloads } }

    func recover() { state.withLock { $0.failures = 0 } }

    var source: HandSource {
      var source = HandSource { sink, _ in
        self.state.withLock { $0.downloads += 1 }
        try await sink.append(ByteBuffer(bytes: Self.wav))
        return DownloadState(totalBytes: Int64(Self.wav.count))
      }
      source.facts = { id throws(TapedeckError) in
        let fails = self.state.withLock { state in
          guard state.downloads > 0, state.failures > 0 else { return false }
          state.failures -= 1
          return true
        }
        if fails { throw TapedeckError(self.code) }
        var facts = PlatformRecording(id: id, status: .available, privacy: .standard)
        facts.agentName = "Ada"
        return facts
      }
      return source
    }
  }

  private func options(_ platform: Platform) -> PipelineFixture.Options {
    PipelineFixture.Options(source: platform.source)
  }

  /// Expects that a recording is downloaded once and archived after the platform's failures.
  private func expectArchived(after platform: Platform) async throws {
    try await PipelineFixture.run(options(platform)) { fixture in
      try await fixture.withWorker {
        try await fixture.request("call-1")
        #expect(try await fixture.ended("call-1").runState == .done)
      }
      #expect(try await expectArchived(fixture, as: .standard).warning == nil)
      #expect(platform.downloads == 1)
    }
  }

  private func expectArchived(_ fixture: PipelineFixture, as privacy: Privacy) async throws -> RecordingRow {
    let (recording, parts) = try #require(try await fixture.catalog.archived(try fixture.key("call-1")))
    let part = try #require(parts.first)
    let original = try fixture.bytes(ofObject: try #require(part.original))
    #expect(HostileJudge.complaint(about: original, part, truths: [Platform.wav]) == nil)
    #expect(recording.facts.privacy == privacy)
    // The facts that were known are kept.
    #expect(recording.facts.agentName == "Ada")
    try await fixture.expectTidy(archived: 1)
    return recording
  }

  @Test(arguments: [TapedeckError.Code.unknownRecording, .platformRefused, .notYetAvailable])
  func `a recording that the platform withdraws after its download is archived for supervisors only`(
    code: TapedeckError.Code
  ) async throws {
    let platform = Platform(code, times: .max)
    try await PipelineFixture.run(options(platform)) { fixture in
      try await fixture.withWorker {
        try await fixture.request("call-1")
        #expect(try await fixture.ended("call-1").runState == .done)
      }
      let recording = try await expectArchived(fixture, as: .restricted)
      #expect(recording.warning?.contains("only supervisors can open it") == true)
      #expect(try await fixture.count("FROM log_entry WHERE action = 'privacy_change'") == 1)
      #expect(platform.downloads == 1)
    }
  }

  @Test(arguments: [TapedeckError.Code.unknownRecording, .platformRefused, .notYetAvailable])
  func `a recording that is missing only briefly keeps its privacy`(code: TapedeckError.Code) async throws {
    try await expectArchived(after: Platform(code, times: 3))
  }

  @Test(arguments: [
    TapedeckError.Code.platformUnavailable, .platformRateLimited, .platformProtocol, .platformCredentialsRefused,
    .platformScopeRefused,
  ])
  func `a commit waits while the platform is unavailable, and loses nothing`(
    code: TapedeckError.Code
  ) async throws {
    // More failures than a job may have attempts.
    try await expectArchived(after: Platform(code, times: 20))
  }

  @Test func `a job that waits for its commit keeps its bytes and states the reason`() async throws {
    let clock = TestClock()
    let platform = Platform(.platformUnavailable, times: .max)
    var options = options(platform)
    options.clock = clock
    options.settings = IngestSettings()
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("call-1")
        let job = try await fixture.job("call-1") { $0.runState == .waiting && $0.failure != nil }
        #expect(job.failure?.code == .platformUnavailable)
        #expect(job.failure?.message.contains("The recording is downloaded.") == true)
        #expect(job.stage == .processing)
        #expect(job.attempts == 0)
        #expect(try fixture.files(in: "spool").contains { $0.hasSuffix(".part") })
        #expect(try await fixture.catalog.archived(try fixture.key("call-1"))?.parts.isEmpty == true)
        platform.recover()
        clock.advance(by: try #require(job.dueAt) - clock.now)
        try await fixture.wakeWorkers()
        #expect(try await fixture.ended("call-1").runState == .done)
      }
      _ = try await expectArchived(fixture, as: .standard)
      #expect(platform.downloads == 1)
    }
  }
}
