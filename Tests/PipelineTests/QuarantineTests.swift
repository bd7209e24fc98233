import CXone
import Catalog
import Foundation
import Glibc
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import Pipeline
import SystemPackage
import Testing

/// Files that were refused, and the decisions about them.
@Suite(.timeLimit(.minutes(5)))
struct QuarantineTests {
  private static let user = Identity(kind: .operator, id: "user-1", name: "anna", role: .supervisor)

  private static func options(
    _ bytes: [UInt8], duration: Int? = nil, downloads: Counter = Counter()
  ) -> PipelineFixture.Options {
    var source = HandSource { sink, _ in
      downloads.count()
      try await sink.cut(to: 0)
      try await sink.append(ByteBuffer(bytes: bytes))
      return DownloadState(totalBytes: Int64(bytes.count))
    }
    source.facts = { id in
      var facts = PlatformRecording(id: id, status: .available, privacy: .standard)
      facts.durationSeconds = duration
      return facts
    }
    return PipelineFixture.Options(source: source)
  }

  /// Two seconds of audio, of which the header announces twice as much.
  private static var cut: [UInt8] {
    var bytes = RepairTests.wav(7, seconds: 4)
    bytes.removeLast(32_000)
    return bytes
  }

  private func entry(_ action: LogEntry.Action, _ row: QuarantineRow) -> LogEntry {
    LogEntry(
      at: row.quarantinedAt, action: action, outcome: .allowed, actor: Self.user, recording: row.key,
      details: ["reason": "checked by ear"])
  }

  private func quarantined(_ fixture: PipelineFixture) async throws -> QuarantineRow {
    let rows = try await fixture.catalog.quarantine(visibleTo: .everything, decided: false, limit: 10)
    #expect(rows.count == 1)
    return try #require(rows.first)
  }

  private func fail(_ fixture: PipelineFixture) async throws -> QuarantineRow {
    try await fixture.withWorker {
      try await fixture.request("odd")
      #expect(try await fixture.ended("odd").runState == .failed)
    }
    return try await quarantined(fixture)
  }

  private func finish(_ fixture: PipelineFixture) async throws {
    let job = try await fixture.withWorker { try await fixture.ended("odd") }
    #expect(job.runState == .done)
  }

  private func quarantine(_ fixture: PipelineFixture) -> Quarantine {
    Quarantine(catalog: fixture.catalog, store: fixture.store, spool: fixture.spool)
  }

  private func hasFile(_ row: QuarantineRow, _ fixture: PipelineFixture) -> Bool {
    FileManager.default.fileExists(
      atPath: fixture.spool.quarantine.appending(QuarantineRow.fileName(row.file)).string)
  }

  private func accept(_ row: QuarantineRow, _ fixture: PipelineFixture) async throws {
    _ = try await quarantine(fixture).accept(
      row, reason: "checked by ear", clearance: .standard, by: Self.user.id, entry: entry(.acceptQuarantined, row))
  }

  private func discard(_ row: QuarantineRow, _ fixture: PipelineFixture) async throws {
    try await quarantine(fixture).discard(
      row, reason: "checked by ear", by: Self.user.id, entry: entry(.discardQuarantined, row))
  }

  @Test(arguments: [true, false])
  func `a token that was revoked meanwhile decides nothing`(accepts: Bool) async throws {
    try await PipelineFixture.run(Self.options(Self.cut, duration: 4)) { fixture in
      let row = try await fail(fixture)
      var entry = entry(accepts ? .acceptQuarantined : .discardQuarantined, row)
      entry.actor = Identity(kind: .token, id: "tok_gone", name: "gone", role: .supervisor)
      // A denial has its own time.
      entry.at = Instant(milliseconds: 1000)
      let quarantine = quarantine(fixture)
      await #expect {
        if accepts {
          _ = try await quarantine.accept(row, reason: "x", clearance: .standard, by: "tok_gone", entry: entry)
        } else {
          try await quarantine.discard(row, reason: "x", by: "tok_gone", entry: entry)
        }
      } throws: {
        ($0 as? TapedeckError)?.code == .unauthenticated
      }
      #expect(try await quarantined(fixture).state == .kept)
      #expect(hasFile(row, fixture))
      let denials = try await fixture.log(entry.action)
      #expect(denials.map(\.outcome) == [.denied] && denials.allSatisfy { $0.at >= row.quarantinedAt })
    }
  }

  /// What an actor who may no longer decide must not learn, or finish.
  @Test(arguments: [true, false], [QuarantineRow.State.accepted, .discarded])
  func `a token that was revoked learns nothing about a decided file, and removes none`(
    accepts: Bool, state: QuarantineRow.State
  ) async throws {
    try await PipelineFixture.run(Self.options(Self.cut, duration: 4)) { fixture in
      var row = try await fail(fixture)
      if state == .discarded {
        try await fixture.catalog.discardQuarantined(
          row.id, reason: "x", by: Self.user.id, entry: entry(.discardQuarantined, row))
      }
      row.state = state
      row.spoolID = state == .accepted ? "another" : row.spoolID
      var entry = entry(.listen, row)
      entry.actor = Identity(kind: .token, id: "tok_gone", name: "gone", role: .supervisor)
      let refused = await failure {
        if accepts {
          _ = try await quarantine(fixture).accept(
            row, reason: "x", clearance: .standard, by: "tok_gone", entry: entry)
        } else {
          try await quarantine(fixture).discard(row, reason: "x", by: "tok_gone", entry: entry)
        }
      }
      #expect(refused?.code == .unauthenticated)
      #expect(hasFile(row, fixture))
      #expect(try await fixture.log(.listen).map(\.outcome) == [.denied])
    }
  }

  @Test func `a discarded file that could not be removed is removed by another try, or at the next start`() async throws
  {
    for isStart in [false, true] {
      try await PipelineFixture.run(Self.options(Self.cut, duration: 4)) { fixture in
        let row = try await fail(fixture)
        try await fixture.catalog.discardQuarantined(
          row.id, reason: "x", by: Self.user.id, entry: entry(.discardQuarantined, row))
        #expect(hasFile(row, fixture))
        if isStart {
          try await Recovery(catalog: fixture.catalog, spool: fixture.spool, logger: .silent).run(isAlone: true)
        } else {
          let decided = try await fixture.catalog.quarantine(visibleTo: .everything, decided: true, limit: 10)
          try await discard(try #require(decided.first), fixture)
        }
        #expect(!hasFile(row, fixture))
      }
    }
  }

  @Test func `an accepted file is archived as it is, without another download`() async throws {
    let downloads = Counter()
    try await PipelineFixture.run(Self.options(Self.cut, duration: 4, downloads: downloads)) { fixture in
      let row = try await fail(fixture)
      #expect(row.code == .incompleteRecording)
      #expect(row.content.bytes == Int64(Self.cut.count))
      #expect(row.platformSeconds == 4)
      #expect(downloads.value == 2)
      try await accept(row, fixture)
      try await finish(fixture)
      #expect(downloads.value == 2)
      let part = try await fixture.part("odd")
      #expect(part.sourceHash == row.content.hash)
      #expect(part.duration == .seconds(2))
      #expect(try fixture.bytes(ofObject: try #require(part.original)) == Self.cut)
      let warning = try await fixture.row("odd").warning
      #expect(warning?.contains("accepted by a user") == true)
      #expect(warning?.contains("cut short") == true)
      #expect(try await fixture.log(.acceptQuarantined).first?.details["reason"] == "checked by ear")
      let decided = try await fixture.catalog.quarantined(row.id, visibleTo: .everything)
      #expect(decided.state == .accepted)
      #expect(decided.decision == "checked by ear")
      #expect(decided.decidedBy == Self.user.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a discarded file is removed`() async throws {
    try await PipelineFixture.run(Self.options(Self.cut)) { fixture in
      let row = try await fail(fixture)
      try await discard(row, fixture)
      try await fixture.expectTidy(archived: 0)
      #expect(try await fixture.catalog.quarantined(row.id, visibleTo: .everything).state == .discarded)
      #expect(try await fixture.log(.discardQuarantined).count == 1)
      for decide in [accept, discard] {
        let error = await #expect(throws: TapedeckError.self) {
          try await decide(try await fixture.catalog.quarantined(row.id, visibleTo: .everything), fixture)
        }
        #expect(error?.code == .jobEnded)
      }
    }
  }

  /// Two seconds of audio in a codec that FFmpeg does not know.
  private static var unknownCodec: [UInt8] {
    var bytes = RepairTests.wav(7)
    bytes.replaceSubrange(20..<22, with: [0x34, 0x12])
    return bytes
  }

  @Test(arguments: [1, 3])
  func `an accepted file that cannot be converted is in quarantine once`(requests: Int) async throws {
    try await PipelineFixture.run(Self.options(Self.unknownCodec)) { fixture in
      let row = try await fail(fixture)
      for _ in 0..<requests {
        try await accept(try await quarantined(fixture), fixture)
        let job = try await fixture.withWorker { try await fixture.ended("odd") }
        #expect(job.failure?.code == .unsupportedAudio)
        for _ in 0..<2 {
          let open = try await quarantined(fixture)
          #expect(open.id == row.id && open.state == .kept && open.content == row.content)
          #expect(try await fixture.catalog.quarantine(visibleTo: .everything, decided: true, limit: 10).count == 1)
          // The copy in the object store is removed after its grace period.
          try await fixture.expectTidy(archived: 0, quarantined: 1)
          #expect(try await fixture.count("FROM object_removal") == 1)
          _ = try await fail(fixture)
        }
      }
      #expect(try await fixture.log(.acceptQuarantined).count == requests)
      try await discard(try await quarantined(fixture), fixture)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test(arguments: [false, true])
  func `bytes whose move to quarantine fails are moved there when the job continues`(isReopened: Bool) async throws {
    let downloads = Counter()
    let options = Self.options(isReopened ? Self.unknownCodec : Self.cut, downloads: downloads)
    try await PipelineFixture.run(options) { fixture in
      let accepted = isReopened ? try await fail(fixture) : nil
      if let accepted { try await accept(accepted, fixture) }
      let code = accepted?.code ?? .incompleteRecording
      // After the row is committed, the file cannot be moved.
      let folder = fixture.spool.quarantine.string
      try FileManager.default.removeItem(atPath: folder)
      try Data().write(to: URL(filePath: folder))
      try await fixture.withWorker {
        if !isReopened { try await fixture.request("odd") }
        _ = try await fixture.job("odd") { $0.runState == .waiting && $0.failure?.code == .storageFailed }
        #expect(try await quarantined(fixture).state == .kept)
        try FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        _ = try await fixture.database.write { db in try db.execute("UPDATE job SET due_at = 0") }
        try await fixture.wakeWorkers()
        // Bytes whose acceptance ended are checked like any others.
        #expect(try await fixture.ended("odd").failure?.code == code)
      }
      if !isReopened { #expect(downloads.value == 2, "The bytes were in the spool.") }
      try await fixture.expectTidy(archived: 0, quarantined: 1)
      let row = try await quarantined(fixture)
      #expect(try fixture.bytes(of: "quarantine/\(row.file).bin").count == Int(row.content.bytes))
      try await accept(row, fixture)
    }
  }

  @Test(arguments: [["bin"], ["bin", "json"]])
  func `a quarantined file that is missing returns with the same bytes`(missing: [String]) async throws {
    try await PipelineFixture.run(Self.options(Self.cut)) { fixture in
      let row = try await fail(fixture)
      for ending in missing {
        try FileManager.default.removeItem(atPath: fixture.spool.quarantine.appending("\(row.file).\(ending)").string)
      }
      let again = try await fail(fixture)
      #expect(again.id == row.id && again.file == row.file)
      try await fixture.expectTidy(archived: 0, quarantined: 1)
      try await accept(again, fixture)
      try await finish(fixture)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a file is not accepted while a job works on the recording, or when it has changed`() async throws {
    try await PipelineFixture.run(Self.options(Self.cut)) { fixture in
      let row = try await fail(fixture)
      var other = row
      other.spoolID = "another"
      let elsewhere = await #expect(throws: TapedeckError.self) { try await accept(other, fixture) }
      #expect(elsewhere?.code == .notFound)
      other = row
      other.content.bytes += 1
      let changed = await #expect(throws: TapedeckError.self) { try await accept(other, fixture) }
      #expect(changed?.code == .objectDamaged)
      try await fixture.request("odd")
      let busy = await #expect(throws: TapedeckError.self) { try await accept(row, fixture) }
      #expect(busy?.code == .alreadyExists)
      // The file is still in quarantine, and nothing is decided.
      #expect(try fixture.files(in: "quarantine").count == 2)
      #expect(try await quarantined(fixture).state == .kept)
    }
  }

  @Test(arguments: ["pipe", "link", "folder"])
  func `something else in the place of a quarantined file is not opened`(kind: String) async throws {
    try await PipelineFixture.run(Self.options(Self.cut)) { fixture in
      let row = try await fail(fixture)
      let path = fixture.spool.quarantine.appending(QuarantineRow.fileName(row.file)).string
      try FileManager.default.moveItem(atPath: path, toPath: "\(path).moved")
      switch kind {
      case "pipe": #expect(mkfifo(path, 0o600) == 0)
      case "link": try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(path).moved")
      default: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      }
      let error = await #expect(throws: TapedeckError.self) { try await accept(row, fixture) }
      #expect(error?.code == .notFound)
      #expect(try await quarantined(fixture).state == .kept)
    }
  }

  static let unsupported: [(rate: UInt32, seconds: Int?)] = [(1, 2), (3999, nil), (192_001, 0), (268_451_456, 1)]

  @Test(arguments: unsupported) func `an unsupported sample rate is rejected with one download`(
    rate: UInt32, seconds: Int?
  ) async throws {
    var bytes = RepairTests.wav(7)
    bytes.replaceSubrange(24..<28, with: (0..<4).map { UInt8(truncatingIfNeeded: rate >> ($0 * 8)) })
    let downloads = Counter()
    try await PipelineFixture.run(Self.options(bytes, duration: seconds, downloads: downloads)) { fixture in
      let row = try await fail(fixture)
      #expect(row.code == .unsupportedAudio)
      #expect(downloads.value == 1)
      let error = await #expect(throws: TapedeckError.self) { try await accept(row, fixture) }
      #expect(error?.code == .unsupportedAudio)
    }
  }

  @Test(arguments: [(700, 2, false), (700, 0, true), (600, 2, true), (640, 4, true)])
  func `a recording that is much longer than the platform says is rejected with one download`(
    audio: Int, platform: Int, passes: Bool
  ) async throws {
    let downloads = Counter()
    let options = Self.options(RepairTests.wav(7, seconds: audio), duration: platform, downloads: downloads)
    try await PipelineFixture.run(options) { fixture in
      if passes { return try await fixture.archive("odd") }
      let row = try await fail(fixture)
      #expect(row.code == .unsupportedAudio)
      #expect(downloads.value == 1)
      // A user may accept it.
      try await accept(row, fixture)
      try await finish(fixture)
    }
  }

  @Test func `another node names the node that has the file`() async throws {
    try await PipelineFixture.run(Self.options(Self.cut, duration: 4)) { fixture in
      let row = try await fail(fixture)
      #expect(row.node.hasSuffix(":\(fixture.spool.quarantine)"))
      let folder = FilePath(NSTemporaryDirectory()).appending("other-node-\(UUID().uuidString)")
      let other = try Spool(
        folder: folder.appending("spool"), quarantine: folder.appending("quarantine"), threads: .singleton)
      defer { try? FileManager.default.removeItem(atPath: folder.string) }
      let elsewhere = Quarantine(catalog: fixture.catalog, store: fixture.store, spool: other)
      let accepting = await failure {
        _ = try await elsewhere.accept(
          row, reason: "checked", clearance: .standard, by: Self.user.id, entry: entry(.acceptQuarantined, row))
      }
      let discarding = await failure {
        try await elsewhere.discard(
          row, reason: "checked", by: Self.user.id, entry: entry(.discardQuarantined, row))
      }
      for error in [accepting, discarding] {
        #expect(error?.code == .notFound && error?.message.contains("it is in \(row.node).") == true)
      }
      // Nothing was decided.
      #expect(try await quarantined(fixture).state == .kept)
    }
  }

  private func failure(_ body: () async throws -> Void) async -> TapedeckError? {
    do { try await body() } catch { return error as? TapedeckError }
    return nil
  }
}
