import Catalog
import Foundation
import Model
import TestKit
import Testing

@Suite struct SQLiteDatabaseTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `commits of every connection survive a power failure`() async throws {
    let database = try SQLiteDatabase(path: folder.file("catalog.sqlite"), now: { .systemNow() })
    let pragmas = { @Sendable (db: any Connection) throws -> [Value?] in
      [
        try db.row("PRAGMA journal_mode")?["journal_mode"], try db.row("PRAGMA synchronous")?["synchronous"],
        try db.row("PRAGMA foreign_keys")?["foreign_keys"],
      ]
    }
    #expect(try await database.write { db in try pragmas(db) } == [.text("wal"), .integer(2), .integer(1)])
    // The reader syncs nothing.
    #expect(try await database.read { db in try db.row("PRAGMA foreign_keys")?["foreign_keys"] } == .integer(1))
    try database.close()
  }

  @Test func `statements with long lists are not cached`() async throws {
    let database = try SQLiteDatabase(path: folder.file("catalog.sqlite"), now: { .systemNow() })
    func kept(after lengths: ClosedRange<Int>) async throws -> Int64 {
      try await database.write { db in
        for length in lengths {
          let list = SQL.list(Array(repeating: Int64(1), count: length))
          #expect(try db.row("SELECT 1 AS one WHERE 1 IN \(list)")?.int("one") == 1)
          try db.execute("DELETE FROM sample WHERE number IN \(list)")
        }
        return try db.row("SELECT count(*) AS count FROM sqlite_stmt")?.int("count") ?? 0
      }
    }
    _ = try await database.write { db in try db.execute("CREATE TABLE sample (number INTEGER)") }
    let before = try await kept(after: 1...10)
    #expect(before > 20)
    #expect(try await kept(after: 1...10) == before)
    #expect(try await kept(after: 100...500) == before)
    try database.close()
  }

  @Test(arguments: [true, false])
  func `nothing is written while the file is not in place`(isReplaced: Bool) async throws {
    let path = folder.file("catalog.sqlite")
    let database = try SQLiteDatabase(path: path, now: { .systemNow() })
    _ = try await database.write { db in try db.execute("CREATE TABLE sample (number INTEGER)") }
    // Opens the connection that reads.
    #expect(try await database.read { db in try db.rows("SELECT number FROM sample").isEmpty })
    #expect(database.displacement == nil)
    try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
    if isReplaced { try FileManager.default.copyItem(atPath: path + ".old", toPath: path) }
    #expect(database.displacement?.code == .catalogFailed)
    let insert = { @Sendable (db: any Connection) throws -> Int in try db.execute("INSERT INTO sample VALUES (1)") }
    #expect(await failure { try await database.write { db in try insert(db) } } == .catalogFailed)
    // Reads still work, and writes do again when the file is put back.
    #expect(try await database.read { db in try db.rows("SELECT number FROM sample").isEmpty })
    if isReplaced { try FileManager.default.removeItem(atPath: path) }
    try FileManager.default.moveItem(atPath: path + ".old", toPath: path)
    #expect(database.displacement == nil)
    #expect(try await database.write { db in try insert(db) } == 1)
    try database.close()
  }

  @Test func `a path that cannot be opened is catalogFailed`() async {
    let path = folder.file("missing/catalog.sqlite")
    #expect(await failure { try SQLiteDatabase(path: path, now: { .systemNow() }) } == .catalogFailed)
  }

  @Test func `a file that is not a database is catalogFailed`() async throws {
    let path = folder.file("catalog.sqlite")
    try String(repeating: "Not a database. ", count: 1000).write(toFile: path, atomically: true, encoding: .utf8)
    #expect(
      await failure {
        let database = try SQLiteDatabase(path: path, now: { .systemNow() })
        try await Catalog(database: database).migrate()
      } == .catalogFailed)
  }
}
