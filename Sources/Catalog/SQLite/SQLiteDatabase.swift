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
  private let cache = QueryCache()
  private let feed = ChangeFeed()
  private let firstDamage = Mutex<TapedeckError?>(nil)
  private let isClosed = Mutex(false)

  /// Opens or creates the file. The caller holds the lock of the data directory.
  ///
  /// - Parameter now: the result of `tapedeck_now_ms()` in SQL.
  /// - Throws: `catalogFailed`, `diskFull`.
  package init(path: String, readers: Int = 4, now: @escaping @Sendable () -> Instant) throws(TapedeckError) {
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
    } catch { throw TapedeckError(sqlite: error) }
  }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    do {
      return try await pool.read { db in try body(SQLiteConnection(db: db)) }
    } catch { throw noted(error) }
  }

  package func cachedRow<T: Sendable>(
    _ question: CachedQuery?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
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
    // Not `pool.write`, which cancelling the task interrupts: a cancelled worker must still be able to release its
    // lease.
    let cache = cache
    let outcome: Result<(T, [Change]), any Error> = await withCheckedContinuation { continuation in
      pool.asyncWrite(
        { db in
          let connection = SQLiteConnection(db: db)
          let result = try body(connection)
          if let failure = connection.failure { throw failure }
          cache.committing()
          return (result, connection.changes)
        },
        // Runs before the next write starts, so it never re-enables the cache during the next commit.
        completion: { _, result in
          cache.committed()
          continuation.resume(returning: result)
        })
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

  package func check() async throws(TapedeckError) {
    try await read { db in try checkPages(db) }
  }

  private func noted(_ error: any Error) -> TapedeckError {
    let wrapped = TapedeckError(sqlite: error)
    if wrapped.saysDamaged { firstDamage.withLock { $0 = $0 ?? wrapped } }
    return wrapped
  }

  package func close() throws(TapedeckError) {
    feed.finish()
    let wasClosed = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return isClosed
    }
    do {
      try lookupConnection.close()
      // A copy of the file must be whole, but closing the pool checkpoints only if its last connection is the writer.
      // A reader that is still open, or a full disk, makes this fail; then the next start reads the WAL. Not again in a
      // second call: GRDB passes the closed connection to SQLite, which crashes.
      if !wasClosed { _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) } }
      try pool.close()
    } catch { throw noted(error) }
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
