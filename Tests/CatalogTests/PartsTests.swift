import Catalog
import Model
import TestKit
import Testing

/// Recordings with several parts in the catalog.
@Suite(.serialized) struct PartsTests {
  /// An archive with two parts, and a third one that is missing.
  private func archive(_ test: TestCatalog) throws -> Archive {
    var archive = try test.archive()
    var second = archive.parts[0]
    second.part = 1
    second.offset = .milliseconds(90_432)
    second.facts = PartFacts(
      1, startTime: test.clock.now, lanes: [MediaLane(channel: 0, speaker: .customer)],
      stages: [MediaStage(.hold, start: .seconds(80), end: .seconds(100))])
    archive.parts.append(second)
    archive.joined = JoinedMedia(
      mp3: .init(name: TestCatalog.object("cd", .mp3), hash: TestCatalog.hash("cd"), bytes: 5),
      peaks: .init(name: TestCatalog.object("cd", .peaks), hash: TestCatalog.hash("cd"), bytes: 6))
    archive.missing = [PartFacts(2)]
    return archive
  }

  private func commit(_ archive: Archive, _ test: TestCatalog) async throws {
    try await test.insertObjects("cd")
    let (_, lease) = try await test.jobInProcessing()
    try await test.catalog.archive(archive, lease: lease)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `parts and the files of the whole are stored, and a partial recording is counted`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let archive = try archive(test)
    try await commit(archive, test)
    let (recording, parts) = try #require(try await test.catalog.archived(try key("call-1")))
    #expect(parts == archive.parts)
    #expect(recording.joined == archive.joined)
    #expect(recording.isPartial && recording.missingParts == [PartFacts(2)])
    #expect(recording.audioDuration == .milliseconds(90_432 + 90_250))
    #expect(try await test.catalog.partialCount() == 1)
    // The hold goes on to the end of the part.
    #expect(parts[1].stages == [MediaStage(.hold, start: .milliseconds(170_432), end: parts[1].end)])
    let mp3 = TestCatalog.object("cd", .mp3)
    #expect(try await test.catalog.recordings(referringTo: [mp3]).map(\.recording.key) == [recording.key])
    let known = try await test.catalog.knownObjects(inFolder: "cd")
    #expect(Set(known.referenced.keys) == Set(archive.joined?.objects ?? []))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the files of the whole are removed when a repair leaves one part`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let archive = try archive(test)
    try await commit(archive, test)
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET run_state = 'failed', stage = 'processing'")
    }
    let (_, lease) = try await test.jobInProcessing()
    var single = try test.archive()
    single.message = nil
    try await test.catalog.archive(single, lease: lease)
    let (recording, parts) = try #require(try await test.catalog.archived(try key("call-1")))
    #expect(parts == single.parts && recording.joined == nil && !recording.isPartial)
    #expect(try await test.catalog.partialCount() == 0)
    let removed = try await test.database.read { db in
      try db.rows("SELECT name FROM object_removal ORDER BY name").map { try $0.text("name") }
    }
    #expect(Set(removed) == Set((archive.joined?.objects ?? []).map(\.rawValue)))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a job keeps which media the platform named`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (job, lease) = try await test.jobInProcessing()
    #expect(job.media == nil)
    let media = PlannedMedia(parts: [PartFacts(0), PartFacts(1)], missing: [PartFacts(2)])
    try await test.catalog.recordMedia(media, of: lease)
    #expect(try await test.catalog.job(job.id)?.media == media)
    let lost = JobLease(jobID: lease.jobID, fence: lease.fence - 1)
    #expect(await failure(of: { try await test.catalog.recordMedia(media, of: lost) }) == .leaseLost)
  }
}
