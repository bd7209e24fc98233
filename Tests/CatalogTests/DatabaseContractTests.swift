import Catalog
import Dispatch
import Model
import TestKit
import Testing

/// The contract of `Database`, on both databases.
@Suite(.serialized) struct DatabaseContractTests {
  let clock = TestClock()
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A database with one table.
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
  func `values of every type are read as they were written`(kind: DatabaseKind) async throws {
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
  func `values and nulls take the type of their context`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in
      // The same statements with and without values, in both orders, since they may share prepared statements.
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
  func `own types are stored in their documented forms`(kind: DatabaseKind) async throws {
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
  func `a text is not cut at a NUL`(kind: DatabaseKind) async throws {
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
  func `an interpolated value is never SQL`(kind: DatabaseKind, text: String) async throws {
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
  func `a missing column or another type is an error`(kind: DatabaseKind) async throws {
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
  func `a transaction that throws is rolled back, and its error is rethrown`(kind: DatabaseKind) async throws {
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
  func `a failed statement fails the transaction even if the closure catches the error`(kind: DatabaseKind) async throws
  {
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
  func `concurrent transactions on one row lose no update`(
    kind: DatabaseKind, isolation: Isolation
  ) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in try db.execute("INSERT INTO sample (id, number) VALUES (1, 0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<40 {
        group.addTask {
          try await database.write(isolation) { db in
            // With the weaker isolation the statement itself must add.
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
  func `concurrent transactions that fail undo their own changes only`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    _ = try await database.write { db in try db.execute("CREATE UNIQUE INDEX sample_number ON sample (number)") }
    let results = await withTaskGroup(of: (Int64, Int64?).self, returning: [Int64: Int64?].self) { group in
      for number: Int64 in 0..<200 {
        group.addTask {
          let result = try? await database.write(.readCommitted) { db in
            try db.execute("INSERT INTO sample (number) VALUES (\(number))")
            switch number % 5 {
            case 1: throw Unrelated()
            case 2: try db.execute("INSERT INTO absent (value) VALUES (1)")
            case 3: _ = try? db.execute("INSERT INTO sample (number) VALUES (\(number))")
            default: break
            }
            return number
          }
          return (number, result)
        }
      }
      return await group.reduce(into: [:]) { results, result in results[result.0] = result.1 }
    }
    for (number, result) in results { #expect(result == ([0, 4].contains(number % 5) ? number : nil)) }
    let numbers = try await database.read { db in
      try db.rows("SELECT number FROM sample ORDER BY number").map { try $0.int("number") }
    }
    #expect(numbers == (0..<200).filter { [0, 4].contains($0 % 5) })
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a transaction is invisible before its commit`(kind: DatabaseKind) async throws {
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
  func `a statement returns the number of changed rows`(kind: DatabaseKind) async throws {
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
  func `a statement may have ten thousand values, repeatedly`(kind: DatabaseKind) async throws {
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
  func `a cached query sees every earlier commit`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    func count(of number: Int64) async throws -> Int64? {
      try await database.cachedRow(CachedQuery("count", number)) { db in
        try db.row("SELECT count(*) AS count FROM sample WHERE number = \(number)")?.int("count")
      }
    }
    for expected: Int64 in 0..<5 {
      for _ in 0..<3 { #expect(try await count(of: 1) == expected) }
      #expect(try await count(of: 2) == 0)
      _ = try await database.write { db in try db.execute("INSERT INTO sample (number) VALUES (1)") }
    }
    // A result that was read during a commit is not cached.
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
  func `a read cannot change rows`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    let code = await failure {
      try await database.read { db in _ = try db.execute("INSERT INTO sample (number) VALUES (1)") }
    }
    #expect(code == .catalogFailed)
    try database.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a cancelled task can still write, and its reads end`(kind: DatabaseKind) async throws {
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
  func `commits survive a restart`(kind: DatabaseKind) async throws {
    let first = try await open(kind)
    _ = try await first.write { db in try db.execute("INSERT INTO sample (value) VALUES ('kept')") }
    try first.close()
    let second = try kind.open(in: folder, now: { [clock] in clock.now })
    #expect(try await second.read { db in try db.row("SELECT value FROM sample")?["value"] } == .text("kept"))
    try second.close()
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a database that is closed again stays closed`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    for _ in 1...3 {
      try database.close()
      #expect(await failure { try await database.read { db in try db.rows("SELECT 1").count } } == .catalogFailed)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a closed database throws`(kind: DatabaseKind) async throws {
    let database = try await open(kind)
    try database.close()
    #expect(await failure { try await database.read { db in try db.rows("SELECT 1").count } } == .catalogFailed)
    #expect(
      await failure { try await database.write { db in try db.execute("DELETE FROM sample") } } == .catalogFailed)
  }

  // MARK: Time

  @Test(arguments: DatabaseKind.allCases)
  func `time in SQL is the given clock`(kind: DatabaseKind) async throws {
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
  func `subscribers receive committed changes only`(kind: DatabaseKind) async throws {
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
  func `a received change is visible`(kind: DatabaseKind) async throws {
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
  func `the buffer of a slow subscriber is bounded and drops the oldest changes`(kind: DatabaseKind) async throws {
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
