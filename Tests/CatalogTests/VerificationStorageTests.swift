import Catalog
import Model
import TestKit
import Testing

/// What the catalog stores about verifications and repairs.
@Suite struct VerificationStorageTests {
  private func damage(
    _ name: String, _ test: TestCatalog, files: [DamagedFile] = [DamagedFile(.mp3, .damaged)], hasOriginal: Bool = true
  ) async throws -> Damage {
    let row = try #require(try await test.catalog.recording(try key(name)))
    return Damage(
      recordingID: row.id, key: row.key, files: files, code: .objectDamaged, hasOriginal: hasOriginal,
      details: ["mp3_0": "damaged"])
  }

  private func row(_ name: String, _ test: TestCatalog) async throws -> RecordingRow {
    try #require(try await test.catalog.recording(try key(name)))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an unverified recording counts from its archiving, and the longest unverified comes first`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    for name in ["call-1", "call-2", "call-3"] {
      try await test.archiveRecording(name)
      test.clock.advance(by: .seconds(60))
    }
    test.clock.advance(by: .seconds(3600))
    let first = try await row("call-1", test)
    #expect(first.verifiedAt == nil)
    try await test.catalog.recordVerified([first], at: test.clock.now)
    test.clock.advance(by: .seconds(60))
    let all = try await test.catalog.unverifiedRecordings(since: test.clock.now, limit: 10)
    #expect(all.map(\.key.id.rawValue) == ["call-2", "call-3", "call-1"])
    let rest = try await test.catalog.unverifiedRecordings(since: test.clock.now, after: all[0], limit: 10)
    #expect(rest == Array(all[1...]))
    let old = try await test.catalog.unverifiedRecordings(since: test.clock.now + .seconds(-1800), limit: 10)
    #expect(old.map(\.key.id.rawValue) == ["call-2", "call-3"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `recordings are counted and paged, of all sources or of one`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for name in ["call-1", "eu~call-2", "call-3"] { try await test.archiveRecording(name) }
    try await test.catalog.observe(test.facts("known"), of: try key("known"))
    #expect(try await test.catalog.archivedCount() == 3)
    #expect(try await test.catalog.archivedCount(of: SourceID("eu")) == 1)
    let page = try await test.catalog.archivedRecordings(after: 0, limit: 2)
    #expect(page.map(\.key.id.rawValue) == ["call-1", "call-2"])
    let next = try await test.catalog.archivedRecordings(after: page[1].id, limit: 2)
    #expect(next.map(\.key.id.rawValue) == ["call-3"])
    #expect(try await test.catalog.archivedRecordings(of: SourceID("eu"), after: 0, limit: 9).count == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `damage is stored with the day it was found, and is logged when it is new`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    try await test.catalog.recordDamage([try await damage("call-1", test)], at: test.clock.now, by: .recurringTask)
    let sentence = "The MP3 is damaged (found on 2026-01-15 at 12:00 UTC)."
    #expect(try await row("call-1", test).damage?.sentence == sentence)
    #expect(try await row("call-1", test).verifiedAt == test.clock.now)
    #expect(try await test.catalog.damagedCount() == 1)
    test.clock.advance(by: .seconds(86_400))
    try await test.catalog.recordDamage([try await damage("call-1", test)], at: test.clock.now, by: .recurringTask)
    #expect(try await row("call-1", test).damage?.sentence == sentence)
    let more = try await damage("call-1", test, files: [DamagedFile(.mp3, .damaged), DamagedFile(.peaks, .missing)])
    try await test.catalog.recordDamage([more], at: test.clock.now, by: .recurringTask)
    #expect(
      try await row("call-1", test).damage?.sentence
        == "The MP3 is damaged and the waveform is missing (found on 2026-01-16 at 12:00 UTC).")
    var filter = LogFilter()
    filter.action = .verify
    let entries = try await test.catalog.logEntries(matching: filter, before: nil, limit: 9).map(\.entry)
    #expect(entries.map(\.code) == [.objectDamaged, .objectDamaged])
    #expect(entries.last?.details == ["by": "recurring task", "damage": "The MP3 is damaged", "mp3_0": "damaged"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the log entry of damage says what found it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let user = Identity(kind: .account, id: "user-1", name: "anna", role: .supervisor)
    let finders: [(name: String, finder: DamageFinder, actor: String?, by: String?)] = [
      ("call-1", .recurringTask, nil, "recurring task"), ("call-2", .playback, nil, "playback"),
      ("call-3", .user(user), "user-1", nil),
    ]
    for (name, finder, actor, by) in finders {
      try await test.archiveRecording(name)
      let damage = try await damage(name, test)
      try await test.catalog.recordDamage([damage], at: test.clock.now, by: finder)
      // What is found again is not logged again, whatever finds it.
      _ = try await test.catalog.requestRepair(
        of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
      var filter = LogFilter()
      filter.action = .verify
      let entries = try await test.catalog.logEntries(matching: filter, before: nil, limit: 9).map(\.entry)
        .filter { $0.recording == damage.key }
      #expect(entries.count == 1)
      #expect(entries.first?.actor?.id == actor)
      #expect(entries.first?.details["by"] == by)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a check from before the damage was found does not clear it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    let before = try await row("call-1", test)
    try await test.catalog.recordDamage([try await damage("call-1", test)], at: test.clock.now, by: .recurringTask)
    try await test.catalog.recordVerified([before], at: test.clock.now)
    let damaged = try await row("call-1", test)
    #expect(damaged.damage != nil)
    try await test.catalog.recordVerified([damaged], at: test.clock.now)
    #expect(try await row("call-1", test).damage == nil)
  }

  @Test(arguments: [true, false], DatabaseKind.allCases)
  func `a repair starts an ended job in the stage that it needs`(
    hasOriginal: Bool, kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    let done = try #require(try await test.catalog.job(of: try key("call-1")))
    let jobs = try await test.catalog.requestRepair(
      of: [try await damage("call-1", test, hasOriginal: hasOriginal)], preempting: false, at: test.clock.now,
      by: .recurringTask)
    #expect(jobs.map(\.jobID) == [done.id])
    #expect(jobs.map(\.isFromOriginal) == [hasOriginal])
    let job = try #require(try await test.catalog.job(done.id))
    #expect(job.stage == (hasOriginal ? .processing : .queued))
    #expect((job.runState, job.clearance, job.attempts) == (.idle, .restricted, 0))
    #expect(job.fence > done.fence)
    #expect(try await test.catalog.archived(try key("call-1"))?.parts.count == 1)
    #expect(try await row("call-1", test).archivedAt != nil)
    #expect(try await test.claim(hasOriginal ? .transfer : .polling).job.id == done.id)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a node without the source takes repairs from the original only, and ends jobs that need the source`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let served: [SourceID] = [.default]
    func repair(hasOriginal: Bool, isServed: Bool = false) async throws -> [RepairJob] {
      try await test.catalog.requestRepair(
        of: [try await damage("eu~call-1", test, hasOriginal: hasOriginal)], served: isServed ? nil : Set(served),
        preempting: false, at: test.clock.now, by: .recurringTask)
    }
    try await test.archiveRecording("eu~call-1")
    #expect(try await repair(hasOriginal: true).map(\.isFromOriginal) == [true])
    #expect(try await test.catalog.nextDue(in: .transfer, of: served) != nil)
    let claimed = try await test.catalog.claimJobs(in: .transfer, of: served, lease: .seconds(30), limit: 9)
    let job = try #require(claimed.first)
    try await test.catalog.release(JobLease(jobID: job.id, fence: job.fence), .fail(TapedeckError(.conversionFailed)))

    // Requested while the source was in the settings.
    #expect(try await repair(hasOriginal: false, isServed: true).map(\.isFromOriginal) == [false])
    #expect(try await test.catalog.nextDue(in: .polling, of: served) == nil)
    #expect(try await repair(hasOriginal: true).map(\.isFromOriginal) == [true])
    #expect(try await repair(hasOriginal: false).isEmpty)
    let ended = try #require(try await test.catalog.job(job.id))
    #expect(ended.runState == .failed && ended.failure?.code == .configurationInvalid)
    let known = try await row("eu~call-1", test).damage
    #expect(
      known?.sentence.contains(" The recording could not be repaired: its source 'eu' is not in the settings.") == true)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a running repair keeps its lease, unless its file may have been quarantined`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    let damage = try await damage("call-1", test)
    _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
    let (_, lease) = try await test.claim(.transfer)
    _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
    try await test.catalog.advance(lease, to: .processing)
    _ = try await test.catalog.requestRepair(of: [damage], preempting: true, at: test.clock.now, by: .recurringTask)
    #expect(await failure { try await test.catalog.archive(try test.archive(), lease: lease) } == .leaseLost)
    #expect(try await test.claim(.transfer).job.id == lease.jobID)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a commit clears the damage and keeps the day of archiving`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    let archivedAt = try await row("call-1", test).archivedAt
    test.clock.advance(by: .seconds(86_400))
    _ = try await test.catalog.requestRepair(
      of: [try await damage("call-1", test)], preempting: false, at: test.clock.now, by: .recurringTask)
    let (_, lease) = try await test.claim(.transfer)
    var archive = try test.archive()
    archive.archivedAt = archivedAt
    archive.message = nil
    try await test.catalog.archive(archive, lease: lease)
    let repaired = try await row("call-1", test)
    #expect(repaired.damage == nil)
    #expect(repaired.archivedAt == archivedAt)
    #expect(repaired.verifiedAt == test.clock.now)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the reason of a failed repair is added to the damage, once`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("call-1")
    let damage = try await damage("call-1", test, hasOriginal: false)
    for _ in 1...2 {
      _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
      let (_, lease) = try await test.claim()
      try await test.catalog.release(lease, .fail(TapedeckError(.unknownRecording)))
      #expect(
        try await row("call-1", test).damage?.sentence
          == "The MP3 is damaged (found on 2026-01-15 at 12:00 UTC). The recording could not be repaired: the platform no longer has the recording."
      )
      #expect(try await test.catalog.damagedRecordings(after: 0, limit: 9).map(\.failure) == [.unknownRecording])
    }
    _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
    #expect(try await test.catalog.damagedRecordings(after: 0, limit: 9).isEmpty, "its job is unfinished")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a failed ingest of a recording without damage records none`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.observe(test.facts("call-1"), of: try key("call-1"))
    try await test.request("call-1")
    let (_, lease) = try await test.claim()
    try await test.catalog.release(lease, .fail(TapedeckError(.conversionFailed)))
    #expect(try await row("call-1", test).damage == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the recordings of an object are found through each of its references`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let archive = try await test.archiveRecording("call-1")
    try await test.archiveRecording("call-2")
    let part = archive.parts[0]
    for object in [try #require(part.original), part.mp3.name, part.peaks.name] {
      let found = try await test.catalog.recordings(referringTo: [object, TestCatalog.object("00", .mp3)])
      #expect(found.map(\.recording.key.id.rawValue) == ["call-1", "call-2"])
      #expect(found.map(\.parts) == [archive.parts, archive.parts])
    }
    #expect(try await test.catalog.recordings(referringTo: []).isEmpty)
  }

  @Test func `queries that must stay fast in a large archive use an index`() async throws {
    let test = try await TestCatalog(.sqlite)
    let moment = test.clock.now
    let plans = try await test.database.plans {
      let last = try await test.catalog.unverifiedRecordings(since: moment, limit: 16).last
      #expect(last == nil)
      _ = try await test.catalog.damagedCount()
      _ = try await test.catalog.damagedRecordings(after: 0, limit: 64)
      _ = try await test.catalog.knownObjects(inFolder: "ab")
      _ = try await test.catalog.recordings(referringTo: [
        TestCatalog.object("ab", .mp3), TestCatalog.object("ac", .mp3),
      ])
    }
    let scans = plans.filter { $0.hasPrefix("SCAN") && !$0.contains("recording_by_damage") }
    #expect(scans.isEmpty, "\(plans)")
    #expect(plans.contains { $0.contains("recording_by_verification") }, "\(plans)")
    #expect(!plans.contains { $0.contains("TEMP B-TREE FOR ORDER BY") && !$0.contains("LAST TERM") }, "\(plans)")
  }
}
