import Catalog
import Crypto
import Foundation
import Model
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing

/// How differences between catalog and objects are resolved, in both directions.
@Suite(.timeLimit(.minutes(5)))
struct ReconciliationTests {
  static let id = "codec-pcm-mono"
  static let other = "codec-gsm"

  /// Stores an object that the catalog does not know.
  private func plant(_ digit: Character, in fixture: PipelineFixture) async throws -> ObjectName {
    let name = try #require(ObjectName(digits: String(repeating: digit, count: 32), kind: .mp3))
    try await store(Array("orphan".utf8), as: name, in: fixture)
    return name
  }

  /// Stores an object as an ingest does before its commit.
  private func storeReserved(_ text: String, in fixture: PipelineFixture) async throws -> ObjectName {
    let bytes = Array(text.utf8)
    let content = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: bytes)), bytes: Int64(bytes.count))
    let name = try #require(try await fixture.catalog.reserve([(.mp3, content)]).first)
    try await store(bytes, as: name, in: fixture)
    return name
  }

  private func store(_ bytes: [UInt8], as name: ObjectName, in fixture: PipelineFixture) async throws {
    let file = fixture.folder.appending("planted")
    _ = FileManager.default.createFile(atPath: file.string, contents: Data(bytes))
    let content = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: bytes)), bytes: Int64(bytes.count))
    try await fixture.store.store(file, as: name, content: content)
  }

  @Test func `orphans are quarantined, recordings without an object repaired, others kept`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let known = try await fixture.objects()
      let orphans = [try await plant("0", in: fixture), try await plant("f", in: fixture)]
      try DiskFault.missing.strike(try await fixture.object(.peaks, of: Self.id), of: fixture)
      try DiskFault.cut.strike(try await fixture.object(.original, of: Self.other), of: fixture)
      let report = try await Reconciliation(verifier: fixture.verifier).run()
      #expect(Set(report.orphans.map(\.object.name)) == Set(orphans))
      #expect(report.orphans.allSatisfy { $0.isMoved })
      #expect(Set(report.damaged.map(\.key.id.rawValue)) == [Self.id, Self.other])
      try await fixture.withWorker {
        for id in [Self.id, Self.other] {
          let job = try await fixture.ended(id)
          #expect(job.runState == .done)
        }
      }
      #expect(try await fixture.objects() == known)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 3)
      let again = try await Reconciliation(verifier: fixture.verifier).run()
      #expect(again.orphans.isEmpty && again.damaged.isEmpty)
      #expect(again.objects == 6)
    }
  }

  /// The state after the objects of the catalog's recordings were replaced by those of another archive.
  private func replaceStore(_ fixture: PipelineFixture) async throws -> [ObjectName] {
    for name in try await fixture.objects() {
      try FileManager.default.removeItem(atPath: fixture.store.location(of: name))
    }
    return [try await plant("0", in: fixture), try await plant("5", in: fixture), try await plant("f", in: fixture)]
  }

  @Test(arguments: [[Self.id], [Self.id, Self.other]])
  func `the objects of another archive are left alone`(known: [String]) async throws {
    try await PipelineFixture.run { fixture in
      for id in known { try await fixture.archive(id) }
      let others = try await replaceStore(fixture)
      let reconciliation = Reconciliation(verifier: fixture.verifier)
      for folders in [ObjectFolder.all, [others[1].folder], [others[2].folder]] {
        let error = await #expect(throws: TapedeckError.self) { try await reconciliation.run(folders) }
        #expect(error?.code == .storageFailed && error?.message.contains("Nothing was changed") == true)
      }
      #expect(try await fixture.objects() == Set(others))
      await #expect(throws: TapedeckError.self) { try await reconciliation.run(ObjectFolder.all, .report) }
      for id in known { #expect(try await fixture.row(id).damage == nil) }
      #expect(try fixture.files(in: "quarantine").isEmpty)
    }
  }

  @Test func `a reserved object beside objects of another archive is left alone`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      _ = try await replaceStore(fixture)
      let reserved = try await storeReserved("first", in: fixture)
      let rows = try await fixture.count("FROM object")
      await #expect(throws: TapedeckError.self) {
        try await Reconciliation(verifier: fixture.verifier).run([reserved.folder])
      }
      #expect(try await fixture.objects().contains(reserved))
      #expect(try await fixture.count("FROM object") == rows)
    }
  }

  @Test func `an orphan is moved when the store has any object of the oldest recordings`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      for kind in [FileKind.original, .mp3] {
        try DiskFault.missing.strike(try await fixture.object(kind, of: Self.id), of: fixture)
      }
      let orphan = try await plant("5", in: fixture)
      let report = try await Reconciliation(verifier: fixture.verifier).run([orphan.folder])
      #expect(report.orphans.map(\.isMoved) == [true])
    }
  }

  @Test func `a reconciliation that only reports moves nothing`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let orphan = try await plant("5", in: fixture)
      let report = try await Reconciliation(verifier: fixture.verifier).run([orphan.folder], .report)
      #expect(report.orphans.map(\.isMoved) == [false])
      #expect(try await fixture.objects().contains(orphan))
    }
  }

  @Test func `a reserved object is kept while an ingest may be storing it, and is an orphan afterwards`() async throws {
    let clock = TestClock(now: .systemNow())
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.archive(Self.id)
      let first = try await storeReserved("first", in: fixture)
      let reconciliation = Reconciliation(verifier: fixture.verifier)
      let job = try await fixture.claim(Self.other)
      let lease = JobLease(jobID: job.id, fence: job.fence)
      try await fixture.catalog.advance(lease, to: .processing)
      let report = try await reconciliation.run([first.folder])
      #expect(report.orphans.isEmpty && report.young == 1)
      clock.advance(by: .seconds(86_400))
      #expect(try await reconciliation.run([first.folder]).orphans.map(\.object.name) == [first])
      clock.advance(by: .seconds(1))
      let second = try await storeReserved("second", in: fixture)
      try await fixture.catalog.release(lease, .interrupted)
      #expect(try await reconciliation.run([second.folder], .report).orphans.map(\.isMoved) == [false])
      #expect(try await reconciliation.run([second.folder]).orphans.map(\.object.name) == [second])
      #expect(try fixture.files(in: "quarantine").count == 4)
      #expect(try await fixture.count("FROM object") == 3)
    }
  }

  @Test func `a reserved object that was never stored loses its row`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let content = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: [1])), bytes: 1)
      let name = try #require(try await fixture.catalog.reserve([(.wav, content)]).first)
      let report = try await Reconciliation(verifier: fixture.verifier).run([name.folder])
      #expect(report.orphans.isEmpty && report.young == 0)
      #expect(try await fixture.catalog.object(.wav, content.hash) == nil)
    }
  }

  @Test func `an ingest of content that is being quarantined stores it under a new name`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.other)
      // Stored by an ingest that ended before its commit.
      var failing = InterposedStore(fixture.store)
      failing.afterStore = { name throws(TapedeckError) in
        if name.kind == .mp3 { throw TapedeckError(.interrupted) }
      }
      let job = try await fixture.claim(Self.id)
      let ingest = fixture.ingest(on: fixture.database, store: failing)
      await #expect(throws: TapedeckError.self) { try await ingest.run(job) }
      try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
      let known = try await fixture.files(of: [Self.other])
      let mp3 = try #require(try await fixture.objects().first { $0.kind == .mp3 && !known.contains($0) })
      var store = InterposedStore(fixture.store)
      store.beforeQuarantine = { name throws(TapedeckError) in
        guard name == mp3 else { return }
        do { #expect(try await fixture.repaired(Self.id).runState == .done) } catch {
          throw error as? TapedeckError ?? TapedeckError(.internalError, cause: error)
        }
      }
      let report = try await Reconciliation(verifier: fixture.verifier(on: store)).run([mp3.folder])
      #expect(report.orphans.map(\.object.name) == [mp3])
      #expect(try await fixture.object(.mp3, of: Self.id) != mp3)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 1)
    }
  }

  /// Replaces the catalog by an empty one.
  private func loseCatalog(_ fixture: PipelineFixture) async throws {
    _ = try await fixture.database.write { db in
      for table in ["media_part", "object", "webhook_message", "recording"] {
        try db.execute(SQL(stringLiteral: "DELETE FROM \(table)"))
      }
      try db.execute("UPDATE migration SET applied_at = tapedeck_now_ms()")
    }
  }

  @Test(arguments: [false, true])
  func `objects of a lost catalog are left alone, also when the new one has a recording`(hasNew: Bool) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let objects = try await fixture.objects()
      try await loseCatalog(fixture)
      if hasNew { try await fixture.archive(Self.other) }
      for mode in [Verifier.Mode.report, .repair()] {
        let report = try await Reconciliation(verifier: fixture.verifier).run(ObjectFolder.all, mode)
        #expect(report.orphans.isEmpty && report.damaged.isEmpty)
        #expect(report.foreign == objects.count)
      }
      #expect(try await fixture.objects().isSuperset(of: objects))
    }
  }

  @Test func `an object that is older than the catalog is left alone, and a newer one beside it is moved`() async throws
  {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let (old, new) = (try await plant("1", in: fixture), try await plant("2", in: fixture))
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1_500_000_000)],
        ofItemAtPath: fixture.store.location(of: old))
      let report = try await Reconciliation(verifier: fixture.verifier).run()
      #expect(report.orphans.map(\.object.name) == [new] && report.foreign == 1)
      #expect(try await fixture.objects().contains(old))
    }
  }

  @Test func `an empty catalog is refused with a store that has objects`() async throws {
    try await PipelineFixture.run { fixture in
      try await StoreOwnership.requireOwnObjects(fixture.catalog, fixture.store)
      try await fixture.archive(Self.id)
      try await StoreOwnership.requireOwnObjects(fixture.catalog, fixture.store)
      try await loseCatalog(fixture)
      let error = await #expect(throws: TapedeckError.self) {
        try await StoreOwnership.requireOwnObjects(fixture.catalog, fixture.store)
      }
      #expect(error?.code == .configurationInvalid)
      #expect(error?.message.contains("restore it from a backup") == true)
      var store = InterposedStore(fixture.store)
      store.beforeListing = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed) }
      try await StoreOwnership.requireOwnObjects(fixture.catalog, store)
      // An ingest that ended before its commit leaves objects without a recording.
      _ = try await storeReserved("first", in: fixture)
      try await StoreOwnership.requireOwnObjects(fixture.catalog, fixture.store)
    }
  }

  @Test func `objects are copied only with the catalog that has them`() async throws {
    try await PipelineFixture.run { fixture in
      func refusal() async -> TapedeckError? {
        await error { try await StoreOwnership.requireStore(fixture.store, of: fixture.catalog) }
      }
      #expect(await refusal() == nil)
      try await fixture.archive(Self.id)
      #expect(await refusal() == nil)
      // The objects of another archive, then no object.
      let others = try await replaceStore(fixture)
      #expect(await refusal()?.message.contains("lacks most of the oldest recordings") == true)
      for name in others { try FileManager.default.removeItem(atPath: fixture.store.location(of: name)) }
      #expect(await refusal()?.message.contains("lacks most of the oldest recordings") == true)
      _ = try await replaceStore(fixture)
      try await loseCatalog(fixture)
      #expect(await refusal()?.code == .configurationInvalid)
    }
  }

  @Test func `recordings that were stored into the wrong store do not make it the own one`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let others = try await replaceStore(fixture)
      // The older half of the archive has one of these.
      try await fixture.archive("codec-pcm-stereo", "codec-adpcm", "codec-pcm-8bit")
      let objects = try await fixture.objects()
      #expect(objects.count == others.count + 9)
      let reconciliation = Reconciliation(verifier: fixture.verifier)
      for refusal in [
        await error { try await StoreOwnership.requireStore(fixture.store, of: fixture.catalog) },
        await error { _ = try await reconciliation.run() },
      ] {
        #expect(refusal?.code == .storageFailed)
        #expect(refusal?.message.contains("lacks most of the oldest recordings") == true)
      }
      #expect(try await fixture.objects() == objects)
      #expect(try fixture.files(in: "quarantine").isEmpty)
    }
  }

  @Test func `a store that lost half of the oldest recordings is the own one`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other, "codec-pcm-stereo", "codec-adpcm")
      for kind in [FileKind.original, .mp3, .peaks] {
        try DiskFault.missing.strike(try await fixture.object(kind, of: Self.id), of: fixture)
      }
      try await StoreOwnership.requireStore(fixture.store, of: fixture.catalog)
      // Once its damage is known, a recording that is lost for ever says nothing about the store.
      for kind in [FileKind.original, .mp3, .peaks] {
        try DiskFault.missing.strike(try await fixture.object(kind, of: Self.other), of: fixture)
      }
      await #expect(throws: TapedeckError.self) {
        try await StoreOwnership.requireStore(fixture.store, of: fixture.catalog)
      }
      try await fixture.archive("codec-ulaw-mono", "codec-ulaw-stereo", "codec-alaw-mono", "codec-pcm-8bit")
      for id in [Self.id, Self.other] {
        let damage = Damage(
          recordingID: try await fixture.row(id).id, key: try fixture.key(id), files: [],
          code: .objectMissing, hasOriginal: false, details: [:])
        try await fixture.catalog.recordDamage([damage], at: .systemNow(), by: .recurringTask)
      }
      try await StoreOwnership.requireStore(fixture.store, of: fixture.catalog)
    }
  }

  @Test func `a store that cannot be listed ends the comparison without changes`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let objects = try await fixture.objects()
      var store = InterposedStore(fixture.store)
      store.beforeListing = { folder throws(TapedeckError) in
        if folder.description == "80" { throw TapedeckError(.storageFailed) }
      }
      let verifier = fixture.verifier(on: store)
      await #expect(throws: TapedeckError.self) { try await Reconciliation(verifier: verifier).run() }
      #expect(try await fixture.objects() == objects)
      #expect(try await fixture.row(Self.id).damage == nil)
    }
  }
}
