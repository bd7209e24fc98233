import Catalog
import Foundation
import Model
import TestKit
import Testing

@Suite struct SQLiteDatabaseTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `every connection is set up so that what it commits survives a loss of power`() async throws {
    let database = try SQLiteDatabase(path: folder.file("catalog.sqlite"), now: { .systemNow() })
    let pragmas = { @Sendable (db: any Connection) throws -> [Value?] in
      [
        try db.row("PRAGMA journal_mode")?["journal_mode"], try db.row("PRAGMA synchronous")?["synchronous"],
        try db.row("PRAGMA foreign_keys")?["foreign_keys"],
      ]
    }
    #expect(try await database.write { db in try pragmas(db) } == [.text("wal"), .integer(2), .integer(1)])
    // A reader has nothing to sync.
    #expect(try await database.read { db in try db.row("PRAGMA foreign_keys")?["foreign_keys"] } == .integer(1))
    try database.close()
  }

  @Test func `a path that cannot be opened is a failure of the catalog`() async {
    let path = folder.file("missing/catalog.sqlite")
    #expect(await failure { try SQLiteDatabase(path: path, now: { .systemNow() }) } == .catalogFailed)
  }

  @Test func `a file that is no database is a failure of the catalog`() async throws {
    let path = folder.file("catalog.sqlite")
    try String(repeating: "This is no database. ", count: 1000).write(toFile: path, atomically: true, encoding: .utf8)
    #expect(
      await failure {
        let database = try SQLiteDatabase(path: path, now: { .systemNow() })
        try await Catalog(database: database).migrate()
      } == .catalogFailed)
  }
}
