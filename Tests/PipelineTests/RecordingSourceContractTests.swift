import CXone
import Model
import Sandbox
import TestKit
import Testing

/// The contract of sources on every implementation: both contracts against the simulated tenant, and the source that
/// tests of the pipeline use.
@Suite(.timeLimit(.minutes(3))) struct RecordingSourceContractTests {
  enum Kind: String, CaseIterable { case recordingsV2, mediaPlayback, listed }

  private static let earlier = Period(
    start: Instant(iso8601: "2026-02-02T00:00:00Z")!, end: Instant(iso8601: "2026-02-03T00:00:00Z")!)

  private func with(_ kind: Kind, _ body: @Sendable (RecordingSourceContract) async throws -> Void) async throws {
    switch kind {
    case .recordingsV2: try await withTenant(.recordingsV2, body)
    case .mediaPlayback: try await withTenant(.mediaPlayback, body)
    case .listed: try await body(try Self.listedContract())
    }
  }

  private static func listedContract() throws -> RecordingSourceContract {
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let source = ListedSource()
    var calls = try (10..<20).map { try call("call-\($0)", at: "2026-03-02T\($0):00:00Z") }
    calls[3].direction = .inbound
    calls[1].status = .processing
    let ids = calls.map(\.id)
    source.change { [calls] state in
      state.recordings = calls
      state.pageSize = 3
      state.files = [ids[0]: bytes]
    }
    return RecordingSourceContract(
      source: source, period: SandboxSource.day, emptyPeriod: earlier, listed: ids, available: ids[0], bytes: bytes,
      notReady: ids[1])
  }

  private func withTenant(
    _ contract: SandboxContract, _ body: @Sendable (RecordingSourceContract) async throws -> Void
  ) async throws {
    try await SandboxSource.run(contract) { tenant, source in
      try await body(try await Self.contract(of: tenant, source))
    }
  }

  private static func contract(
    of tenant: SandboxTenant, _ source: any RecordingSource
  ) async throws -> RecordingSourceContract {
    let isV2 = tenant.configuration.contract == .recordingsV2
    func id(_ recording: SandboxRecording?) throws -> RecordingID {
      try #require((isV2 ? recording?.id : recording?.contactID).flatMap { RecordingID($0) })
    }
    let calls = tenant.recordings.filter { !$0.isHidden && !$0.id.hasPrefix("media-") }
    let available = try #require(calls.first { $0.availability == .immediately && $0.totalBytes < 1_000_000 })
    let audio = try #require(await tenant.audio(of: available.id))
    return RecordingSourceContract(
      source: source, period: SandboxSource.day, emptyPeriod: earlier, listed: try calls.map { try id($0) },
      available: try id(available), bytes: audio.read(0..<audio.totalBytes),
      notReady: try id(tenant.recording(FixedRecordings.never)))
  }

  @Test(arguments: Kind.allCases) func `every call of a period is listed`(kind: Kind) async throws {
    try await with(kind) { try await $0.listsEveryCallOfAPeriod() }
  }

  @Test(arguments: Kind.allCases) func `each row is listed once`(kind: Kind) async throws {
    try await with(kind) { try await $0.listsEachRowOnce() }
  }

  @Test(arguments: Kind.allCases) func `a period without calls has an empty list`(kind: Kind) async throws {
    try await with(kind) { try await $0.listsNothingInAnEmptyPeriod() }
  }

  @Test(arguments: Kind.allCases) func `calls of another direction are not listed`(kind: Kind) async throws {
    try await with(kind) { try await $0.listsNoFirstLegOfAnotherDirection() }
  }

  @Test(arguments: Kind.allCases) func `changes are listed where the policy says so`(kind: Kind) async throws {
    try await with(kind) { try await $0.listsChangesOnlyWhereThePolicySaysSo() }
  }

  @Test(arguments: Kind.allCases) func `available media is located`(kind: Kind) async throws {
    try await with(kind) { try await $0.locatesAvailableMedia() }
  }

  @Test(arguments: Kind.allCases) func `a call that is not ready has no media`(kind: Kind) async throws {
    try await with(kind) { try await $0.locatesNoMediaOfACallThatIsNotReady() }
  }

  @Test(arguments: Kind.allCases) func `a download has the whole file`(kind: Kind) async throws {
    try await with(kind) { try await $0.downloadsTheWholeFile() }
  }

  @Test(arguments: Kind.allCases) func `a download resumes where it stopped`(kind: Kind) async throws {
    try await with(kind) { try await $0.resumesWhereADownloadStopped() }
  }

  @Test(arguments: Kind.allCases) func `a download with all bytes is complete`(kind: Kind) async throws {
    try await with(kind) { try await $0.completesADownloadThatHasAllBytes() }
  }

  @Test(arguments: Kind.allCases) func `an error of the sink ends a download`(kind: Kind) async throws {
    try await with(kind) { try await $0.passesOnTheErrorOfTheSink() }
  }

  @Test(arguments: Kind.allCases) func `a cancelled download is interrupted`(kind: Kind) async throws {
    try await with(kind) { try await $0.endsPromptlyWhenCancelled() }
  }

  @Test(arguments: Kind.allCases) func `a source checks what it requires`(kind: Kind) async throws {
    try await with(kind) { await $0.checksWhatItRequires() }
  }
}
