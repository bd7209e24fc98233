import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct MigrationTests {
  let clock = TestClock()
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(arguments: DatabaseKind.allCases)
  func `migrating again changes nothing`(kind: DatabaseKind) async throws {
    let database = try kind.open(in: folder, now: { [clock] in clock.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let first = try await database.read { db in (try db.dump("migration"), try db.dumpSchema()) }
    clock.advance(by: .seconds(60))
    try await catalog.migrate()
    let second = try await database.read { db in (try db.dump("migration"), try db.dumpSchema()) }
    #expect(first == second)
    #expect(!first.0.isEmpty)
    try database.close()
  }

  @Test func `columns, unique indexes and later columns are parts of the schema`() {
    let statements = [
      "CREATE TABLE a (x INTEGER, y TEXT)", "CREATE TABLE ab (x INTEGER)", "CREATE UNIQUE INDEX a_by_x ON a (x)",
      "ALTER TABLE a ADD COLUMN z INTEGER",
    ]
    #expect(SchemaParts.expected(after: statements) == ["a.x", "a.y", "a.z", "ab.x", "a_by_x"])
  }

  @Test(
    arguments: DatabaseKind.allCases,
    [
      ("ALTER TABLE recording DROP COLUMN warning", "recording.warning"),
      ("ALTER TABLE job DROP COLUMN polls", "job.polls"),
      ("ALTER TABLE account DROP COLUMN team", "account.team"),
      ("ALTER TABLE backfill RENAME COLUMN found TO lost", "backfill.found"),
      ("DROP INDEX api_token_by_name", "api_token_by_name"),
    ])
  func `a catalog without a part of the schema is refused with its name`(
    kind: DatabaseKind, change: (sql: String, part: String)
  ) async throws {
    let database = try await kind.openMigrated(in: folder, now: { [clock] in clock.now })
    let catalog = Catalog(database: database)
    try await catalog.checkSchema(mayBeEmpty: false)
    _ = try await database.write { db in try db.execute(SQL(stringLiteral: change.sql)) }
    for failure in [
      await error(of: { try await catalog.checkSchema() }), await error(of: { try await catalog.migrate() }),
    ] {
      #expect(failure?.code == .catalogFailed)
      #expect(failure?.message.contains("incomplete (missing: \(change.part))") == true, "\(failure?.message ?? "")")
    }
    // Readiness is asked often, and compares the tables only.
    try await catalog.checkSchema(mayBeEmpty: false, tablesOnly: true)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `columns and indexes that others add are ignored`(kind: DatabaseKind) async throws {
    let database = try await kind.openMigrated(in: folder, now: { [clock] in clock.now })
    _ = try await database.write { db in
      try db.execute("ALTER TABLE recording ADD COLUMN note TEXT")
      try db.execute("CREATE INDEX recording_by_note ON recording (note)")
      try db.execute("CREATE TABLE report (id INTEGER)")
    }
    try await Catalog(database: database).checkSchema(mayBeEmpty: false)
    try await Catalog(database: database).migrate()
    try database.close()
  }

  @Test func `texts are sorted by bytes`() async throws {
    let database = try DatabaseKind.postgresql.open(in: folder, now: { [clock] in clock.now })
    try await Catalog(database: database).migrate()
    let columns = try await database.read { db in
      try db.rows(
        """
        SELECT table_name || '.' || column_name AS name, coalesce(collation_name, 'none') AS collation
        FROM information_schema.columns WHERE table_schema = 'public' AND data_type NOT IN ('bigint', 'bytea')
        """
      ).map { (name: try $0.text("name"), collation: try $0.text("collation")) }
    }
    #expect(columns.count > 50)
    #expect(columns.filter { $0.collation != "C" }.map(\.name) == [])
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a newer schema is refused with both versions, and left unchanged`(
    kind: DatabaseKind
  ) async throws {
    let database = try kind.open(in: folder, now: { [clock] in clock.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    _ = try await database.write { db in
      try db.execute("INSERT INTO migration (version, name, applied_at) VALUES (99, 'of the future', 0)")
    }
    let before = try await database.read { db in try db.dump("migration") }
    await #expect {
      try await catalog.migrate()
    } throws: { error in
      let error = error as? TapedeckError
      return error?.code == .catalogFailed && error?.message.contains("schema 99") == true
    }
    #expect(try await database.read { db in try db.dump("migration") } == before)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a schema with unknown migrations is refused`(kind: DatabaseKind) async throws {
    let database = try kind.open(in: folder, now: { [clock] in clock.now })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    _ = try await database.write { db in
      try db.execute("UPDATE migration SET name = 'of another branch' WHERE version = 1")
    }
    await #expect {
      try await catalog.migrate()
    } throws: { error in
      let error = error as? TapedeckError
      return error?.code == .catalogFailed && error?.message.contains("of another branch") == true
    }
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a failed migration is rolled back`(kind: DatabaseKind) async throws {
    let database = WatchedDatabase(try kind.open(in: folder, now: { [clock] in clock.now }))
    database.fail(afterStatements: 10)
    #expect(await failure { try await Catalog(database: database).migrate() } == .diskFull)
    #expect(try await database.read { db in try db.dumpSchema().isEmpty })
    database.fail(afterStatements: nil)
    try await Catalog(database: database).migrate()
    try database.close()
  }
}
