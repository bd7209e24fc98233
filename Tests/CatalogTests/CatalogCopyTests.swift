import Catalog
import Model
import Synchronization
import TestKit
import Testing

@Suite(.serialized) struct CatalogCopyTests {
  /// A catalog with a value in every column of every table.
  private func filled(_ kind: DatabaseKind) async throws -> TestCatalog {
    let test = try await TestCatalog(kind)
    for number in 0..<7 {
      try await test.archiveRecording("call-\(number)") {
        $0.startTime = number == 3 ? nil : test.clock.now + .seconds(-number)
        $0.agentName = "José Müller 日本 🎧 \(number)\u{0}"
        $0.json = "{\"n\":\(number),\"s\":\"\\u0000 \u{FEFF}\"}"
      }
      test.clock.advance(by: .milliseconds(1))
    }
    try await test.request("eu~waiting")
    let lease = try await test.claim().lease
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: "{}", bytes: 5, totalBytes: 10, sha256: "ab"), resumes: 1)
    try await test.catalog.release(
      lease, .retry(at: test.clock.now, because: TapedeckError(.platformUnavailable)))
    let anna = AccountStorageTests.anna
    let root = Identity(kind: .operator, id: "operator:0", name: "root", role: .admin)
    try await test.catalog.createAccount(anna, passwordHash: "scrypt$…", entry: test.entry(.createAccount, by: root))
    try await test.catalog.createToken(
      AccountStorageTests.robot, secretSHA256: [0, 255, 0], entry: test.entry(.createToken))
    try await test.catalog.createSession(
      secretSHA256: [1, 2], account: anna, passwordHash: "scrypt$…", csrf: "c",
      expiresAt: test.clock.now + .seconds(60), entry: test.entry(.signIn))
    _ = try await test.catalog.log([AccessLogStorageTests.full])
    let day = CalendarDay(containing: test.clock.now, in: .utc)
    _ = try await test.catalog.startBackfill(
      of: Period(start: day.start, end: day.end), from: .default, direction: nil, by: "tok_1",
      entry: test.entry(.ingest))
    try await test.catalog.recordCheck(
      of: day, by: SyncPlan(), unwanted: 3, edge: [try #require(RecordingID("edge"))],
      unidentified: [UnidentifiedRow(position: 4, reason: "The row has no ID.")], startedAt: test.clock.now)
    try await test.catalog.changePreferences(of: "acc_1", to: Preferences(speed: 1.5))
    try await test.catalog.addToQuarantine(
      try key("quarantined"), because: TapedeckError(.incompleteRecording),
      content: ObjectContent(hash: TestCatalog.hash("ab"), bytes: 9), spoolID: "spool", node: "node",
      file: "file")
    try await test.catalog.changeAllowance(of: .default, limits: RequestLimits(rate: 10, burst: 20)) { _, _ in }
    try await test.catalog.requireSameOnAllNodes("QM_WEBHOOK_SECRET", "whsec_c2VjcmV0")
    _ = try await test.database.write { db in
      try db.execute("UPDATE recording SET tombstoned_at = -7 WHERE id = 2")
      try db.execute("INSERT INTO restricted_listing (platform_id, source) VALUES ('restricted', 'default')")
      try db.execute("INSERT INTO notice (recording_id, opened_at, closed_at, decision) VALUES (2, 3, 4, 'kept')")
      try db.execute(
        """
        INSERT INTO object_removal (name, sha256, bytes, recording_id, due_at, started_at)
        VALUES ('cd/unused.mp3', 'cd', 5, 2, 6, 7)
        """)
    }
    return test
  }

  @Test func `every table is copied`() async throws {
    for kind in DatabaseKind.allCases {
      let test = try await TestCatalog(kind)
      let question: SQL =
        switch kind {
        case .sqlite:
          """
          SELECT name FROM sqlite_schema
          WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'recording#_text%' ESCAPE '#'
          """
        case .postgresql: "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
        }
      let found = try await test.database.read { db in Set(try db.rows(question).map { try $0.text("name") }) }
      #expect(found == Set(CatalogTable.all.map(\.name) + ["migration"]))
    }
  }

  static let ways = DatabaseKind.allCases.flatMap { from in DatabaseKind.allCases.map { (from, $0) } }

  @Test(arguments: ways, [1, 3, 200])
  func `the copy is identical and usable`(
    way: (from: DatabaseKind, to: DatabaseKind), batch: Int
  ) async throws {
    let (source, target) = (try await filled(way.from), try await TestCatalog(way.to))
    let steps = Mutex<[CatalogCopy.Progress]>([])
    let copied = try await CatalogCopy(from: source.database, to: target.database, batch: batch)
      .run { step in steps.withLock { $0.append(step) } }
    let (before, after) = (try await source.everything(), try await target.everything())
    #expect(after == before)
    #expect(Set(copied.map(\.table)) == Set(before.keys))
    for (table, rows) in copied {
      #expect(rows == before[table]?.count.int64)
      #expect(rows > 0, "\(table) is empty")
      let last = steps.withLock { $0.last { $0.table == table } }
      #expect(last?.copied == rows && last?.total == rows)
    }

    // New rows get new IDs, copied ones are found by their words, and jobs can be claimed.
    let numbers = try await target.catalog.log([target.entry(.list)])
    #expect(numbers == [(before["log_entry"]?.count.int64 ?? 0) + 1])
    #expect(try await target.request("new").id == 9)
    #expect(try await target.catalog.observe(target.facts("new"), of: try key("new")).id == 8)
    var filter = RecordingFilter()
    filter.text = "muller 日本"
    #expect(
      try await target.catalog.recordings(matching: filter, visibleTo: .everything, after: nil, limit: 9).count == 6)
    target.clock.advance(by: .seconds(60))
    let claimed = [try await target.claim().job.key, try await target.claim().job.key]
    #expect(claimed == [try key("new"), try key("eu~waiting")])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a target with rows is refused`(kind: DatabaseKind) async throws {
    let (source, target) = (try await filled(.sqlite), try await TestCatalog(kind))
    try await target.request("own")
    let before = try await target.everything()
    #expect(
      await failure { try await CatalogCopy(from: source.database, to: target.database).run() } == .alreadyExists)
    #expect(try await target.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an interrupted copy leaves no rows and can be repeated`(kind: DatabaseKind) async throws {
    let (source, target) = (try await filled(.sqlite), try await TestCatalog(kind))
    let empty = try await target.everything()
    for statements in stride(from: 0, through: 80, by: 16) {
      target.database.fail(afterStatements: statements)
      #expect(
        await failure { try await CatalogCopy(from: source.database, to: target.database, batch: 2).run() }
          == .diskFull)
      target.database.fail(afterStatements: nil)
      #expect(try await target.everything() == empty)
    }
    try await CatalogCopy(from: source.database, to: target.database, batch: 2).run()
    #expect(try await target.everything() == source.everything())
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a failure of the source is reported, not its consequence in the target`(kind: DatabaseKind) async throws {
    let (source, target) = (try await filled(kind), try await TestCatalog(.sqlite))
    _ = try await source.database.write { db in try db.execute("DROP TABLE log_detail") }
    let error = await error { try await CatalogCopy(from: source.database, to: target.database).run() }
    #expect(error?.code == .catalogFailed)
    #expect(error?.detail?.contains("log_detail") == true)
    #expect(try await target.count("recording") == 0)
  }

  @Test func `a catalog with another schema version is not copied`() async throws {
    let (source, target) = (try await filled(.sqlite), try await TestCatalog(.sqlite))
    _ = try await source.database.write { db in
      try db.execute("INSERT INTO migration (version, name, applied_at) VALUES (99, 'of the future', 0)")
    }
    #expect(
      await failure { try await CatalogCopy(from: source.database, to: target.database).run() } == .catalogFailed)
  }
}

extension Int {
  fileprivate var int64: Int64 { Int64(self) }
}
