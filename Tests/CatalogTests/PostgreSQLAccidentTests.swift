import Catalog
import Dispatch
import Foundation
import Model
import TestKit
import Testing

/// Transactions during crashes and restarts of the server.
@Suite(.serialized) struct PostgreSQLAccidentTests {
  /// A server that may be killed.
  static let server = Result { try PostgresServer(settings: []) }

  let server: PostgresServer
  let database: PostgreSQLDatabase
  let url: String

  init() async throws {
    server = try Self.server.get()
    url = server.url(of: try server.makeDatabase())
    database = try PostgreSQLDatabase(url: url)
    try await Catalog(database: database).migrate()
    _ = try await database.write { db in try db.execute("CREATE TABLE sample (number BIGINT)") }
  }

  private func numbers() async throws -> [Int64] {
    try await database.read { db in
      try db.rows("SELECT number FROM sample ORDER BY number").map { try $0.int("number") }
    }
  }

  private func insert(_ number: Int) async throws {
    try await database.write { db in _ = try db.execute("INSERT INTO sample (number) VALUES (\(number))") }
  }

  private func restart() throws {
    try server.crash()
    try server.start()
  }

  @Test func `work continues after a restart of the server`() async throws {
    try await insert(1)
    try restart()
    #expect(try await numbers() == [1])
    try restart()
    try await insert(2)
    #expect(try await numbers() == [1, 2])
    try database.close()
  }

  @Test func `a transaction during a crash is repeated, and committed once`() async throws {
    let runs = Counter()
    let (begun, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let writing: Void = database.write { db in
      try db.execute("INSERT INTO sample (number) VALUES (7)")
      if runs.increment() == 1 {
        begun.signal()
        go.wait()
      }
      try db.execute("INSERT INTO sample (number) VALUES (8)")
    }
    await wait(for: begun)
    try restart()
    go.signal()
    try await writing
    #expect(runs.value == 2)
    #expect(try await numbers() == [7, 8])
    try database.close()
  }

  @Test func `a read during a crash is repeated`() async throws {
    try await insert(1)
    let runs = Counter()
    let (begun, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let reading = database.read { db in
      if runs.increment() == 1 {
        begun.signal()
        go.wait()
      }
      return try db.rows("SELECT * FROM sample").count
    }
    await wait(for: begun)
    try restart()
    go.signal()
    #expect(try await reading == 1)
    #expect(runs.value == 2)
    try database.close()
  }

  @Test func `an unreachable server is an error, and work continues when it is back`() async throws {
    try await insert(1)
    try server.crash()
    let error = await error { try await numbers() }
    #expect(error?.code == .catalogFailed)
    #expect(error?.message.contains("cannot be reached") == true)
    try server.start()
    // For a second after each failed attempt, work fails at once.
    var found: [Int64]?
    while found == nil { found = try? await numbers() }
    #expect(found == [1])
    try database.close()
  }

  @Test func `after a restart a process receives changes again, and wakes for missed ones`() async throws {
    let other = try PostgreSQLDatabase(url: url)
    var changes = database.changes().makeAsyncIterator()
    try restart()
    #expect(await changes.next() == .workDue)
    #expect(await changes.next() == .webhookDue)
    #expect(await changes.next() == .taskDue)
    #expect(await changes.next() == .accessNarrowed)
    try await other.write { db in db.notify(.job(5)) }
    #expect(await changes.next() == .job(5))
    for node in [database, other] { try node.close() }
  }

  @Test func `a transaction whose commit failed is repeated`() async throws {
    // The first commit ends its own connection.
    _ = try await database.write { db in
      try db.execute("CREATE SEQUENCE commits")
      try db.execute(
        """
        CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
          RETURN NULL;
        END $$
        """)
      try db.execute(
        """
        CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON sample DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION break_off()
        """)
    }
    let runs = Counter()
    var changes = database.changes().makeAsyncIterator()
    try await database.write { db in
      runs.increment()
      try db.execute("INSERT INTO sample (number) VALUES (1)")
      db.notify(.job(9))
    }
    #expect(runs.value == 2)
    #expect(try await numbers() == [1])
    #expect(await changes.next() == .job(9))
    try database.close()
  }

  @Test func `a commit whose response was lost is not repeated`() async throws {
    // A commit is durable before it waits for a standby, and this one waits forever.
    try server.set("synchronous_standby_names", to: "absent")
    let runs = Counter()
    async let writing: Void = database.write { db in
      runs.increment()
      try db.execute("INSERT INTO sample (number) VALUES (1)")
    }
    let waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    while try server.run("SELECT count(*) \(waiting)") == "0" { await Task.yield() }
    try server.run("SELECT pg_terminate_backend(pid) \(waiting)")
    try await writing
    try server.set("synchronous_standby_names", to: nil)
    #expect(runs.value == 1)
    #expect(try await numbers() == [1])
    try database.close()
  }

  @Test func `a commit with an unknown outcome is an error`() async throws {
    try server.set("synchronous_standby_names", to: "absent")
    let runs = Counter()
    let writing = Task { [database] in
      try await database.write { db in
        runs.increment()
        try db.execute("INSERT INTO sample (number) VALUES (1)")
      }
    }
    while try server.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "0" {
      await Task.yield()
    }
    try server.crash()
    try FileManager.default.removeItem(atPath: "\(server.folder)/data/postgresql.auto.conf")
    try server.start()
    let error = await error { try await writing.value }
    #expect(error?.code == .catalogFailed)
    #expect(error?.message.contains("outcome is unknown") == true)
    #expect(runs.value == 1)
    try database.close()
  }
}
