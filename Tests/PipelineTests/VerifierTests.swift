import Catalog
import Foundation
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import Testing

/// Damage is found and named, and other failures are not reported as damage.
@Suite(.timeLimit(.minutes(5)))
struct VerifierTests {
  static let id = "codec-pcm-stereo"
  static let other = "codec-gsm"

  @Test func `an intact archive is left unchanged, and the time of its verification is recorded`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let objects = try await fixture.objects()
      let requests = fixture.requests
      let keys = [try fixture.key(Self.id), try fixture.key(Self.other)]
      let batch = await fixture.verifier.verify(keys, .repair(), parallel: 2, until: .now + .seconds(3600))
      #expect(batch.stop == nil)
      #expect(batch.problems.isEmpty)
      #expect((batch.taken, batch.objects) == (2, 6))
      let parts = [try await fixture.part(Self.id), try await fixture.part(Self.other)]
      #expect(batch.bytes == parts.reduce(0) { $0 + $1.sourceBytes + $1.mp3.bytes + $1.peaks.bytes })
      for id in [Self.id, Self.other] { #expect(try await fixture.row(id).verifiedAt != nil) }
      #expect(try await fixture.objects() == objects)
      #expect(fixture.requests == requests)
      #expect(try await fixture.log(.verify).isEmpty)
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test(arguments: ["folder", "link", "link to nothing"], [FileKind.original, .mp3, .peaks])
  func `something else in the place of a file is named, moved to quarantine and repaired`(
    obstacle: String, kind: FileKind
  ) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let before = try await fixture.part(Self.id)
      let path = fixture.store.location(of: try await fixture.object(kind, of: Self.id))
      let kept = fixture.folder.appending("kept").string
      try FileManager.default.moveItem(atPath: path, toPath: kept)
      switch obstacle {
      case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      case "link": try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: kept)
      default: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "nothing")
      }
      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(seen.findings.map(\.label) == ["damaged"])
      let reason = "\(path) is a \(obstacle == "folder" ? "folder" : "symbolic link")."
      #expect(seen.findings.first?.sentence.hasSuffix(reason) == true)
      #expect(try fixture.files(in: "quarantine").count == 2)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(try await fixture.part(Self.id) == before)
      #expect(FileManager.default.fileExists(atPath: kept))
      try await fixture.expectWhole()
    }
  }

  @Test func `the log names who verified and who had the recording repaired`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let user = Identity(kind: .operator, id: "system-0", name: "root", role: .admin)
      for (id, verifier) in [(Self.id, fixture.verifier), (Self.other, fixture.verifier.acting(for: user))] {
        try DiskFault.missing.strike(try await fixture.object(.mp3, of: id), of: fixture)
        _ = try await verifier.verify(try fixture.key(id), .repair())
        #expect(try await fixture.repaired(id).runState == .done)
      }
      for (id, actor, name) in [(Self.id, nil, "recurring task"), (Self.other, user, "system-0")] {
        let key = try fixture.key(id)
        let found = try #require(try await fixture.log(.verify).first { $0.recording == key })
        #expect(found.actor?.id == actor?.id)
        #expect(found.details["by"] == (actor == nil ? name : nil))
        let repaired = try #require(try await fixture.log(.repair).first { $0.recording == key })
        #expect(repaired.details["by"] == name)
      }
    }
  }

  @Test(arguments: DiskFault.allCases, [FileKind.original, .mp3, .peaks])
  func `each kind of damage to each file is found, named, kept and repaired`(
    fault: DiskFault, kind: FileKind
  ) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let before = try await fixture.part(Self.id)
      let archivedAt = try await fixture.row(Self.id).archivedAt
      let object = try await fixture.object(kind, of: Self.id)
      try fault.strike(object, of: fixture)
      let struck = fault == .missing ? nil : try fixture.bytes(ofObject: object)
      let requests = fixture.requests

      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(seen.verdict == .damaged)
      #expect(seen.findings.map(\.file.kind) == [kind])
      #expect(seen.findings.map(\.label) == [fault == .missing ? "missing" : "damaged"])
      let name = ["original": "original", "mp3": "MP3", "peaks": "waveform"][kind.rawValue]!
      let damage = try #require(try await fixture.row(Self.id).damage?.sentence)
      #expect(damage.hasPrefix("The \(name) is \(fault == .missing ? "missing" : "damaged") (found on 20"))
      let entry = try #require(try await fixture.log(.verify).first)
      #expect(entry.recording == (try fixture.key(Self.id)))
      #expect(entry.code == (fault == .missing ? .objectMissing : .objectDamaged))
      #expect(entry.details["\(kind)_0"]?.hasSuffix(object.rawValue) == true)
      // The damaged file is kept in quarantine with the reason, and no longer in the archive.
      #expect(try await !fixture.objects().contains(object))
      let kept = try fixture.files(in: "quarantine")
      #expect(kept.count == (struck == nil ? 0 : 2))
      if let struck, let file = kept.first(where: { !$0.hasSuffix(".json") }) {
        #expect(try fixture.bytes(of: "quarantine/\(file)") == struck)
        #expect(String(decoding: try fixture.bytes(of: "quarantine/\(file).json"), as: UTF8.self).contains(Self.id))
      }
      // The recording stays in the archive meanwhile.
      #expect(try await fixture.part(Self.id) == before)
      #expect(seen.repair?.isFromOriginal == (kind != .original))

      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(try await fixture.part(Self.id) == before)
      #expect(try await fixture.row(Self.id).archivedAt == archivedAt)
      #expect(try await fixture.row(Self.id).verifiedAt != nil)
      #expect(try await fixture.log(.repair).count == 1)
      #expect(fixture.downloads(of: Self.id) == (kind == .original ? 2 : 1))
      if kind != .original { #expect(fixture.requests == requests, "the original was enough") }
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: struck == nil ? 0 : 1)
    }
  }

  @Test func `a recording that lost all files is downloaded again, and the damage text names each file`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.missing.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      try DiskFault.cut.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      try DiskFault.missing.strike(try await fixture.object(.peaks, of: Self.id), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      let damage = try await fixture.row(Self.id).damage?.sentence
      #expect(
        damage?.hasPrefix("The original is missing, the MP3 is damaged and the waveform is missing (found on") == true)
      try await fixture.repaired(Self.id)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 1)
    }
  }

  @Test func `a verification without repair changes nothing`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.flippedByte.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      let objects = try await fixture.objects()
      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .report)
      #expect(seen.verdict == .damaged)
      #expect(seen.repair == nil)
      #expect(seen.findings.first?.sentence.contains("differs from the archived one") == true)
      #expect(try await fixture.objects() == objects)
      #expect(try await fixture.row(Self.id).damage == nil)
      #expect(try await fixture.row(Self.id).verifiedAt == nil)
      #expect(try await fixture.catalog.job(of: try fixture.key(Self.id))?.runState == .done)
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test func `a recording without known files is damaged, and is downloaded again`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      _ = try await fixture.database.write { db in
        try db.execute(
          "DELETE FROM media_part WHERE recording_id = (SELECT id FROM recording WHERE platform_id = \(Self.id))")
      }
      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(seen.verdict == .damaged)
      #expect(seen.repair?.isFromOriginal == false)
      #expect(try await fixture.row(Self.id).damage?.sentence.hasPrefix("No files are known (found on") == true)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectWhole()
    }
  }

  @Test func `a recording that is not in the archive is reported as such`() async throws {
    try await PipelineFixture.run { fixture in
      let seen = try await fixture.verifier.verify(try fixture.key("never"), .repair())
      #expect(seen.verdict == .notArchived)
    }
  }

  // MARK: An unavailable store

  @Test func `a file that cannot be read is not damaged, and the others are verified`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        if name == object { throw TapedeckError(.storageFailed, detail: "EIO") }
      }
      let keys = [try fixture.key(Self.id), try fixture.key(Self.other)]
      let batch = await fixture.verifier(on: store).verify(keys, .repair(), parallel: 1, until: .now + .seconds(3600))
      #expect(batch.stop == nil)
      #expect(batch.taken == 2)
      #expect(batch.problems.map(\.verdict) == [.unreadable])
      #expect(try await fixture.row(Self.id).damage == nil)
      #expect(try await fixture.row(Self.id).verifiedAt == nil)
      #expect(try await fixture.row(Self.other).verifiedAt != nil)
      #expect(try await fixture.catalog.job(of: try fixture.key(Self.id))?.runState == .done)
      #expect(try fixture.files(in: "quarantine").isEmpty)
    }
  }

  @Test func `a store that cannot be read ends the verification, and nothing is changed`() async throws {
    try await PipelineFixture.run { fixture in
      let ids = ["codec-pcm-mono", "codec-gsm", "codec-alaw-mono", "codec-ulaw-mono", "codec-pcm-stereo"]
      for id in ids { try await fixture.archive(id) }
      var store = InterposedStore(fixture.store)
      store.beforeRead = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed, detail: "EIO") }
      let objects = try await fixture.objects()
      let keys = try ids.map { try fixture.key($0) }
      let batch = await fixture.verifier(on: store).verify(keys, .repair(), parallel: 1, until: .now + .seconds(3600))
      #expect(batch.stop?.code == .storageFailed)
      #expect(batch.stop?.message.contains("Nothing was changed") == true)
      #expect(batch.taken == 3)
      #expect(try await fixture.count("FROM recording WHERE damage IS NOT NULL OR verified_at IS NOT NULL") == 0)
      #expect(try await fixture.count("FROM job WHERE run_state <> 'done'") == 0)
      #expect(try await fixture.objects() == objects)
      try await fixture.expectTidy(archived: 5)
    }
  }

  @Test func `an empty store counts as unavailable, unless the operator insists`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id)
      for object in try await fixture.objects() { try DiskFault.missing.strike(object, of: fixture) }
      let key = try fixture.key(Self.id)
      let batch = await fixture.verifier.verify([key], .repair(), parallel: 1, until: .now)
      #expect(batch.stop?.code == .storageFailed)
      #expect(batch.stop?.message.contains("mounted") == true)
      #expect(try await fixture.row(Self.id).damage == nil)
      await #expect(throws: TapedeckError.self) { try await Reconciliation(verifier: fixture.verifier).run() }
      #expect(try await fixture.catalog.job(of: key)?.runState == .done)

      #expect(try await fixture.verifier.verify(key, .repair(insisting: true)).repair != nil)
      try await fixture.repaired(Self.id)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `files stored in the mount point of an unavailable store do not make it available`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      // The disk is gone, and its mount point is an empty folder.
      for object in try await fixture.objects() { try DiskFault.missing.strike(object, of: fixture) }
      try await fixture.archive("codec-alaw-mono")
      for id in [Self.id, Self.other] {
        let key = try fixture.key(id)
        let error = await #expect(throws: TapedeckError.self) { try await fixture.verifier.verify(key, .repair()) }
        #expect(error?.code == .storageFailed && error?.message.contains("mounted") == true)
        #expect(try await fixture.row(id).damage == nil)
      }
      await #expect(throws: TapedeckError.self) { try await Reconciliation(verifier: fixture.verifier).run() }
      #expect(try await fixture.count("FROM job WHERE run_state <> 'done'") == 0)
    }
  }

  @Test(arguments: [1, 2, 3])
  func `an unavailable store is reported as such, however few recordings are verified`(count: Int) async throws {
    try await PipelineFixture.run { fixture in
      let ids = ["codec-pcm-mono", "codec-gsm", "codec-alaw-mono"]
      for id in ids { try await fixture.archive(id) }
      var store = InterposedStore(fixture.store)
      store.beforeRead = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed, detail: "refused") }
      let keys = try ids.prefix(count).map { try fixture.key($0) }
      let batch = await fixture.verifier(on: store).verify(keys, .repair(), parallel: 1, until: .now + .seconds(3600))
      #expect(batch.stop?.code == .storageFailed)
      #expect(try await fixture.count("FROM recording WHERE damage IS NOT NULL") == 0)
    }
  }

  @Test func `single files that cannot be read do not end the verification`() async throws {
    try await PipelineFixture.run { fixture in
      let ids = ["codec-pcm-mono", "codec-gsm", "codec-alaw-mono", "codec-ulaw-mono", "codec-pcm-stereo"]
      for id in ids { try await fixture.archive(id) }
      let bad = try await fixture.files(of: ids.prefix(3))
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        if bad.contains(name) { throw TapedeckError(.storageFailed, detail: "EIO") }
      }
      let keys = try ids.map { try fixture.key($0) }
      let batch = await fixture.verifier(on: store).verify(keys, .repair(), parallel: 1, until: .now + .seconds(3600))
      #expect(batch.stop == nil)
      #expect(batch.taken == 5)
      #expect(batch.problems.map(\.verdict) == [.unreadable, .unreadable, .unreadable])
      #expect(try await fixture.count("FROM recording WHERE damage IS NOT NULL") == 0)
      #expect(try await fixture.count("FROM recording WHERE verified_at IS NOT NULL") == 2)
    }
  }

  @Test func `damage next to an unreadable file waits until the file can be read`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let peaks = try await fixture.object(.peaks, of: Self.id)
      try DiskFault.cut.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        if name == peaks { throw TapedeckError(.storageFailed) }
      }
      let seen = try await fixture.verifier(on: store).verify(try fixture.key(Self.id), .repair())
      #expect(seen.verdict == .unreadable)
      #expect(seen.repair == nil)
      #expect(try await fixture.row(Self.id).damage == nil)
      #expect(try fixture.files(in: "quarantine").isEmpty)
    }
  }

  // MARK: Concurrency

  @Test func `a file that is repaired between the two checks is left alone`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      let path = fixture.folder.appending("objects").pushing(FilePath(object.rawValue)).string
      let whole = try fixture.bytes(ofObject: object)
      try DiskFault.flippedByte.strike(object, of: fixture)
      let looks = Counter()
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        guard name == object, looks.count() == 2 else { return }
        _ = FileManager.default.createFile(atPath: path, contents: Data(whole))
      }
      let seen = try await fixture.verifier(on: store).verify(try fixture.key(Self.id), .repair())
      #expect(seen.verdict == .whole)
      #expect(try await fixture.row(Self.id).damage == nil)
      #expect(try await fixture.log(.verify).isEmpty)
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test func `a repair that stores its file while the damaged one is quarantined loses its lease and restarts`()
    async throws
  {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      let key = try fixture.key(Self.id)
      let path = fixture.folder.appending("objects").pushing(FilePath(object.rawValue)).string
      let whole = try fixture.bytes(ofObject: object)
      try DiskFault.flippedByte.strike(object, of: fixture)
      // Another process runs the repair, and its file is in place just before the verifier moves the object away.
      let damage = Damage(
        recordingID: try await fixture.row(Self.id).id, key: key, files: [DamagedFile(.mp3, .damaged)],
        code: .objectDamaged,
        hasOriginal: true, details: [:])
      _ = try await fixture.catalog.requestRepair(of: [damage], preempting: false, at: .systemNow(), by: .recurringTask)
      let theirs = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
      var store = InterposedStore(fixture.store)
      store.beforeQuarantine = { _ throws(TapedeckError) in
        _ = FileManager.default.createFile(atPath: path, contents: Data(whole))
      }
      let seen = try await fixture.verifier(on: store).verify(key, .repair())
      #expect(seen.repair?.jobID == theirs.id)
      #expect(try await !fixture.objects().contains(object))
      let lease = JobLease(jobID: theirs.id, fence: theirs.fence)
      await #expect(throws: TapedeckError.self) { try await fixture.catalog.advance(lease, to: .processing) }
      try await fixture.repaired(Self.id)
      try await fixture.expectWhole()
    }
  }

  @Test func `two verifications at once end with one repair`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      for kind in [FileKind.original, .mp3, .peaks] {
        try DiskFault.zeroed.strike(try await fixture.object(kind, of: Self.id), of: fixture)
      }
      let keys = [try fixture.key(Self.id), try fixture.key(Self.other)]
      try await fixture.withWorker {
        // Two nodes that do not know of each other.
        let (one, two) = (fixture.verifier, fixture.verifier)
        async let first = one.verify(keys, .repair(), parallel: 2, until: .now + .seconds(3600))
        async let second = two.verify(keys, .repair(), parallel: 2, until: .now + .seconds(3600))
        let stops = await [first.stop, second.stop].compactMap { $0 }
        #expect(stops.isEmpty, "\(stops)")
        _ = try await fixture.ended(Self.id)
        // The next verification completes whatever the two left.
        try await fixture.verifier.resume()
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectWhole()
      #expect(try await fixture.log(.verify).count <= 2)
    }
  }

  @Test func `playback continues while the damaged file is quarantined and repaired`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      let playing = try await fixture.store.open(object)
      try DiskFault.flippedByte.strike(object, of: fixture)
      let damaged = try fixture.bytes(ofObject: object)
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(try await playing.read(at: 0, limit: 1000).readableBytes == 1000)
      #expect(Array(try await playing.read(at: 1000, limit: 2000).readableBytesView) == Array(damaged[1000..<3000]))
      try await fixture.repaired(Self.id)
      // The next range comes from the intact file.
      let again = try await fixture.store.open(object)
      #expect(
        try await again.read(at: 0, limit: 1 << 20).readableBytes == Int(try await fixture.part(Self.id).mp3.bytes))
      try await fixture.expectWhole()
    }
  }
}
