import Foundation
import GRDB
package import Model
import Synchronization

/// The catalog in one SQLite file in WAL mode with `synchronous=FULL`.
///
/// A single connection writes and checkpoints, because SQLite 3.40.1 in Debian 12 has the WAL-reset bug, which needs
/// two (https://sqlite.org/wal.html#walresetbug).
package final class SQLiteDatabase: Database {
  private let pool: DatabasePool
  /// For queries by key only, so that none waits for a slow query.
  private let lookupConnection: DatabaseQueue
  private let file: CatalogFile
  private let cache: QueryCache
  private let writes: WriteQueue
  private let feed = ChangeFeed()
  private let firstDamage = Mutex<TapedeckError?>(nil)
  private let calls = Mutex((running: 0, isClosed: false))

  /// Opens or creates the file. The caller holds the lock of the data directory.
  ///
  /// - Parameter now: the result of `tapedeck_now_ms()` in SQL.
  /// - Throws: `catalogFailed`, `diskFull`.
  package init(path: String, readers: Int = 4, now: @escaping @Sendable () -> Instant) throws(TapedeckError) {
    cache = QueryCache()
    writes = WriteQueue(cache: cache)
    var configuration = Configuration()
    configuration.maximumReaderCount = readers
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA foreign_keys = ON")
      try db.execute(sql: "PRAGMA cache_size = -4000")
      db.add(
        function: DatabaseFunction("tapedeck_now_ms", argumentCount: 0, pure: false) { _ in now().milliseconds })
    }
    do {
      pool = try DatabasePool(path: path, configuration: configuration)
      // Not in `prepareDatabase`, after which GRDB sets NORMAL; then a power failure can undo commits.
      try pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
      configuration.readonly = true
      lookupConnection = try DatabaseQueue(path: path, configuration: configuration)
      file = CatalogFile(path: path)
    } catch { throw TapedeckError(sqlite: error) }
  }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try begin()
    defer { end() }
    do {
      return try await pool.read { db in try body(SQLiteConnection(db: db)) }
    } catch { throw noted(error) }
  }

  package func cachedRow<T: Sendable>(
    _ question: CachedQuery?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try begin()
    defer { end() }
    do {
      guard let question else { return try lookUpNow(body) }
      return try cache.answer(to: question) { try lookUpNow(body) }
    } catch { throw noted(error) }
  }

  /// Runs on the thread of the caller, since switching threads takes several times as long as the query.
  private func lookUpNow<T>(_ body: (any Connection) throws -> T) throws -> T {
    try lookupConnection.read { db in try body(SQLiteConnection(db: db)) }
  }

  /// Every transaction is serializable, since only one runs at a time.
  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try begin()
    defer { end() }
    if let displacement { throw displacement }
    // Not `pool.write`, which cancelling the task interrupts: a cancelled worker must still be able to release its
    // lease.
    let outcome = await withCheckedContinuation { continuation in
      writes.add(Write(body: body, continuation: continuation), for: pool)
    }
    switch outcome {
    case .success(let (result, changes)):
      feed.publish(changes)
      return result
    case .failure(let error): throw noted(error)
    }
  }

  package func changes() -> AsyncStream<Change> { feed.subscribe() }

  package var damage: TapedeckError? { firstDamage.withLock { $0 } }
  package var displacement: TapedeckError? { file.displacement }

  package func check() async throws(TapedeckError) {
    try await read { db in try checkPages(db) }
  }

  private func noted(_ error: any Error) -> TapedeckError {
    let wrapped = TapedeckError(sqlite: error)
    if wrapped.saysDamaged { firstDamage.withLock { $0 = $0 ?? wrapped } }
    return wrapped
  }

  /// Closes the file. Later calls fail. Calls that are running end first, and the last of them closes the file.
  package func close() throws(TapedeckError) {
    feed.finish()
    let closesNow = calls.withLock { calls in
      defer { calls.isClosed = true }
      return !calls.isClosed && calls.running == 0
    }
    if closesNow { try closeConnections() }
  }

  /// Counts a call: if a connection is closed during a call, GRDB still passes it to SQLite, which crashes.
  private func begin() throws(TapedeckError) {
    let isOpen = calls.withLock { calls in
      if !calls.isClosed { calls.running += 1 }
      return !calls.isClosed
    }
    guard isOpen else { throw TapedeckError(.catalogFailed, "The catalog is closed.") }
  }

  private func end() {
    let closes = calls.withLock { calls in
      calls.running -= 1
      return calls.isClosed && calls.running == 0
    }
    if closes { try? closeConnections() }
  }

  private func closeConnections() throws(TapedeckError) {
    do {
      try lookupConnection.close()
      // A copy of the file must be whole, and the last connection to close removes the WAL and its index only if it can
      // write: the readers go first. A full disk makes this fail; then the next start reads the WAL.
      pool.invalidateReadOnlyConnections()
      _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
      try pool.close()
    } catch { throw noted(error) }
  }
}

/// A call of `write` until its transaction has ended.
private final class Write<T: Sendable>: WaitingWrite {
  typealias Outcome = Result<(T, [Change]), any Error>

  private let body: @Sendable (any Connection) throws -> T
  private let continuation: CheckedContinuation<Outcome, Never>
  private let result = Mutex<(T, [Change])?>(nil)

  init(body: @escaping @Sendable (any Connection) throws -> T, continuation: CheckedContinuation<Outcome, Never>) {
    self.body = body
    self.continuation = continuation
  }

  func run(_ db: GRDB.Database) throws {
    let connection = SQLiteConnection(db: db)
    let value = try body(connection)
    if let failure = connection.failure { throw failure }
    result.withLock { $0 = (value, connection.changes) }
  }

  func finish(_ failure: (any Error)?) {
    let result = result.withLock { $0 }
    if let result, failure == nil {
      continuation.resume(returning: .success(result))
    } else {
      continuation.resume(returning: .failure(failure ?? CancellationError()))
    }
  }
}

final class SQLiteConnection: Connection {
  let dialect = Dialect.sqlite
  private let db: GRDB.Database
  private(set) var changes: [Change] = []
  /// The error of the first failed statement.
  private(set) var failure: TapedeckError?

  init(db: GRDB.Database) { self.db = db }

  func rows(_ sql: SQL) throws(TapedeckError) -> [Row] {
    do {
      let statement = try prepared(sql)
      let cursor = try GRDB.Row.fetchCursor(statement, arguments: sql.arguments)
      var columns: [String: Int] = [:]
      for (index, name) in statement.columnNames.enumerated() { columns[name] = index }
      var rows: [Row] = []
      while let row = try cursor.next() {
        rows.append(Row(columns: columns, values: row.databaseValues.map(Value.init)))
      }
      return rows
    } catch { throw noted(error) }
  }

  func execute(_ sql: SQL) throws(TapedeckError) -> Int {
    do {
      try prepared(sql).execute(arguments: sql.arguments)
      return db.changesCount
    } catch { throw noted(error) }
  }

  func notify(_ change: Change) { changes.append(change) }

  /// A statement from GRDB's cache. Statements with many values contain lists and so have many different texts; they
  /// are not cached, since GRDB's cache is unbounded.
  private func prepared(_ sql: SQL) throws -> Statement {
    let text = sql.text { _ in "?" }
    return sql.values.count > 32 ? try db.makeStatement(sql: text) : try db.cachedStatement(sql: text)
  }

  private func noted(_ error: any Error) -> TapedeckError {
    let error = TapedeckError(sqlite: error)
    failure = failure ?? error
    return error
  }
}

extension SQL {
  fileprivate var arguments: StatementArguments { StatementArguments(values.map(\.databaseValue)) }
}

extension Value {
  fileprivate init(_ value: DatabaseValue) {
    self =
      switch value.storage {
      case .null: .null
      case .int64(let number): .integer(number)
      case .double(let number): .real(number)
      case .string(let text): .text(text)
      case .blob(let data): .blob([UInt8](data))
      }
  }

  fileprivate var databaseValue: DatabaseValue {
    switch self {
    case .null: .null
    case .integer(let number): number.databaseValue
    case .real(let number): number.databaseValue
    // SQLite functions end a text at a NUL, so two different names could be equal.
    case .text(let text): withoutNUL(text).databaseValue
    case .blob(let bytes): Data(bytes).databaseValue
    }
  }
}
