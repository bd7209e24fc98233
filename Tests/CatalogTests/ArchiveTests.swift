import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct ArchiveTests {
  @Test(arguments: DatabaseKind.allCases)
  func `a recording is added to the catalog, the log and the outbox, and its job ends`(kind: DatabaseKind) async throws
  {
    let test = try await TestCatalog(kind)
    let (job, lease) = try await test.jobInProcessing()
    let entries = try await test.count("log_entry")
    test.clock.advance(by: .seconds(7))
    var archive = try test.archive()
    archive.availableAt = test.clock.now + .seconds(-5)
    try await test.catalog.archive(archive, lease: lease)

    let (recording, parts) = try #require(try await test.catalog.archived(try key("call-1")))
    #expect(parts == archive.parts)
    #expect(recording.archivedAt == test.clock.now)
    #expect(recording.audioDuration == .milliseconds(90_250))
    #expect(recording.warning == "It is unusual.")
    #expect(recording.facts == archive.facts)
    let ended = try #require(try await test.catalog.job(job.id))
    #expect((ended.stage, ended.runState, ended.endedAt, ended.dueAt) == (.ready, .done, test.clock.now, nil))
    #expect(try await test.catalog.steps(of: job.id) == archive.steps)
    #expect(try await test.count("log_entry") == entries + 1)
    #expect(try await test.catalog.claimMessages(limit: 9, lease: .seconds(30)).map(\.id) == ["msg_call-1"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a failure of any statement rolls everything back`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    let archive = try test.archive()
    let before = try await test.everything()
    var statements = 0
    while true {
      test.database.fail(afterStatements: statements)
      guard await failure(of: { try await test.catalog.archive(archive, lease: lease) }) == .diskFull else { break }
      test.database.fail(afterStatements: nil)
      #expect(try await test.everything() == before, "after \(statements) statements")
      #expect(try await test.catalog.job(of: try key("call-1"))?.runState == .leased)
      statements += 1
    }
    // Job, recording, part, step, entry, detail and message at the least.
    #expect(statements >= 7)
    #expect(try await test.catalog.archived(try key("call-1"))?.parts == archive.parts)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a recording that is archived again has the latest files`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET run_state = 'failed', stage = 'processing'")
    }
    let (_, lease) = try await test.jobInProcessing()
    var archive = try test.archive()
    archive.parts[0].original = nil
    archive.message = nil
    try await test.catalog.archive(archive, lease: lease)
    #expect(try await test.catalog.archived(try key("call-1"))?.parts == archive.parts)
    #expect(try await test.count("recording") == 1)
    #expect(try await test.count("webhook_message") == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a recording that is not archived has no files`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await test.catalog.archived(try key("call-1")) == nil)
    try await test.catalog.observe(test.facts("call-1"), of: try key("call-1"))
    let (recording, parts) = try #require(try await test.catalog.archived(try key("call-1")))
    #expect(recording.archivedAt == nil && parts.isEmpty)
  }

  // MARK: Facts of the platform

  @Test(arguments: DatabaseKind.allCases)
  func `all facts of the platform are stored and read back`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    var facts = test.facts("odd id/%")
    facts.startTime = Instant(milliseconds: 5)
    facts.endTime = Instant(milliseconds: 6)
    facts.durationSeconds = 7
    facts.direction = .outbound
    facts.agentID = "ag-1"
    facts.agentName = "Anna O'Neill"
    facts.teamID = "t"
    facts.skillID = "s"
    facts.skillName = "Sales"
    facts.campaignID = "c"
    facts.campaignName = "Winter"
    facts.fromAddress = "+44 20"
    facts.toAddress = "+49 30"
    facts.contactID = "k"
    facts.disposition = "sold"
    facts.mediaType = "voice"
    facts.json = "{\"unknown\":[1,\"ü\"]}"
    let key = RecordingKey(source: try #require(SourceID("eu")), id: facts.id)
    let row = try await test.catalog.observe(facts, of: key)
    #expect(row.facts == facts)
    #expect(row.key == key)
    #expect(row.firstSeenAt == test.clock.now)
    #expect(row.sortedAt == Instant(milliseconds: 5))
    facts.agentName = nil
    facts.startTime = nil
    test.clock.advance(by: .seconds(1))
    let again = try await test.catalog.observe(facts, of: key)
    #expect(again.facts == facts)
    #expect(again.id == row.id)
    #expect(again.firstSeenAt == row.firstSeenAt)
    #expect(again.sortedAt == row.firstSeenAt)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the first time of availability is kept`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let key = try key("call-1")
    #expect(try await test.catalog.observe(test.facts("call-1", status: .processing), of: key).availableAt == nil)
    test.clock.advance(by: .seconds(5))
    let at = test.clock.now
    #expect(try await test.catalog.observe(test.facts("call-1"), of: key).availableAt == at)
    test.clock.advance(by: .seconds(5))
    #expect(try await test.catalog.observe(test.facts("call-1"), of: key).availableAt == at)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `privacy only becomes stricter, and a change is logged`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let key = try key("call-1")
    func observe(_ privacy: Privacy) async throws -> Privacy {
      try await test.catalog.observe(test.facts("call-1", privacy: privacy), of: key).facts.privacy
    }
    #expect(try await observe(.standard) == .standard)
    #expect(try await test.count("log_entry") == 0)
    #expect(try await observe(.restricted) == .restricted)
    #expect(try await observe(.standard) == .restricted)
    #expect(try await observe(.restricted) == .restricted)
    let entries = try await test.catalog.logEntries(matching: LogFilter(), before: nil, limit: 9).map(\.entry)
    #expect(entries.map(\.action) == [.privacyChange])
    #expect(entries.first?.recording == key)
    #expect(entries.first?.at == test.clock.now)
    #expect(entries.first?.details == ["privacy": "restricted"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a recording that is restricted at first is not logged as a change`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.observe(test.facts("call-1", privacy: .restricted), of: try key("call-1"))
    #expect(try await test.count("log_entry") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `privacy that becomes stricter during archiving is stored with the commit`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let key = try key("call-1")
    try await test.catalog.observe(test.facts("call-1"), of: key)
    try await test.archiveRecording("call-1") { $0.privacy = .restricted }
    #expect(try await test.catalog.recording(key)?.facts.privacy == .restricted)
    try await test.catalog.observe(test.facts("call-1"), of: key)
    #expect(try await test.catalog.recording(key)?.facts.privacy == .restricted)
  }
}
