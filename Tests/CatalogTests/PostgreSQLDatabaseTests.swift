import Catalog
import Dispatch
import Foundation
import Model
import TestKit
import Testing

/// Behaviour specific to PostgreSQL, with a healthy server.
@Suite(.serialized) struct PostgreSQLDatabaseTests {
  let folder: TemporaryFolder
  let url: String

  init() async throws {
    folder = try TemporaryFolder()
    try await folder.copyMigratedDatabase()
    url = try folder.serverURL()
  }

  private func open(_ settings: PostgreSQLSettings = PostgreSQLSettings()) throws -> PostgreSQLDatabase {
    try PostgreSQLDatabase(url: url, settings: settings)
  }

  private func count(_ table: SQL, in database: any Database) async throws -> Int64? {
    try await database.read { db in try db.row("SELECT count(*) AS count FROM \(table)")?.int("count") }
  }

  /// A read that has begun, and ends only when it is interrupted.
  private func beginRead(of database: PostgreSQLDatabase) async -> Task<Void, any Error> {
    let begun = DispatchSemaphore(value: 0)
    let reading = Task {
      try await database.read { db in
        begun.signal()
        _ = try db.rows("SELECT pg_sleep(600)")
      }
    }
    await wait(for: begun)
    return reading
  }

  // MARK: Several processes

  @Test func `eight workers of two processes never claim the same of a thousand jobs`() async throws {
    let nodes = [try open(), try open()]
    _ = try await nodes[0].write { db in
      try db.execute(
        """
        INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, due_at)
        SELECT 'ingest', 'default', 'call-' || i, 'queued', 'idle', 'standard', 0, 0 FROM generate_series(1, 1000) i
        """)
    }
    let claims = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for number in 0..<8 {
        group.addTask {
          var mine: [Int64] = []
          while let job = try await Catalog(database: nodes[number % 2]).claimJobs(
            in: .polling, lease: .seconds(30), limit: 1
          ).first {
            mine.append(job.id)
          }
          return mine
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(claims.count == 1000)
    #expect(Set(claims).count == 1000)
    for node in nodes { try node.close() }
  }

  @Test func `twenty requests for one new recording at two processes make one job`() async throws {
    let nodes = [try open(), try open()]
    let key = try key("call-1")
    let jobs = try await withThrowingTaskGroup(of: Int64.self) { group in
      for number in 0..<20 {
        group.addTask {
          let entry = LogEntry(
            at: .systemNow(), action: .ingest, outcome: .allowed, actor: nil, recording: key, details: [:])
          return try await Catalog(database: nodes[number % 2])
            .requestIngest(of: key, clearance: .standard, by: "tok_\(number)", entry: entry).id
        }
      }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(jobs.count == 1)
    #expect(try await count("job", in: nodes[1]) == 1)
    #expect(try await count("log_entry", in: nodes[1]) == 20)
    for node in nodes { try node.close() }
  }

  @Test func `processes that start at once migrate the schema once`() async throws {
    let empty = try TemporaryFolder()
    let url = try empty.serverURL()
    let nodes = try (0..<3).map { _ in try PostgreSQLDatabase(url: url) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for node in nodes { group.addTask { try await Catalog(database: node).migrate() } }
      try await group.waitForAll()
    }
    let status = try await Catalog(database: nodes[0]).migrationStatus()
    #expect(try await count("migration", in: nodes[0]) == Int64(status.count))
    for node in nodes { try node.close() }
  }

  @Test func `a process receives changes of others, and its own once and first`() async throws {
    let (here, there) = (try open(), try open())
    // Both processes listen since their first transaction.
    for node in [here, there] { _ = try await count("job", in: node) }
    var changes = here.changes().makeAsyncIterator()
    try await here.write { db in db.notify(.job(1)) }
    #expect(await changes.next() == .job(1))
    try await there.write { db in
      db.notify(.job(2))
      db.notify(.webhookDue)
    }
    #expect(await changes.next() == .job(2))
    #expect(await changes.next() == .webhookDue)
    try await here.write { db in db.notify(.job(3)) }
    try await there.write { db in db.notify(.workDue) }
    // Notifications of own commits would arrive between these.
    #expect(await changes.next() == .job(3))
    #expect(await changes.next() == .workDue)
    for node in [here, there] { try node.close() }
  }

  @Test func `changes that need several notifications arrive in order`() async throws {
    let (here, there) = (try open(), try open())
    _ = try await count("job", in: here)
    let stream = here.changes()
    try await there.write { db in for number in 0..<Int64(4000) { db.notify(.job(number)) } }
    var heard: [Change] = []
    for await change in stream {
      heard.append(change)
      if heard.count == 4000 { break }
    }
    #expect(heard == (0..<4000).map { .job($0) })
    for node in [here, there] { try node.close() }
  }

  // MARK: Cancellation

  @Test func `cancelling a task ends its read, and the connection stays usable`() async throws {
    let database = try open(PostgreSQLSettings(connections: 1))
    for _ in 0..<3 {
      let reading = await beginRead(of: database)
      reading.cancel()
      #expect(await failure { try await reading.value } == .interrupted)
      #expect(try await count("job", in: database) == 0)
    }
    try database.close()
  }

  @Test func `a waiting read is cancelled at once`() async throws {
    let database = try open(PostgreSQLSettings(connections: 1))
    let (begun, finish) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let writing: Void = database.write { _ in
      begun.signal()
      finish.wait()
    }
    await wait(for: begun)
    let reading = Task { try await database.read { db in try db.rows("SELECT 1").count } }
    reading.cancel()
    #expect(await failure { try await reading.value } == .interrupted)
    finish.signal()
    try await writing
    try database.close()
  }

  @Test(.timeLimit(.minutes(1)))
  func `a heartbeat does not wait for reads`() async throws {
    let database = try open(PostgreSQLSettings(connections: 2))
    let catalog = Catalog(database: database)
    let (begun, finish) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let reading: Void = database.read { _ in
      begun.signal()
      finish.wait()
    }
    await wait(for: begun)
    do {
      defer { finish.signal() }
      let seen = try await catalog.correctDueTimes(since: nil)
      _ = try await catalog.correctDueTimes(since: seen)
    }
    try await reading
    try database.close()
  }

  @Test func `cancelling a task does not interrupt its write`() async throws {
    let database = try open()
    let begun = DispatchSemaphore(value: 0)
    let writing = Task {
      try await database.write { db in
        begun.signal()
        // Long enough for the cancellation to arrive first; if it arrives later, the result is the same.
        _ = try db.rows("SELECT pg_sleep(0.3)")
        try db.execute("INSERT INTO account (id, name, role, password_hash, created_at) VALUES ('a', 'a', 'x', 'x', 0)")
      }
    }
    await wait(for: begun)
    writing.cancel()
    try await writing.value
    #expect(try await count("account", in: database) == 1)
    try database.close()
  }

  @Test func `a statement that exceeds its timeout fails`() async throws {
    let database = try open(PostgreSQLSettings(statementTimeout: .milliseconds(200)))
    let error = await error { try await database.read { db in try db.rows("SELECT pg_sleep(600)").count } }
    #expect(error?.code == .catalogFailed)
    #expect(error?.detail?.contains("57014") == true)
    try database.close()
  }

  @Test func `closing ends a running read`() async throws {
    let database = try open()
    let reading = await beginRead(of: database)
    try database.close()
    #expect(await failure { try await reading.value } == .interrupted)
  }

  // MARK: Connections

  @Test func `the connections are limited, and one more listens`() async throws {
    let database = try open(PostgreSQLSettings(connections: 3))
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Reads that take a moment, so that many of them are wanted at once.
      for _ in 0..<30 { group.addTask { _ = try await database.read { db in try db.rows("SELECT pg_sleep(0.01)") } } }
      for _ in 0..<30 {
        group.addTask { _ = try await database.write { db in try db.execute("UPDATE job SET polls = 0") } }
      }
      try await group.waitForAll()
    }
    let name = try await database.read { db in try db.row("SELECT current_database() AS name")?.text("name") }
    let connections = try PostgresServer.shared()
      .run("SELECT count(*) FROM pg_stat_activity WHERE datname = '\(name ?? "")' AND backend_type = 'client backend'")
    #expect(connections == "4")
    try database.close()
  }

  @Test func `readers leave a connection for writers`() async throws {
    let database = try open(PostgreSQLSettings(connections: 4))
    let (begun, finish) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let readers = (0..<10).map { _ in
      Task {
        try await database.read { _ in
          begun.signal()
          finish.wait()
        }
      }
    }
    for _ in 0..<3 { await wait(for: begun) }
    try await database.write { db in _ = try db.execute("UPDATE job SET polls = 0") }
    for _ in readers { finish.signal() }
    for reader in readers { try await reader.value }
    try database.close()
  }

  @Test func `evicted statements still work`() async throws {
    let database = try open(PostgreSQLSettings(connections: 1))
    for round in 0..<2 {
      for number in 0..<300 {
        let found = try await database.read { db in
          try db.row(SQL(stringLiteral: "SELECT \(number) AS number") + " WHERE \(round) < 2")?.int("number")
        }
        #expect(found == Int64(number))
      }
    }
    let kept = try await database.read { db in
      try db.row("SELECT count(*) AS count FROM pg_prepared_statements")?.int("count")
    }
    #expect((150...200).contains(try #require(kept)))
    try database.close()
  }

  @Test func `a changed table is read with its current columns`() async throws {
    let (here, there) = (try open(PostgreSQLSettings(connections: 1)), try open())
    #expect(try await here.read { db in try db.rows("SELECT * FROM account").count } == 0)
    _ = try await there.write { db in
      try db.execute("ALTER TABLE account ADD COLUMN shoe_size BIGINT NOT NULL DEFAULT 42")
      try db.execute("INSERT INTO account (id, name, role, password_hash, created_at) VALUES ('a', 'a', 'x', 'x', 0)")
    }
    #expect(try await here.read { db in try db.row("SELECT * FROM account")?.int("shoe_size") } == 42)
    for node in [here, there] { try node.close() }
  }

  // MARK: Failures

  @Test func `a full disk has its own error, other failures contain the SQLSTATE`() async throws {
    let database = try open()
    func code(_ state: String) async -> TapedeckError? {
      await error {
        try await database.write { db in
          try db.execute(SQL(stringLiteral: "DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '\(state)'; END $$"))
        }
      }
    }
    #expect(await code("53100")?.code == .diskFull)
    #expect(await code("XX000")?.code == .catalogFailed)
    #expect(await code("XX000")?.detail == "SQLSTATE XX000: planted")
    try database.close()
  }

  @Test func `a transaction that always conflicts fails in the end`() async throws {
    let database = try open()
    let runs = Counter()
    let code = await failure {
      try await database.write { db in
        runs.increment()
        try db.execute("DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '40001'; END $$")
      }
    }
    #expect(code == .catalogFailed)
    #expect((50...500).contains(runs.value))
    try database.close()
  }

  @Test func `the password is used for signing in and is in no error`() async throws {
    let server = try PostgresServer.shared()
    let name = try #require(
      try await open().read { db in try db.row("SELECT current_database() AS name")?.text("name") })
    let right = try PostgreSQLDatabase(url: server.networkURL(of: name))
    #expect(try await count("job", in: right) == 0)
    try right.close()
    let wrong = try PostgreSQLDatabase(url: server.networkURL(of: name, password: "very secret"))
    let error = try #require(await error { try await count("job", in: wrong) })
    #expect(error.code == .catalogFailed)
    #expect(error.detail?.contains("password authentication failed") == true)
    #expect(!"\(error) \(error.detail ?? "") \(error.cause.map { "\($0)" } ?? "")".contains("secret"))
    try wrong.close()
  }

  @Test(
    arguments: [
      "", "tapedeck", "mysql://u:secret@h/d", "postgres://u:sec/ret@h/d", "postgres://u:12/secret@h/d",
      "postgres://u:sec@ret@h/d", "postgres://u:secret%zz@h/d", "postgres://u:secret@h:port/d",
      "postgres://u@h/d?password=secret&nonsense=secret", "postgres://u:secret@h/d\u{0}",
    ])
  func `a malformed URL is refused without being quoted`(url: String) async {
    let error = await error { try PostgreSQLDatabase(url: url) }
    #expect(error?.code == .configurationInvalid)
    let words = "\(error?.message ?? "") \(error?.detail ?? "")"
    for secret in ["sec", "ret", "12"] { #expect(!words.contains(secret)) }
  }
}
