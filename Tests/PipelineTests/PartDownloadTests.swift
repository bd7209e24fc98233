import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Sandbox
import Synchronization
import TestKit
import Testing

/// How the parts of a recording are downloaded, and what happens when one of them breaks off or is refused.
@Suite(.timeLimit(.minutes(5))) struct PartDownloadTests {
  private static let id = "call"

  /// A source whose recordings have two parts. `behaviour` sees every download of a part.
  private struct Source: RecordingSource {
    let id = SourceID.default
    let asked = Shared<[Int]>([])
    /// The bytes of a part, and how many of them this download sends before it breaks off; nil for all.
    var behaviour: @Sendable (_ part: Int, _ attempt: Int) -> (bytes: [UInt8], sent: Int?)

    var policy: SourcePolicy {
      SourcePolicy(waiting: .polls, rereadsPrivacy: false, duration: .upperBound, pageSize: 9, listsChanges: false)
    }

    func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage {
      ListPage(recordings: [], nextCursor: nil)
    }

    func locate(_ id: RecordingID) async throws(TapedeckError) -> Located {
      Located(
        PlatformRecording(id: id, status: .available, privacy: .standard), availability: .available,
        parts: (0..<2).map { LocatedPart(PartLocator(id, part: $0)) }, completesList: true)
    }

    func download(
      _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
      onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
    ) async throws(TapedeckError) -> DownloadState {
      let attempt = asked.change { asked in
        asked.append(part.part)
        return asked.count { $0 == part.part }
      }
      let (bytes, sent) = behaviour(part.part, attempt)
      let state = DownloadState(totalBytes: Int64(bytes.count))
      try await onState(state)
      let start = Int(await sink.length)
      try await sink.append(ByteBuffer(bytes: bytes[start..<(sent ?? bytes.count)]))
      if sent != nil { throw TapedeckError(.downloadInterrupted) }
      return state
    }

    func checks() async -> [SourceCheck] { [] }
  }

  private func run(
    _ source: Source, settings: IngestSettings = IngestSettings(retry: .prompt),
    _ body: @Sendable (PipelineFixture) async throws -> Void
  ) async throws {
    var options = PipelineFixture.Options(source: source)
    options.settings = settings
    try await PipelineFixture.run(options, body)
  }

  private func request(_ fixture: PipelineFixture) async throws -> JobRow {
    try await fixture.withWorker {
      try await fixture.request(Self.id)
      return try await fixture.ended(Self.id)
    }
  }

  private static func wav(_ part: Int, seconds: Int = 2) -> [UInt8] {
    RepairTests.wav(UInt8(part), seconds: seconds)
  }

  @Test func `each part resumes where it was interrupted`() async throws {
    let source = Source { part, attempt in (Self.wav(part), attempt == 1 ? 20_000 : nil) }
    try await run(source) { fixture in
      let job = try await request(fixture)
      #expect(job.runState == .done && job.resumes == 2)
      #expect(source.asked.value == [0, 0, 1, 1])
      let parts = try #require(try await fixture.catalog.archived(try fixture.key(Self.id))?.parts)
      for part in parts {
        #expect(try fixture.bytes(ofObject: try #require(part.original)) == Self.wav(part.part))
      }
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `after a failure, a part that is complete is not downloaded again`() async throws {
    // The first download of the second part brings nothing, so the claim ends.
    let source = Source { part, attempt in (Self.wav(part), part == 1 && attempt == 1 ? 0 : nil) }
    try await run(source) { fixture in
      let claimed = try await fixture.claim(Self.id)
      let code = await failure { try await fixture.ingest.run(claimed) }
      #expect(code == .downloadInterrupted)
      let between = try #require(try await fixture.catalog.job(claimed.id))
      #expect(between.stage == .fetching && between.part(0)?.sha256 != nil && between.part(1)?.sha256 == nil)
      try await fixture.catalog.release(JobLease(jobID: claimed.id, fence: claimed.fence), .interrupted)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(source.asked.value == [0, 1, 1])
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a part that is refused twice is quarantined, and the call is archived when a user accepts it`()
    async throws
  {
    // The header of the second part announces more audio than there is.
    let source = Source { part, _ in (part == 0 ? Self.wav(0) : Array(Self.wav(1, seconds: 3).prefix(40_044)), nil) }
    try await run(source) { fixture in
      let failed = try await request(fixture)
      #expect(failed.failure?.code == .incompleteRecording)
      // The first refusal discards both parts.
      #expect(source.asked.value == [0, 1, 0, 1])
      let refused = try #require(
        try await fixture.catalog.quarantine(visibleTo: .everything, decided: false, limit: 9).first)
      #expect(refused.part == 1)
      let quarantine = Quarantine(catalog: fixture.catalog, store: fixture.store, spool: fixture.spool)
      let entry = LogEntry(
        at: fixture.system.now(), action: .acceptQuarantined, outcome: .allowed,
        actor: Identity(kind: .operator, id: "operator:0", name: "root", role: .admin),
        recording: try fixture.key(Self.id))
      _ = try await quarantine.accept(
        refused, reason: "better than nothing", clearance: .restricted, by: "root", entry: entry)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(source.asked.value == [0, 1, 0, 1, 0])
      let (recording, parts) = try #require(try await fixture.catalog.archived(try fixture.key(Self.id)))
      #expect(parts.map(\.part) == [0, 1] && parts[1].sourceHash == refused.content.hash)
      #expect(recording.warning?.contains("Part 2: The file was refused and then accepted") == true)
      try await fixture.expectWhole()
    }
  }
}

/// A value that a test and its source share.
private final class Shared<Value: Sendable>: Sendable {
  private let kept: Mutex<Value>

  init(_ value: Value) { kept = Mutex(value) }

  var value: Value { kept.withLock { $0 } }

  func change<Result: Sendable>(_ body: (inout sending Value) -> Result) -> Result { kept.withLock { body(&$0) } }
}
