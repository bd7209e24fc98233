import Catalog
import Model
import TestKit
import Testing

/// Storing a page of the platform's list.
@Suite struct DiscoveryTests {
  /// Set by each test, since the database is a test argument.
  private var test: TestCatalog!
  let day = Period(start: Instant(iso8601: "2026-01-14T00:00:00Z")!, end: Instant(iso8601: "2026-01-15T00:00:00Z")!)

  private func call(
    _ name: String, at time: String = "10:00:00", _ change: (inout PlatformRecording) -> Void = { _ in }
  ) -> PlatformRecording {
    var call = test.facts(name)
    call.startTime = Instant(iso8601: "2026-01-14T\(time)Z")
    call.direction = .outbound
    change(&call)
    return call
  }

  @discardableResult
  private func discover(
    _ page: [PlatformRecording], fetched: SyncFilter? = SyncFilter(), for reason: DiscoveryReason = .sync
  ) async throws -> Int {
    try await test.catalog.discover(
      page, in: day, of: .default, expected: SyncFilter(), fetched: fetched, for: reason)
  }

  private func column(_ name: String, of id: String) async throws -> Value? {
    try await test.database.read { db in
      try db.row("SELECT * FROM recording WHERE platform_id = \(id)").map { $0[name] }
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `each expected recording gets one job, however often it is listed`(kind: DatabaseKind)
    async throws
  {
    test = try await TestCatalog(kind)
    let page = (1...5).map { call("call-\($0)") }
    #expect(try await discover(page) == 5)
    #expect(try await discover(page + page) == 0)
    #expect(try await discover(page, for: .lookBack) == 0)
    #expect(try await test.count("job") == 5)
    let job = try #require(try await test.catalog.job(of: try key("call-3")))
    #expect(job.clearance == .restricted && job.stage == .queued && job.runState == .idle)
    #expect(try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first != nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `eight nodes that list the same pages make each job once`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let pages = (0..<6).map { page in (0..<50).map { call("call-\(page * 50 + $0)") } }
    let queued = try await withThrowingTaskGroup(of: Int.self) { [self] group in
      for node in 0..<8 {
        group.addTask {
          var queued = 0
          for step in 0..<6 { queued += try await discover(pages[(node + step) % 6]) }
          return queued
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(queued == 300)
    #expect(try await test.count("job") == 300)
    #expect(try await test.count("recording") == 300)
    // One entry for each page that created jobs, with their number.
    let entries = try await test.catalog.logEntries(matching: LogFilter(), before: nil, limit: 100)
    #expect(entries.count == 6)
    #expect(entries.allSatisfy { $0.entry.action == .ingest && $0.entry.count == 50 && $0.entry.actor == nil })
    #expect(entries.first?.entry.details["by"] == "sync")
    #expect(entries.first?.entry.details["source"] == "default")
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `unexpected recordings are not stored unless they are known`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("by-hand") { $0.direction = .inbound }
    let page = [call("inbound") { $0.direction = .inbound }, call("by-hand") { $0.direction = .inbound }]
    #expect(try await discover(page) == 0)
    #expect(try await test.catalog.recording(try key("inbound")) == nil)
    #expect(try await column("wanted", of: "by-hand") == .integer(0))
    #expect(try await column("listed_at", of: "by-hand") == .integer(test.clock.now.milliseconds))
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a check stores recordings and creates no jobs`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    #expect(try await discover([call("call-1")], fetched: nil, for: .check) == 0)
    #expect(try await column("wanted", of: "call-1") == .integer(1))
    #expect(try await test.count("job") == 0)
    #expect(try await test.count("log_entry") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a recording that the platform still processes gets a job, one that failed there is only stored`(
    kind: DatabaseKind
  )
    async throws
  {
    test = try await TestCatalog(kind)
    let page = [call("processing") { $0.status = .processing }, call("failed") { $0.status = .failed }]
    #expect(try await discover(page) == 1)
    #expect(try await test.catalog.job(of: try key("processing")) != nil)
    #expect(try await test.catalog.job(of: try key("failed")) == nil)
    #expect(try await test.catalog.recording(try key("failed"))?.facts.status == .failed)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `privacy only becomes stricter, and a change is logged`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await discover([call("call-1")])
    try await discover([call("call-1") { $0.privacy = .restricted }], for: .lookBack)
    #expect(try await test.catalog.recording(try key("call-1"))?.facts.privacy == .restricted)
    try await discover([call("call-1")], for: .lookBack)
    #expect(try await test.catalog.recording(try key("call-1"))?.facts.privacy == .restricted)
    var filter = LogFilter()
    filter.action = .privacyChange
    #expect(try await test.catalog.logEntries(matching: filter, before: nil, limit: 10).count == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `of several rows of a recording, the strictest privacy and the expected row count`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    let restricted = call("a") { $0.privacy = .restricted }
    let inbound = call("b") { ($0.direction, $0.privacy) = (.inbound, .restricted) }
    #expect(try await discover([call("a"), restricted, call("b"), inbound, inbound, call("c"), call("c")]) == 3)
    for (id, privacy) in [("a", Privacy.restricted), ("b", .restricted), ("c", .standard)] {
      let facts = try #require(try await test.catalog.recording(try key(id))?.facts)
      #expect(facts.privacy == privacy && facts.direction == .outbound)
      #expect(try await column("wanted", of: id) == .integer(1))
    }
    #expect(try await discover([restricted, call("c"), inbound, call("b"), call("d"), restricted, call("a")]) == 1)
    #expect(try await discover([inbound, call("b")]) == 0)
    #expect(try await column("wanted", of: "b") == .integer(1))
    #expect(try await test.catalog.recording(try key("a"))?.facts.privacy == .restricted)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a restricted row of an unexpected call restricts the recording when it is requested`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    let names = ["a", "b", "c"]
    let page = names.map { name in
      call(name) {
        $0.direction = name == "b" ? .internal : .inbound
        $0.privacy = .restricted
      }
    }
    for reason in [DiscoveryReason.check, .lookBack, .sync] {
      #expect(try await discover(page + [call("open") { $0.direction = .inbound }] + page, for: reason) == 0)
    }
    #expect(try await test.count("recording") == 0)
    #expect(try await test.count("restricted_listing") == 3)
    // The description of the recording reports no privacy, and neither does a later row of the list.
    for name in names + ["open"] {
      let facts = call(name) { $0.direction = .inbound }
      if name == "c" { try await discover([facts]) }
      let row = try await test.catalog.observe(facts, of: try key(name))
      #expect(row.facts.privacy == (name == "open" ? .standard : .restricted))
    }
    // A recording of another source with the same ID is another one.
    let other = RecordingKey(source: SourceID("west")!, id: RecordingID("a")!)
    #expect(try await test.catalog.observe(call("a"), of: other).facts.privacy == .standard)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a restricted row of a list that is only shown restricts the recording`(kind: DatabaseKind) async throws
  {
    test = try await TestCatalog(kind)
    for name in ["stored", "strict"] {
      try await test.catalog.observe(call(name) { if name == "strict" { $0.privacy = .restricted } }, of: try key(name))
    }
    let restricted = ["a", "stored", "strict"].map { name in call(name) { $0.privacy = .restricted } }
    // The stricter of two rows counts, in any order.
    for _ in 1...2 {
      try await test.catalog.rememberRestricted(
        [call("twice") { $0.privacy = .restricted }, call("twice"), call("open")] + restricted + [call("a")],
        of: .default)
    }
    #expect(try await test.count("restricted_listing") == 2)
    #expect(try await test.count("recording") == 2)
    #expect(try await test.count("job") == 0)
    for (name, privacy) in [
      ("a", Privacy.restricted), ("stored", .restricted), ("strict", .restricted), ("twice", .restricted),
      ("open", .standard),
    ] {
      #expect(try await test.catalog.observe(call(name), of: try key(name)).facts.privacy == privacy)
    }
    let other = RecordingKey(source: SourceID("west")!, id: RecordingID("a")!)
    #expect(try await test.catalog.observe(call("a"), of: other).facts.privacy == .standard)
    // A list without restricted rows writes nothing.
    let before = try await test.everything()
    try await test.catalog.rememberRestricted([call("open"), call("new")], of: .default)
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a listing without news writes no facts`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    let page = (1...3).map { call("call-\($0)") }
    try await discover(page)
    test.clock.advance(by: .seconds(60))
    let plans = try await test.database.plans { try await discover(page) }
    #expect(!plans.contains { $0.contains("recording_text") }, "\(plans)")
    #expect(try await column("listed_at", of: "call-1") == .integer(test.clock.now.milliseconds))
    var changed = page
    changed[0].json = #"{"id":"call-1","disposition":"sale"}"#
    changed[0].disposition = "sale"
    try await discover(changed)
    #expect(try await test.catalog.recording(try key("call-1"))?.facts.disposition == "sale")
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `ended jobs stay ended, jobs that wait for clearance are resumed`(kind: DatabaseKind)
    async throws
  {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("archived")
    try await test.request("given-up")
    try await test.catalog.release(try await test.claim().lease, .fail(TapedeckError(.neverAvailable)))
    try await test.request("waiting", clearance: .standard)
    try await test.catalog.release(try await test.claim().lease, .awaitClearance)
    try await test.request("under-way", clearance: .standard)
    let page = ["archived", "given-up", "waiting", "under-way"].map { call($0) }
    #expect(try await discover(page) == 1)
    func job(_ name: String) async throws -> JobRow { try #require(try await test.catalog.job(of: try key(name))) }
    #expect(try await job("archived").runState == .done)
    #expect(try await job("given-up").runState == .failed)
    #expect(try await job("waiting").runState == .idle)
    #expect(try await job("waiting").clearance == .restricted)
    #expect(try await job("under-way").clearance == .restricted)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a recording whose rows were lost is archived again`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("lost")
    try await test.archiveRecording("without-files")
    _ = try await test.database.write { db in
      try db.execute("DELETE FROM webhook_message")
      try db.execute("DELETE FROM media_part")
      try db.execute("DELETE FROM recording WHERE platform_id = 'lost'")
    }
    #expect(try await discover([call("lost"), call("without-files")]) == 2)
    for name in ["lost", "without-files"] {
      let job = try #require(try await test.catalog.job(of: try key(name)))
      #expect(job.runState == .idle && job.stage == .queued && job.endedAt == nil)
    }
    // A request of a user does the same.
    try await test.archiveRecording("again")
    _ = try await test.database.write { db in try db.execute("DELETE FROM media_part") }
    #expect(try await test.request("again").runState == .idle)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a removed recording is not archived again`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("expired")
    _ = try await test.database.write { db in
      try db.execute("DELETE FROM media_part")
      try db.execute("UPDATE recording SET tombstoned_at = 5, archived_at = NULL")
    }
    #expect(try await discover([call("expired")]) == 0)
    #expect(try await test.catalog.job(of: try key("expired"))?.runState == .done)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a recording without a start time counts toward the listed period`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await discover([call("call-1") { $0.startTime = nil }])
    #expect(try await column("counted_at", of: "call-1") == .integer(day.end.milliseconds - 1))
    try await discover([call("call-2") { $0.startTime = nil }], for: .check)
    #expect(try await column("counted_at", of: "call-2") == .integer(day.start.milliseconds))
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a page whose jobs cannot all be written is rolled back`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await test.archiveRecording("archived")
    let before = try await test.everything()
    let page = ["archived", "call-1", "call-2"].map { call($0) }
    for statements in 0..<12 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await discover(page) } == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
    #expect(try await discover(page) == 2)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `an empty page changes nothing`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    #expect(try await discover([]) == 0)
  }
}
