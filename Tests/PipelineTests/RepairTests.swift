import CXone
import Catalog
import Foundation
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Sandbox
import Synchronization
import Testing

/// How a damaged recording is repaired, and what is reported when the repair fails.
@Suite(.timeLimit(.minutes(5)))
struct RepairTests {
  static let id = "codec-pcm-mono"
  static let other = "codec-gsm"

  static func wav(_ value: UInt8, seconds: Int = 2) -> [UInt8] {
    let format = WAVFormat(.pcm16, channels: 1)
    return format.header(dataBytes: seconds * 16_000) + [UInt8](repeating: value, count: seconds * 16_000)
  }

  @Test func `a recording that the platform no longer has keeps its other files and the reason`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.cut.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      fixture.tenant.faults.add(FaultRule(.gone))
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      let job = try await fixture.repaired(Self.id)
      #expect(job.failure?.code == .unknownRecording)
      let row = try await fixture.row(Self.id)
      #expect(row.archivedAt != nil)
      let damage = try #require(row.damage?.sentence)
      #expect(damage.hasPrefix("The original is damaged (found on "))
      #expect(damage.hasSuffix(" The recording could not be repaired: the platform no longer has the recording."))
      // The MP3 still plays.
      let mp3 = try await fixture.part(Self.id).mp3.name
      #expect(try await fixture.store.open(mp3).bytes > 0)

      // It is not requested again, and still counts as damaged although the file is in quarantine.
      try await fixture.verifier.resume()
      #expect(try await fixture.catalog.job(of: try fixture.key(Self.id))?.runState == .failed)
      // The next verification tries once more, with the same result.
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(try await fixture.repaired(Self.id).runState == .failed)
      #expect(try await fixture.row(Self.id).damage?.sentence == damage)
      #expect(try await fixture.log(.verify).count == 1)

      // The platform has it again.
      fixture.tenant.faults.clear()
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectWhole()
    }
  }

  private func verifierWithoutSource(_ fixture: PipelineFixture) -> Verifier {
    Verifier(
      catalog: fixture.catalog, store: fixture.store, served: [], system: fixture.system, logger: fixture.logger)
  }

  @Test(arguments: [FileKind.mp3, .peaks])
  func `a recording of a source that was removed is repaired from its original`(kind: FileKind) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.missing.strike(try await fixture.object(kind, of: Self.id), of: fixture)
      let seen = try await verifierWithoutSource(fixture).verify(try fixture.key(Self.id), .repair())
      #expect(seen.repair?.isFromOriginal == true && seen.refusal == nil)
      let downloads = fixture.downloads(of: Self.id)
      let worker = Worker(ingest: fixture.ingest(on: fixture.database, hasSource: false))
      let job = try await fixture.with(worker) { try await fixture.ended(Self.id) }
      #expect(job.runState == .done)
      #expect(fixture.downloads(of: Self.id) == downloads)
      try await fixture.expectWhole()
    }
  }

  @Test func `damage that needs a source that was removed is refused at once, with the reason`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.cut.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      let key = try fixture.key(Self.id)
      let verifier = verifierWithoutSource(fixture)
      for _ in 1...2 {
        let seen = try await verifier.verify(key, .repair())
        #expect(seen.repair == nil)
        #expect(seen.refusal?.message.hasPrefix("Its source 'default' is not in the settings.") == true)
        let damage = try #require(try await fixture.row(Self.id).damage).sentence
        #expect(damage.hasPrefix("The original is damaged (found on "))
        #expect(damage.contains(" The recording could not be repaired: its source 'default' is not in the settings."))
        #expect(damage.components(separatedBy: "could not be repaired").count == 2)
      }
      #expect(try await fixture.catalog.job(of: key)?.runState == .done)
      #expect(try await fixture.log(.verify).count == 1)

      // The source is in the settings again.
      _ = try await fixture.verifier.verify(key, .repair())
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectWhole()
    }
  }

  @Test func `a repair of a removed source whose original is damaged meanwhile fails with the reason`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      _ = try await verifierWithoutSource(fixture).verify(try fixture.key(Self.id), .repair())
      try DiskFault.cut.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      let worker = Worker(ingest: fixture.ingest(on: fixture.database, hasSource: false))
      let job = try await fixture.with(worker) { try await fixture.ended(Self.id) }
      #expect(job.failure?.code == .configurationInvalid)
      let damage = try await fixture.row(Self.id).damage?.sentence
      #expect(damage?.contains("could not be repaired: its source 'default' is not in the settings.") == true)
    }
  }

  @Test func `a repair that failed for a temporary reason is retried`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.missing.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      fixture.tenant.faults.add(FaultRule(.serverError))
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(try await fixture.repaired(Self.id).failure?.code == .platformUnavailable)
      let damage = try await fixture.row(Self.id).damage?.sentence
      #expect(damage?.contains("could not be repaired: The platform is unavailable") == true)
      fixture.tenant.faults.clear()
      try await fixture.verifier.resume()
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectWhole()
    }
  }

  @Test func `a platform file that differs from the archived one is accepted, and both hashes are reported`()
    async throws
  {
    let sent = Mutex(Self.wav(0))
    var options = PipelineFixture.Options()
    options.settings.announces = true
    options.source = HandSource { sink, _ in
      let wav = sent.withLock { $0 }
      try await sink.append(ByteBuffer(bytes: wav))
      return DownloadState(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.archive("changed", "other")
      let before = try await fixture.part("changed")
      let archivedAt = try #require(try await fixture.row("changed").archivedAt)
      sent.withLock { $0 = Self.wav(3, seconds: 3) }
      try DiskFault.flippedByte.strike(try await fixture.object(.original, of: "changed"), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key("changed"), .repair())
      #expect(try await fixture.repaired("changed").runState == .done)
      let after = try await fixture.part("changed")
      #expect(after.sourceHash.rawValue == sha256(Self.wav(3, seconds: 3)))
      let row = try await fixture.row("changed")
      #expect(row.damage == nil)
      #expect(try #require(row.archivedAt) > archivedAt)
      let warning = try #require(row.warning)
      #expect(warning.contains(before.sourceHash.rawValue) && warning.contains(after.sourceHash.rawValue))
      let entry = try #require(try await fixture.log(.repair).first)
      #expect(entry.details["previous_sha256"] == before.sourceHash.rawValue)
      #expect(entry.details["sha256"] == after.sourceHash.rawValue)
      // The damaged bytes are kept for comparison, and the receiver is notified of the new ones.
      #expect(try fixture.files(in: "quarantine").count == 2)
      #expect(try await fixture.count("FROM webhook_message WHERE body LIKE '%\"changed\"%'") == 2)

      // A later repair of the same file keeps reporting both hashes.
      try DiskFault.cut.strike(after.mp3.name, of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key("changed"), .repair())
      try await fixture.repaired("changed")
      #expect(try await fixture.row("changed").warning == warning)
    }
  }

  @Test func `intact files are kept, and the receiver is not notified again`() async throws {
    var options = PipelineFixture.Options()
    options.settings.announces = true
    try await PipelineFixture.run(options) { fixture in
      try await fixture.archive(Self.id, Self.other)
      let mp3 = try await fixture.object(.mp3, of: Self.id)
      let stored = try await storedAt(mp3, fixture)
      try DiskFault.missing.strike(try await fixture.object(.peaks, of: Self.id), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      try await fixture.repaired(Self.id)
      #expect(try await storedAt(mp3, fixture) == stored)
      #expect(try await fixture.count("FROM webhook_message") == 2)
      try await fixture.expectWhole()
    }
  }

  private func storedAt(_ object: ObjectName, _ fixture: PipelineFixture) async throws -> Instant {
    try #require(try await fixture.store.objects(in: object.folder).first { $0.name == object }).changedAt
  }

  @Test func `without an original the recording is downloaded again, and still none is kept`() async throws {
    var options = PipelineFixture.Options()
    options.settings.keepsOriginals = false
    try await PipelineFixture.run(options) { fixture in
      try await fixture.archive(Self.id, Self.other)
      let before = try await fixture.part(Self.id)
      try DiskFault.flippedByte.strike(before.mp3.name, of: fixture)
      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(seen.repair?.isFromOriginal == false)
      try await fixture.repaired(Self.id)
      #expect(fixture.downloads(of: Self.id) == 2)
      #expect(try await fixture.part(Self.id) == before)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 1)
    }
  }

  @Test func `a repair keeps an original that was kept before, whatever the setting is now`() async throws {
    let bytes = Self.wav(9)
    let source = HandSource(bytes: bytes)
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
      try await fixture.archive("kept", "other")
      let before = try await fixture.part("kept")
      try DiskFault.zeroed.strike(before.peaks.name, of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key("kept"), .repair())
      var settings = IngestSettings(retry: .prompt)
      settings.keepsOriginals = false
      let job = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
      #expect(try await fixture.ingest(on: fixture.database, settings).run(job) == nil)
      #expect(try await fixture.part("kept").original == before.original)
    }
  }

  @Test func `an original found damaged during the repair is quarantined, and the recording is downloaded again`()
    async throws
  {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      let seen = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      #expect(seen.repair?.isFromOriginal == true)
      try DiskFault.flippedByte.strike(try await fixture.object(.original, of: Self.id), of: fixture)
      #expect(try await fixture.repaired(Self.id).runState == .done)
      #expect(fixture.downloads(of: Self.id) == 2)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 1)
    }
  }

  @Test func `recordings with equal files are all marked and all repaired`() async throws {
    let bytes = Self.wav(5)
    let source = HandSource(bytes: bytes)
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
      try await fixture.archive("one", "two", "three")
      #expect(try await fixture.objects().count == 3)
      try DiskFault.flippedByte.strike(try await fixture.object(.mp3, of: "one"), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key("two"), .repair())
      for id in ["one", "two", "three"] {
        #expect(try await fixture.row(id).damage?.sentence.hasPrefix("The MP3 is damaged (found on") == true)
      }
      try await fixture.withWorker {
        for id in ["one", "two", "three"] {
          let job = try await fixture.ended(id)
          #expect(job.runState == .done)
        }
      }
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 3, quarantined: 1)
    }
  }

  @Test func `a restricted recording is repaired and stays restricted`() async throws {
    try await PipelineFixture.run { fixture in
      let id = FixedRecordings.restricted
      try await fixture.archive(id, Self.other)
      for kind in [FileKind.original, .peaks] {
        try DiskFault.missing.strike(try await fixture.object(kind, of: id), of: fixture)
      }
      _ = try await fixture.verifier.verify(try fixture.key(id), .repair())
      #expect(try await fixture.repaired(id).runState == .done)
      #expect(try await fixture.row(id).facts.privacy == .restricted)
      try await fixture.expectWhole()
    }
  }

  @Test func `a deleted job is created again`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      _ = try await fixture.database.write { db in try db.execute("DELETE FROM job") }
      try DiskFault.cut.strike(try await fixture.object(.mp3, of: Self.id), of: fixture)
      _ = try await fixture.verifier.verify(try fixture.key(Self.id), .repair())
      try await fixture.repaired(Self.id)
      try await fixture.expectWhole()
    }
  }

  /// Where a process crashes during a repair.
  enum Death: CaseIterable, Sendable { case afterMark, afterQuarantine, afterRequest, duringRepair }

  @Test(arguments: Death.allCases)
  func `a repair that was interrupted by a crash is finished by the next process`(death: Death) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let object = try await fixture.object(.mp3, of: Self.id)
      let key = try fixture.key(Self.id)
      try DiskFault.flippedByte.strike(object, of: fixture)
      let damage = Damage(
        recordingID: try await fixture.row(Self.id).id, key: key, files: [DamagedFile(.mp3, .damaged)],
        code: .objectDamaged,
        hasOriginal: true, details: [:])
      try await fixture.catalog.recordDamage([damage], at: .systemNow(), by: .recurringTask)
      if death != .afterMark {
        try await fixture.store.quarantine(object, because: "The test.")
      }
      if death == .afterRequest || death == .duringRepair {
        _ = try await fixture.catalog.requestRepair(
          of: [damage], preempting: true, at: .systemNow(), by: .recurringTask)
      }
      if death == .duringRepair {
        let job = try #require(try await fixture.catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first)
        let lease = JobLease(jobID: job.id, fence: job.fence)
        let part = try await fixture.spool.open(lease, part: 0) { _ in 0 }
        try await part.append(ByteBuffer(bytes: [1, 2, 3]))
      }
      try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
      try await fixture.verifier.resume()
      #expect(try await fixture.repaired(Self.id).runState == .done)
      try await fixture.expectWhole()
      try await fixture.expectTidy(archived: 2, quarantined: 1)
      #expect(try await fixture.log(.verify).count == 1)
      #expect(fixture.downloads(of: Self.id) == 1)
    }
  }

  @Test func `damage that has disappeared is no longer reported`() async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.archive(Self.id, Self.other)
      let damage = Damage(
        recordingID: try await fixture.row(Self.id).id, key: try fixture.key(Self.id),
        files: [DamagedFile(.mp3, .missing)],
        code: .objectMissing, hasOriginal: true, details: [:])
      try await fixture.catalog.recordDamage([damage], at: .systemNow(), by: .recurringTask)
      try await fixture.verifier.resume()
      #expect(try await fixture.row(Self.id).damage == nil)
      #expect(try await fixture.catalog.job(of: try fixture.key(Self.id))?.runState == .done)
    }
  }
}
