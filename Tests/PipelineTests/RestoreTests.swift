import CXone
import Catalog
import Foundation
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import Pipeline
import Sandbox
import Synchronization
import SystemPackage
import TestKit
import Testing

/// Originals that are restored from the store, by a repair or by an ingest that was interrupted before its commit.
@Suite(.timeLimit(.minutes(5)))
struct RestoreTests {
  /// Files that the integrity check accepts as downloads only with more evidence than the platform provides here.
  enum Oddity: CaseIterable, Sendable {
    case unknownLength, trailingBytes, laterDuration

    var bytes: [UInt8] {
      var wav = RepairTests.wav(7)
      switch self {
      case .unknownLength:
        for field in [4..<8, 40..<44] { wav.replaceSubrange(field, with: [UInt8](repeating: 0xFF, count: 4)) }
      case .trailingBytes: wav += [UInt8](repeating: 1, count: 300)
      case .laterDuration: break
      }
      return wav
    }
  }

  private static func source(_ bytes: [UInt8], downloads: Counter) -> HandSource {
    HandSource { sink, _ in
      downloads.count()
      try await sink.cut(to: 0)
      try await sink.append(ByteBuffer(bytes: bytes))
      return DownloadState(totalBytes: Int64(bytes.count))
    }
  }

  @Test(arguments: Oddity.allCases)
  func `a kept original is verified by its hash, and not checked as a new download`(
    oddity: Oddity
  ) async throws {
    let downloads = Counter()
    let source = Self.source(oddity.bytes, downloads: downloads)
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
      try await fixture.archive("odd")
      let before = (fetched: downloads.value, part: try await fixture.part("odd"))
      if oddity == .laterDuration {
        var facts = try await fixture.row("odd").facts
        facts.durationSeconds = 600
        _ = try await fixture.catalog.observe(facts, of: try fixture.key("odd"))
      }
      try DiskFault.flippedByte.strike(before.part.mp3.name, of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key("odd"), .repair())
      #expect(try await fixture.repaired("odd").runState == .done)
      #expect(downloads.value == before.fetched)
      #expect(try await fixture.part("odd") == before.part)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 1, quarantined: 1)
    }
  }

  @Test func `a restored original is not reported as damaged while the old file is still open`() async throws {
    let id = RepairTests.id
    try await PipelineFixture.run { fixture in
      try await fixture.archive(id, RepairTests.other)
      let object = try await fixture.object(.original, of: id)
      let whole = try fixture.bytes(ofObject: object)
      let held = try await fixture.store.open(object)
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: id), of: fixture)
      #expect(try await fixture.verifier.verify(try fixture.key(id), .repair()).repair?.isFromOriginal == true)
      _ = try await fixture.store.open(object)
      // The open file becomes damaged, and another node has replaced it with a complete one.
      try DiskFault.flippedByte.strike(object, of: fixture)
      let path = fixture.folder.appending("objects").pushing(FilePath(object.description)).string
      try Data(whole).write(to: URL(filePath: path), options: .atomic)
      #expect(held.bytes == Int64(whole.count))
      #expect(try await fixture.repaired(id).runState == .done)
      #expect(fixture.downloads(of: id) == 1)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2)
    }
  }

  // MARK: Between store and commit

  private func lease(_ job: JobRow) -> JobLease { JobLease(jobID: job.id, fence: job.fence) }

  /// Runs a job until the store has its original, and ends the process there.
  private func dieBeforeCommit(_ fixture: PipelineFixture) async throws {
    let job = try await fixture.claim(RepairTests.id)
    var store = InterposedStore(fixture.store)
    store.afterStore = { name throws(TapedeckError) in
      if name.kind == .wav { throw TapedeckError(.interrupted) }
    }
    let ingest = fixture.ingest(on: fixture.database, store: store)
    await #expect(throws: TapedeckError.self) { try await ingest.run(job) }
    #expect(try !fixture.files(in: "spool").contains { $0.hasSuffix(".part") })
    try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
  }

  @Test func `a job that was interrupted between store and commit resumes with the stored file, without the platform`()
    async throws
  {
    try await PipelineFixture.run { fixture in
      try await dieBeforeCommit(fixture)
      // The platform does not serve it a second time.
      fixture.tenant.faults.add(FaultRule(.gone, endpoint: .download))
      #expect(try await fixture.repaired(RepairTests.id).runState == .done)
      #expect(fixture.downloads(of: RepairTests.id) == 1)
      try await fixture.expectOriginal(RepairTests.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a stored original that a job waits for is not an orphan until the job ends without it`() async throws {
    let clock = TestClock(now: .systemNow())
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.archive(RepairTests.other)
      let other = try await fixture.object(.original, of: RepairTests.other)
      try await dieBeforeCommit(fixture)
      clock.advance(by: .seconds(7200))
      let reconciliation = Reconciliation(verifier: fixture.verifier)
      let folders = Set(try await fixture.objects().compactMap { $0.folder })
      var young = 0
      // One by one, because the reconciliation sleeps between two.
      for folder in folders {
        let report = try await reconciliation.run([folder])
        young += report.young
        #expect(!report.orphans.contains { $0.object.name.kind == .wav })
      }
      #expect(young == 1)
      let job = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
      try await fixture.catalog.release(lease(job), .fail(TapedeckError(.internalError)))
      let original = try #require(try await fixture.objects().first { $0.kind == .wav && $0 != other })
      let folder = original.folder
      #expect(try await reconciliation.run([folder]).orphans.map(\.object.name) == [original])
    }
  }

  @Test func `a damaged stored original is quarantined, and the recording is downloaded again`() async throws {
    try await PipelineFixture.run { fixture in
      try await dieBeforeCommit(fixture)
      let original = try #require(try await fixture.objects().first { $0.kind == .wav })
      try DiskFault.flippedByte.strike(original, of: fixture)
      #expect(try await fixture.repaired(RepairTests.id).runState == .done)
      #expect(fixture.downloads(of: RepairTests.id) == 2)
      try await fixture.expectOriginal(RepairTests.id)
      try await fixture.expectTidy(archived: 1, quarantined: 1)
    }
  }

  // MARK: Several machines

  @Test func `a spool file of another machine is not joined with the bytes of a third claim`() async throws {
    let versions = [RepairTests.wav(1), RepairTests.wav(2)]
    let current = Mutex(versions[0])
    let isWhole = Mutex(false)
    let source = HandSource { sink, state in
      let (wav, isWhole) = (current.withLock { $0 }, isWhole.withLock { $0 })
      let held = await sink.length
      let end = isWhole ? wav.count : wav.count / 2
      if held < end { try await sink.append(ByteBuffer(bytes: wav[Int(held)..<end])) }
      guard isWhole else { throw TapedeckError(.platformUnavailable) }
      return DownloadState(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
      let elsewhere = try Spool(
        folder: fixture.folder.appending("spool-2"), quarantine: fixture.folder.appending("quarantine"),
        threads: .singleton)
      var job = try await fixture.claim("moving")
      for spool in [fixture.spool, elsewhere] {
        let ingest = fixture.ingest(on: fixture.database, spool: spool)
        let claimed = job
        await #expect(throws: TapedeckError.self) { try await ingest.run(claimed) }
        try await fixture.catalog.release(lease(job), .interrupted)
        job = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
        // The platform serves a different file by then.
        current.withLock { $0 = versions[1] }
      }
      isWhole.withLock { $0 = true }
      #expect(try await fixture.ingest.run(job) == nil)
      let original = try await fixture.object(.original, of: "moving")
      #expect(try fixture.bytes(ofObject: original) == versions[1])
    }
  }
}
