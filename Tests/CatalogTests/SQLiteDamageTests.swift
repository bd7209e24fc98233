import Catalog
import Foundation
import Model
import TestKit
import Testing

/// A damaged catalog is never served from, and the message says what is wrong.
@Suite(.timeLimit(.minutes(2)))
struct SQLiteDamageTests {
  enum Damage: CaseIterable, Sendable {
    case header, schemaPage, middlePages, lastPage, flippedBytes, half, text

    var isNoDatabase: Bool { self == .header || self == .text }
  }

  private let folder: TemporaryFolder
  private var path: String { folder.file("catalog.sqlite") }

  init() throws { folder = try TemporaryFolder() }

  private func open() throws -> SQLiteDatabase { try SQLiteDatabase(path: path, now: { .systemNow() }) }

  /// Creates a catalog in which every page has rows.
  private func fill() async throws {
    let database = try open()
    try await Catalog(database: database).migrate()
    try await database.write { db in
      try db.execute("CREATE TABLE sample (number INTEGER PRIMARY KEY, words TEXT)")
      for number in 0..<2000 {
        let words = String(repeating: "word ", count: 40)
        try db.execute("INSERT INTO sample VALUES (\(Int64(number)), \(words))")
      }
    }
    try database.close()
  }

  private func strike(_ damage: Damage) throws {
    let url = URL(filePath: path)
    var bytes = try Data(contentsOf: url)
    let pages = bytes.count / 4096
    func clear(_ page: Int) { bytes.replaceSubrange(page * 4096..<(page + 1) * 4096, with: Data(count: 4096)) }
    switch damage {
    case .header: bytes.replaceSubrange(0..<16, with: Data(repeating: 7, count: 16))
    case .schemaPage: bytes.replaceSubrange(100..<4096, with: Data(count: 3996))
    case .middlePages: for page in pages / 2..<pages / 2 + 4 { clear(page) }
    case .lastPage: clear(pages - 1)
    case .flippedBytes:
      for page in pages / 2..<pages / 2 + 20 { for byte in 0..<12 { bytes[page * 4096 + byte] ^= 0x5A } }
    case .half: bytes = bytes.prefix(pages / 2 * 4096)
    case .text: bytes = Data(String(repeating: "This is not a database. ", count: 1000).utf8)
    }
    try bytes.write(to: url)
  }

  @Test(arguments: Damage.allCases)
  func `a damaged file fails its check with the problem and how to restore`(damage: Damage) async throws {
    try await fill()
    try strike(damage)
    let failures = [
      await error(of: {
        let database = try open()
        defer { try? database.close() }
        try await database.check()
      }), await error(of: { try SQLiteDatabase.inspect(path: path) }),
    ]
    for failure in failures {
      #expect(failure?.code == .catalogFailed)
      let problem = damage.isNoDatabase ? "is not an SQLite database" : "is damaged (malformed)"
      #expect(failure?.message.contains(problem) == true, "\(failure?.message ?? "none"), \(failure?.detail ?? "")")
      #expect(failure?.message.contains("restore") == true)
      #expect(failure?.message.contains(path) == false, "Every caller sees the message.")
    }
  }

  @Test func `an intact file passes`() async throws {
    try await fill()
    let database = try open()
    try await database.check()
    #expect(database.damage == nil)
    try SQLiteDatabase.inspect(path: path)
    try database.close()
  }

  @Test func `damage that a query meets is remembered`() async throws {
    try await fill()
    try strike(.middlePages)
    let database = try open()
    #expect(database.damage == nil)
    let read = await error(of: {
      try await database.read { db in try db.rows("SELECT sum(length(words)) AS sum FROM sample").count }
    })
    #expect(read?.code == .catalogFailed)
    #expect(database.damage?.message == read?.message)
    // Other tables can be read, but the catalog stays reported as damaged.
    _ = try await database.read { db in try db.rows("SELECT version FROM migration").count }
    #expect(database.damage != nil)
    try database.close()
  }

  @Test func `a failure that is not damage is not remembered`() async throws {
    try await fill()
    let database = try open()
    #expect(await failure(of: { try await database.read { db in try db.rows("SELECT nonsense").count } }) != nil)
    #expect(database.damage == nil)
    try database.close()
  }

  @Test(arguments: [true, false])
  func `a path that cannot be opened is named as such`(isFolder: Bool) async throws {
    if isFolder { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }
    let target = isFolder ? path : folder.file("missing/catalog.sqlite")
    let failures = [
      await error(of: { try SQLiteDatabase(path: target, now: { .systemNow() }) }),
      await error(of: { try SQLiteDatabase.inspect(path: target) }),
    ]
    for failure in failures {
      #expect(failure?.code == .catalogFailed)
      #expect(failure?.message.contains("cannot be opened") == true, "\(failure?.message ?? "")")
    }
  }

  @Test func `an inspection reports a schema of a newer version`() async throws {
    try await fill()
    let database = try open()
    _ = try await database.write { db in
      try db.execute("INSERT INTO migration (version, name, applied_at) VALUES (99, 'later', 0)")
    }
    let failures = [
      await error(of: { try SQLiteDatabase.inspect(path: path) }),
      await error(of: { try await Catalog(database: database).checkSchema() }),
      await error(of: { try await Catalog(database: database).migrate() }),
    ]
    for failure in failures { #expect(failure?.message.contains("newer version") == true) }
    try database.close()
  }

  @Test(arguments: ["recording", "log_entry", "media_part", "account", "object"])
  func `a catalog without one of its tables is refused with the table's name`(table: String) async throws {
    try await fill()
    let database = try open()
    let catalog = Catalog(database: database)
    try await catalog.checkSchema(mayBeEmpty: false)
    _ = try await database.write { db in
      try db.execute("PRAGMA defer_foreign_keys = ON")
      try db.execute(SQL(stringLiteral: "DROP TABLE \(table)"))
    }
    let failures = [
      await error(of: { try SQLiteDatabase.inspect(path: path) }),
      await error(of: { try await catalog.checkSchema() }),
      await error(of: { try await catalog.migrate() }),
    ]
    for failure in failures {
      #expect(failure?.code == .catalogFailed)
      #expect(failure?.message.contains("incomplete (missing: \(table))") == true, "\(failure?.message ?? "")")
      #expect(failure?.message.contains("restore") == true)
    }
    try database.close()
  }

  @Test(arguments: ["ALTER TABLE recording DROP COLUMN warning", "DROP TRIGGER recording_text_insert"])
  func `an inspection finds a missing column or trigger`(change: String) async throws {
    try await fill()
    let database = try open()
    try await Catalog(database: database).migrate()
    _ = try await database.write { db in try db.execute(SQL(stringLiteral: change)) }
    let failure = await error(of: { try SQLiteDatabase.inspect(path: path) })
    #expect(failure?.message.contains("incomplete (missing: recording") == true, "\(failure?.message ?? "")")
    try database.close()
  }

  @Test func `only a catalog that may be empty needs no migrations`() async throws {
    let database = try open()
    let catalog = Catalog(database: database)
    try await catalog.checkSchema()
    let failure = await error(of: { try await catalog.checkSchema(mayBeEmpty: false) })
    #expect(failure?.message.contains("missing: migration") == true)
    #expect(try SQLiteDatabase.inspect(path: path) == false)
    try await catalog.migrate()
    #expect(try SQLiteDatabase.inspect(path: path) == false)
    let content = ObjectContent(hash: ContentHash(rawValue: String(repeating: "0", count: 64))!, bytes: 1)
    _ = try await catalog.reserve([(.mp3, content)])
    #expect(try SQLiteDatabase.inspect(path: path))
    try database.close()
  }

  // MARK: Closing

  @Test(arguments: [0, 1, 4])
  func `after closing, a plain copy of the file has every commit`(readers: Int) async throws {
    try await fill()
    let database = try open()
    _ = try await database.write { db in try db.execute("UPDATE sample SET words = 'changed'") }
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<readers {
        group.addTask { try await database.read { db in try db.rows("SELECT number FROM sample").count } }
      }
      try await group.waitForAll()
    }
    _ = try await database.cachedRow(nil) { db in try db.rows("SELECT number FROM sample LIMIT 1").count }
    try database.close()
    let copy = folder.file("copy.sqlite")
    try FileManager.default.copyItem(atPath: path, toPath: copy)
    let copied = try SQLiteDatabase(path: copy, now: { .systemNow() })
    let unchanged = try await copied.read { db in
      try db.row("SELECT count(*) AS count FROM sample WHERE words <> 'changed'")?.int("count")
    }
    #expect(unchanged == 0)
    try copied.close()
    let log = try? FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int
    #expect((log ?? 0) == 0)
  }
}
