import Catalog
import Foundation
import Model
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing

/// Catalog and objects are brought together again, from both sides.
@Suite(.timeLimit(.minutes(5)))
struct ReconciliationTests {
  static let id = "codec-pcm-mono"
  static let other = "codec-gsm"

  private func plant(_ digit: Character, in fixture: PipelineFixture) async throws -> ObjectKey {
    let key = try #require(ObjectKey(sha256: String(repeating: digit, count: 64), kind: .mp3))
    let file = fixture.folder.appending("planted")
    _ = FileManager.default.createFile(atPath: file.string, contents: Data("stray".utf8))
    try await fixture.store.store(file, as: key, bytes: 5)
    return key
  }

  @Test func `objects without a row go to quarantine, rows without an object are repaired, the rest stays`()
    async throws
  {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let known = try await fixture.objects()
      let strays = [try await plant("0", in: fixture), try await plant("f", in: fixture)]
      try DiskFault.missing.strike(try await fixture.object(.peaks, of: Self.id), of: fixture)
      try DiskFault.cut.strike(try await fixture.object(.original, of: Self.other), of: fixture)
      let report = try await Reconciliation(verifier: fixture.verifier).run()
      #expect(Set(report.strays.map(\.object.key)) == Set(strays))
      #expect(report.strays.allSatisfy { $0.isMoved })
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
      #expect(again.strays.isEmpty && again.damaged.isEmpty)
      #expect(again.objects == 6)
    }
  }

  @Test func `whoever only looks moves nothing`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let stray = try await plant("5", in: fixture)
      let report = try await Reconciliation(verifier: fixture.verifier).run([stray.folder], .look)
      #expect(report.strays.map(\.isMoved) == [false])
      #expect(try await fixture.objects().contains(stray.description))
    }
  }

  @Test func `a young object may be of an ingest that is storing, an old one may not`() async throws {
    let clock = TestClock(now: .systemNow())
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      try await fixture.archive(Self.id)
      let stray = try await plant("5", in: fixture)
      let reconciliation = Reconciliation(verifier: fixture.verifier)
      let job = try await fixture.claim(Self.other)
      let lease = JobLease(jobID: job.id, fence: job.fence)
      try await fixture.catalog.advance(lease, to: .processing)
      #expect(try await reconciliation.run([stray.folder]).strays.isEmpty)
      clock.advance(by: .seconds(86_400))
      #expect(try await reconciliation.run([stray.folder]).strays.map(\.object.key) == [stray])
      clock.advance(by: .seconds(1))
      let second = try await plant("5", in: fixture)
      try await fixture.catalog.release(lease, .interrupted)
      #expect(try await reconciliation.run([second.folder]).strays.map(\.object.key) == [second])
    }
  }

  @Test func `a row that comes while its object is moved away has it made again`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      let key = try #require(ObjectKey(object))
      // As if an ingest of the same content committed at this moment.
      let unknown = String(repeating: "9", count: 64)
      _ = try await fixture.database.write { db in
        try db.execute("UPDATE media_part SET mp3_key = \("99/\(unknown).mp3") WHERE mp3_key = \(object)")
      }
      var store = InterposedStore(fixture.store)
      let database = fixture.database
      store.beforeQuarantine = { moved throws(TapedeckError) in
        guard moved == key else { return }
        _ = try await database.write { db in
          try db.execute("UPDATE media_part SET mp3_key = \(object) WHERE mp3_key = \("99/\(unknown).mp3")")
        }
      }
      let report = try await Reconciliation(verifier: fixture.verifier(on: store)).run([key.folder])
      #expect(report.strays.map(\.object.key) == [key])
      #expect(try await fixture.row(Self.id).damage != nil)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectWhole()
    }
  }

  @Test func `objects of a catalog that was lost are left alone`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      let objects = try await fixture.objects()
      _ = try await fixture.database.write { db in
        for table in ["media_part", "webhook_message", "recording"] {
          try db.execute(SQL(stringLiteral: "DELETE FROM \(table)"))
        }
      }
      #expect(try await Reconciliation(verifier: fixture.verifier).run().strays.isEmpty)
      #expect(try await fixture.objects() == objects)
    }
  }

  @Test func `a store that cannot be listed ends it, and nothing is changed`() async throws {
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
