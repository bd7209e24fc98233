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
