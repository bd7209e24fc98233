import CXone
import Catalog
import Foundation
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Sandbox
import Synchronization
import SystemPackage
import TestKit
import Testing

/// What happens to the files of objects that no recording refers to any more.
@Suite(.timeLimit(.minutes(5)))
struct ObjectRemoverTests {
  /// An archive with a recording whose original was replaced by a repair.
  private struct Replaced: Sendable {
    let fixture: PipelineFixture
    let clock: TestClock
    /// The files of the recording before the repair, which are still in the store.
    let old: MediaPart
    /// Lets the platform send the old file again.
    let sendOld: @Sendable () -> Void

    func remover(_ store: (any ObjectStore)? = nil) -> ObjectRemover {
      ObjectRemover(
        catalog: fixture.catalog, store: store ?? fixture.store, system: fixture.system, logger: fixture.logger)
    }

    /// Ends the grace period.
    func makeDue() { clock.advance(by: Catalog.removalGrace) }

    func expectLogged(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
      let entries = try await fixture.log(.removeObject)
      #expect(entries.count == count, sourceLocation: sourceLocation)
      #expect(Set(entries.compactMap { $0.details["object"] }).count == count, sourceLocation: sourceLocation)
    }
  }

  private static let id = "changed"
  private static let old = RepairTests.wav(3, seconds: 2)
  private static let new = RepairTests.wav(200, seconds: 3)

  private func run(_ body: @Sendable (Replaced) async throws -> Void) async throws {
    let clock = TestClock(now: .systemNow())
    let sent = Mutex(Self.old)
    var options = PipelineFixture.Options(clock: clock)
    options.source = HandSource { sink, _ in
      let wav = sent.withLock { $0 }
      try await sink.append(ByteBuffer(bytes: wav))
      return DownloadState(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.archive(Self.id)
      let old = try await fixture.part(Self.id)
      sent.withLock { $0 = Self.new }
      try await fixture.archive("other")
      // Damage that the old original cannot repair, so that the platform is asked; the old MP3 and peaks stay whole.
      try DiskFault.missing.strike(try #require(old.original), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(try await fixture.part(Self.id).mp3 != old.mp3)
      try await body(
        Replaced(fixture: fixture, clock: clock, old: old, sendOld: { sent.withLock { $0 = Self.old } }))
    }
  }

  @Test func `replaced files are deleted after the grace period and not before`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      let kept = try await fixture.files(of: [Self.id, "other"])
      #expect(try await replaced.remover().removeDue() == 0)
      #expect(try await fixture.objects() == kept.union([replaced.old.mp3.name, replaced.old.peaks.name]))
      replaced.makeDue()
      // One of the three was missing already.
      #expect(try await replaced.remover().removeDue() == 3)
      #expect(try await fixture.objects() == kept)
      try await replaced.expectLogged(3)
      #expect(try await replaced.remover().removeDue() == 0)
      try await replaced.expectLogged(3)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test func `reconciliation keeps files that wait for their removal`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      let before = try await fixture.objects()
      let folders = [replaced.old.mp3.name.folder, replaced.old.peaks.name.folder]
      // One by one, because the reconciliation sleeps between two and the clock does not advance by itself.
      for folder in folders {
        let report = try await Reconciliation(verifier: fixture.verifier).run([folder])
        #expect(report.orphans.isEmpty && report.damaged.isEmpty && report.young == 0)
      }
      #expect(try await fixture.objects() == before)
    }
  }

  @Test func `the service deletes what is due, and again every hour`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      let kept = try await fixture.files(of: [Self.id, "other"])
      try await fixture.with(replaced.remover()) {
        try await until {
          try await fixture.catalog.recurringTask(.removal)?.lastSuccessAt != nil
        }
        try await replaced.expectLogged(0)
        try await until {
          replaced.clock.advance(by: .seconds(3600))
          // Not the files: one of the three was missing already.
          return try await fixture.count("FROM object_removal") == 0
        }
      }
      #expect(try await fixture.objects() == kept)
      try await replaced.expectLogged(3)
      #expect(try await fixture.count("FROM recurring_task WHERE name = 'removal' AND lease_until IS NULL") == 1)
    }
  }

  @Test func `equal content that is archived meanwhile cancels the removal`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      replaced.sendOld()
      try await fixture.archive("again")
      #expect(try await fixture.part("again").mp3 == replaced.old.mp3)
      #expect(try await fixture.part("again").original == replaced.old.original)
      replaced.makeDue()
      #expect(try await replaced.remover().removeDue() == 0)
      try await replaced.expectLogged(0)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 3)
    }
  }

  @Test func `a removal that is due while equal content is being stored waits for the commit`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      replaced.sendOld()
      replaced.makeDue()
      let removed = Mutex<[Int]>([])
      var store = InterposedStore(fixture.store)
      let attempt: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ throws(TapedeckError) in
        let count = try await replaced.remover().removeDue()
        removed.withLock { $0.append(count) }
      }
      (store.beforeStore, store.afterStore) = (attempt, attempt)
      let job = try await fixture.claim("again")
      #expect(try await fixture.ingest(on: fixture.database, store: store).run(job) == nil)
      #expect(removed.withLock { $0 } == [0, 0, 0, 0, 0, 0])
      #expect(try await fixture.part("again").mp3 == replaced.old.mp3)
      replaced.makeDue()
      #expect(try await replaced.remover().removeDue() == 0)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 3)
    }
  }

  @Test func `equal content that comes between the check and the deletion is stored under a new name`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      replaced.sendOld()
      replaced.makeDue()
      let mp3 = replaced.old.mp3.name
      var store = InterposedStore(fixture.store)
      store.beforeRemove = { name throws(TapedeckError) in
        guard name == mp3 else { return }
        do { try await fixture.archive("again") } catch {
          throw error as? TapedeckError ?? TapedeckError(.internalError, cause: error)
        }
      }
      _ = try await replaced.remover(store).removeDue()
      let again = try await fixture.part("again")
      #expect(again.mp3.hash == replaced.old.mp3.hash)
      #expect(again.mp3.name != mp3)
      #expect(try await !fixture.objects().contains(mp3))
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 3)
    }
  }

  /// Where a process ends while it removes an object.
  enum Crash: CaseIterable, Sendable { case beforeDeletion, afterDeletion }

  @Test(arguments: Crash.allCases)
  func `an interrupted removal is finished by the next run, and logged once`(crash: Crash) async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      replaced.makeDue()
      let kept = try await fixture.files(of: [Self.id, "other"])
      let mp3 = replaced.old.mp3.name
      var store = InterposedStore(fixture.store)
      let fail: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { name throws(TapedeckError) in
        if name == mp3 { throw TapedeckError(.storageFailed) }
      }
      if crash == .beforeDeletion { store.beforeRemove = fail } else { store.afterRemove = fail }
      let remover = replaced.remover(store)
      await #expect(throws: TapedeckError.self) { try await remover.removeDue() }
      #expect(try await fixture.objects().contains(mp3) == (crash == .beforeDeletion))
      // The name is known until the removal has ended, so the file is not taken for an orphan.
      #expect(try await Reconciliation(verifier: fixture.verifier).run([mp3.folder]).orphans.isEmpty)
      #expect(try await fixture.catalog.dueRemovals(limit: 10).contains(mp3))
      _ = try await replaced.remover().removeDue()
      #expect(try await fixture.objects() == kept)
      try await replaced.expectLogged(3)
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test func `two nodes that remove at once delete each object and log it once`() async throws {
    try await run { replaced in
      let fixture = replaced.fixture
      replaced.makeDue()
      async let first = replaced.remover().removeDue()
      async let second = replaced.remover().removeDue()
      _ = try await (first, second)
      #expect(try await fixture.objects() == fixture.files(of: [Self.id, "other"]))
      try await replaced.expectLogged(3)
      try await fixture.expectTidy(archived: 2)
    }
  }
}
