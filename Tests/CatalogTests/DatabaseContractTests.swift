import Catalog
import Dispatch
import Model
import TestKit
import Testing

/// What every database does.
@Suite(.serialized) struct DatabaseContractTests {
  let clock = TestClock()
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A database with one table to play with.
  private func open(_ kind: DatabaseKind) async throws -> any Database {
    let database = try await kind.openMigrated(in: folder, now: { [clock] in clock.now })
    _ = try await database.write { db in
      let (integer, text) = (db.dialect.integer, db.dialect.text)
      try db.execute(
        """
        CREATE TABLE sample (
          id \(db.dialect.identity), number \(integer), fraction DOUBLE PRECISION, value \(text), bytes \(db.dialect.blob))
        """)
    }
    return database
  }

  private struct Unrelated: Error {}

  // MARK: Values

  @Test(arguments: DatabaseKind.allCases)
  func `values of every kind come back as they were`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let values: [Value] = [
      .null, .integer(0), .integer(.max), .integer(.min), .real(0.1), .real(-1e300), .text(""), .text("é 日本 🎧\n\t"),
      .text("1"), .text("NULL"), .text(String(repeating: "x", count: 1_000_000)), .blob([]), .blob([0, 255, 0]),
      .blob([UInt8](repeating: 7, count: 1_000_000)),
    ]
    let read = try await database.write { db in
      for (id, value) in values.enumerated() {
        switch value {
        case .null: try db.execute("INSERT INTO sample (id, value) VALUES (\(id), \(value))")
        case .integer: try db.execute("INSERT INTO sample (id, number) VALUES (\(id), \(value))")
        case .real: try db.execute("INSERT INTO sample (id, fraction) VALUES (\(id), \(value))")
        case .text: try db.execute("INSERT INTO sample (id, value) VALUES (\(id), \(value))")
        case .blob: try db.execute("INSERT INTO sample (id, bytes) VALUES (\(id), \(value))")
        }
      }
      return try db.rows("SELECT * FROM sample ORDER BY id").map { row in
        ["number", "fraction", "value", "bytes"].map { row[$0] }.first { $0 != .null } ?? .null
      }
    }
    #expect(read == values)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a value and a null have the type that belongs where they stand`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in
      // The same statements with and without values, in both orders: what was prepared for one must do for the other.
      for number: Int64? in [nil, 5, nil, .max] {
        for text: String? in [nil, "x", nil] {
          let bytes: [UInt8]? = text.map { Array($0.utf8) }
          let fraction: Value = number.map { .real(Double($0)) } ?? .null
          try db.execute("DELETE FROM sample")
          try db.execute(
            "INSERT INTO sample (number, value, bytes, fraction) VALUES (\(number), \(text), \(bytes), \(fraction))")
          let row = try db.row(
            """
            SELECT coalesce(\(number), number, 7) AS first_number, coalesce(\(text), value, 'y') AS first_text,
              CASE coalesce(\(text), 'z') WHEN 'x' THEN \(number) ELSE 3 END AS chosen,
              CAST(\(text) AS TEXT) IS NULL AS absent, tapedeck_now_ms() - \(number) AS difference,
              (SELECT count(*) FROM sample WHERE number = \(number) OR value = \(text) OR bytes = \(bytes)) AS matching
            FROM sample WHERE id > \(0) LIMIT \(1)
            """)
          #expect(row?["first_number"] == .integer(number ?? 7))
          #expect(row?["first_text"] == .text(text ?? "y"))
          #expect(row?["chosen"] == (text == nil ? .integer(3) : number.map { .integer($0) } ?? .null))
          #expect(row?["absent"] == .integer(text == nil ? 1 : 0))
          #expect((row?["difference"] == .null) == (number == nil))
          #expect(row?["matching"] == .integer(number == nil && text == nil ? 0 : 1))
          let both = try db.rows("SELECT \(text) AS word UNION ALL SELECT value FROM sample UNION ALL SELECT 'w'")
          #expect(
            both.map { $0["word"] } == [text.map { .text($0) } ?? .null, text.map { .text($0) } ?? .null, .text("w")])
        }
      }
    }
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `types of ours are stored in their documented forms`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let nothing: String? = nil
    let row = try await database.read { db in
      try db.row(
        """
        SELECT \(Instant(milliseconds: 5)) AS instant, \(true) AS on_flag, \(false) AS off_flag, \(nothing) AS absent,
          \(Privacy.restricted) AS privacy, \(TapedeckError.Code.diskFull) AS code
        """)
    }
    #expect(row?["instant"] == .integer(5))
    #expect(row?["on_flag"] == .integer(1))
    #expect(row?["off_flag"] == .integer(0))
    #expect(row?["absent"] == .null)
    #expect(row?["privacy"] == .text("restricted"))
    #expect(row?["code"] == .text("disk_full"))
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a text is not cut off where it holds a NUL`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in try db.execute("INSERT INTO sample (value) VALUES (\("anna"))") }
    let found = try await database.read { db in
      (
        try db.rows("SELECT value FROM sample WHERE value = \("anna\u{0}x")").count,
        try db.row("SELECT \("a\u{0}b") AS value")?["value"]
      )
    }
    #expect(found.0 == 0)
    #expect(found.1 == .text("a\u{FFFD}b"))
    try database.close()
  }

  @Test(
    arguments: DatabaseKind.allCases,
    [
      "'", "''; DROP TABLE sample; --", "\" OR 1=1", "?", "$1", ":name", "\\", "%", "_", "'); DELETE FROM sample; --",
      "a'||(SELECT 1)||'b",
    ])
  func `what is interpolated is a value, whatever it looks like`(kind: DatabaseKind, text: String) async throws {
    let database = try await open(kind)
    let found = try await database.write { db in
      try db.execute("INSERT INTO sample (value) VALUES (\("bystander"))")
      try db.execute("INSERT INTO sample (value) VALUES (\(text))")
      return try db.rows("SELECT value FROM sample WHERE value = \(text) AND value IN \(.list([text, "x"]))")
        .map { $0["value"] }
    }
    #expect(found == [.text(text)])
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").count } == 2)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a column that is missing or of another type is an error, not a default`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let row = try #require(try await database.read { db in try db.row("SELECT 'x' AS word, NULL AS empty") })
    #expect(try row.text("word") == "x")
    #expect(await failure { try row.int("word") } == .catalogFailed)
    #expect(await failure { try row.text("empty") } == .catalogFailed)
    #expect(await failure { try row.text("absent") } == .catalogFailed)
    #expect(await failure { try row.value("word", as: Privacy.self) } == .catalogFailed)
    #expect(row.optionalInt("word") == nil)
    try database.close()
  }

  // MARK: Transactions

  @Test(arguments: DatabaseKind.allCases)
  func `a transaction that throws is undone, and its error arrives as it was`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let ours = await failure {
      try await database.write { db in
        try db.execute("INSERT INTO sample (number) VALUES (1)")
        throw TapedeckError(.alreadyExists)
      }
    }
    let foreign = await failure {
      try await database.write { db in
        try db.execute("INSERT INTO sample (number) VALUES (1)")
        throw Unrelated()
      }
    }
    let malformed = await failure {
      try await database.write { db in
        try db.execute("INSERT INTO sample (number) VALUES (1)")
        try db.execute("INSERT INTO absent (value) VALUES (1)")
      }
    }
    #expect(ours == .alreadyExists)
    #expect(foreign == .catalogFailed)
    #expect(malformed == .catalogFailed)
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").isEmpty })
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a statement that failed is not forgiven, whatever the closure makes of it`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let code = await failure {
      try await database.write { db in
        try db.execute("INSERT INTO sample (number) VALUES (1)")
        _ = try? db.execute("INSERT INTO absent (value) VALUES (1)")
        _ = try? db.execute("INSERT INTO sample (number) VALUES (2)")
      }
    }
    #expect(code == .catalogFailed)
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").isEmpty })
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases, [Isolation.serializable, .readCommitted])
  func `transactions that read and write the same row lose nothing of each other`(
    kind: DatabaseKind, isolation: Isolation
  ) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in try db.execute("INSERT INTO sample (id, number) VALUES (1, 0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<40 {
        group.addTask {
          try await database.write(isolation) { db in
            // With the weaker isolation the arithmetic has to be the statement's own.
            if isolation == .readCommitted {
              try db.execute("UPDATE sample SET number = number + 1 WHERE id = 1")
            } else {
              let number = try db.row("SELECT number FROM sample WHERE id = 1")?.int("number") ?? 0
              try db.execute("UPDATE sample SET number = \(number + 1) WHERE id = 1")
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await database.read { db in try db.row("SELECT number FROM sample")?.int("number") } == 40)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `nobody sees a transaction before it is committed`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let inserted = DispatchSemaphore(value: 0)
    let looked = DispatchSemaphore(value: 0)
    async let writing: Void = database.write { db in
      try db.execute("INSERT INTO sample (number) VALUES (1)")
      inserted.signal()
      looked.wait()
    }
    let seen = try await database.read { db in
      inserted.wait()
      defer { looked.signal() }
      return try db.rows("SELECT * FROM sample").count
    }
    try await writing
    #expect(seen == 0)
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").count } == 1)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a statement says how many rows it changed`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let counts = try await database.write { db in
      [
        try db.execute("INSERT INTO sample (number) VALUES (1), (2), (3)"),
        try db.execute("UPDATE sample SET number = 9 WHERE number > 1"),
        try db.execute("UPDATE sample SET number = 9 WHERE number = 77"), try db.execute("DELETE FROM sample"),
      ]
    }
    #expect(counts == [3, 2, 0, 3])
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a statement may have ten thousand values, again and again`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let numbers = SQL.list((0..<10_000).map(Int64.init))
    for _ in 0..<2 {
      let count = try await database.write { db in
        try db.execute("INSERT INTO sample (number) VALUES (1), (9999), (10000)")
        return try db.row("SELECT count(*) AS count FROM sample WHERE number IN \(numbers)")?.int("count")
      }
      #expect(count.map { $0 % 2 } == 0)
    }
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a look-up sees what was committed before it, however often it was asked before`(kind: DatabaseKind) async throws
  {
    let database = try await open(kind)
    func count(of number: Int64) async throws -> Int64? {
      try await database.lookUp(LookUp("count", number)) { db in
        try db.row("SELECT count(*) AS count FROM sample WHERE number = \(number)")?.int("count")
      }
    }
    for expected: Int64 in 0..<5 {
      for _ in 0..<3 { #expect(try await count(of: 1) == expected) }
      #expect(try await count(of: 2) == 0)
      _ = try await database.write { db in try db.execute("INSERT INTO sample (number) VALUES (1)") }
    }
    // One that is under way while others commit is not remembered as what came before it.
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<50 {
            let before = try await count(of: 3) ?? 0
            _ = try await database.write { db in try db.execute("INSERT INTO sample (number) VALUES (3)") }
            let after = try await count(of: 3) ?? 0
            #expect(after > before)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try await count(of: 3) == 200)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `reading changes nothing`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let code = await failure {
      try await database.read { db in _ = try db.execute("INSERT INTO sample (number) VALUES (1)") }
    }
    #expect(code == .catalogFailed)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `whoever was cancelled can still write, and need not read`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let codes = await Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return (
        await failure { try await database.write { db in try db.execute("INSERT INTO sample (number) VALUES (1)") } },
        await failure { try await database.read { db in try db.rows("SELECT * FROM sample").count } }
      )
    }.value
    #expect(codes.0 == nil)
    #expect(codes.1 == .interrupted)
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").count } == 1)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `what was committed is there after the next start`(kind: DatabaseKind) async throws {
    let first = try await open(kind)
    _ = try await first.write { db in try db.execute("INSERT INTO sample (value) VALUES ('kept')") }
    try first.close()
    let second = try kind.open(in: folder, now: { [clock] in clock.now })
    #expect(try await second.read { db in try db.row("SELECT value FROM sample")?["value"] } == .text("kept"))
    try second.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a closed database answers nobody`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    try database.close()
    #expect(await failure { try await database.read { db in try db.rows("SELECT 1").count } } == .catalogFailed)
    #expect(
      await failure { try await database.write { db in try db.execute("DELETE FROM sample") } } == .catalogFailed)
  }

  // MARK: Time

  @Test(arguments: DatabaseKind.allCases)
  func `time in SQL is the clock that was given`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    for _ in 0..<3 {
      let read = try await database.read { db in try db.row("SELECT tapedeck_now_ms() AS now")?.instant("now") }
      let written = try await database.write { db in try db.row("SELECT tapedeck_now_ms() AS now")?.instant("now") }
      #expect(read == clock.now)
      #expect(written == clock.now)
      clock.advance(by: .milliseconds(1234))
    }
    try database.close()
  }

  // MARK: Changes

  @Test(arguments: DatabaseKind.allCases)
  func `every subscriber hears what was committed, and nothing of what was undone`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let streams = (0..<3).map { _ in database.changes() }
    _ = await failure {
      try await database.write { db in
        db.notify(.job(1))
        throw TapedeckError(.leaseLost)
      }
    }
    try await database.write { db in
      db.notify(.job(2))
      db.notify(.workDue)
    }
    let late = database.changes()
    try await database.write { db in db.notify(.webhookDue) }
    try database.close()
    for stream in streams {
      var heard: [Change] = []
      for await change in stream { heard.append(change) }
      #expect(heard == [.job(2), .workDue, .webhookDue])
    }
    var heard: [Change] = []
    for await change in late { heard.append(change) }
    #expect(heard == [.webhookDue])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `whoever hears of a change can see it`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    var changes = database.changes().makeAsyncIterator()
    async let writing: Void = database.write { db in
      db.notify(.workDue)
      try db.execute("INSERT INTO sample (number) VALUES (1)")
    }
    #expect(await changes.next() == .workDue)
    #expect(try await database.read { db in try db.rows("SELECT * FROM sample").count } == 1)
    try await writing
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a slow subscriber costs a bounded number of changes and loses the oldest`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let changes = database.changes()
    try await database.write { db in for number in 0..<Int64(10_000) { db.notify(.job(number)) } }
    try database.close()
    var heard: [Change] = []
    for await change in changes { heard.append(change) }
    #expect(heard.count < 10_000)
    #expect(heard.last == .job(9_999))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a subscription to a closed database ends at once`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    try database.close()
    for await change in database.changes() { Issue.record("\(change)") }
  }
}
