import Foundation
import GRDB
package import Model
import Synchronization

/// The catalog in one SQLite file: WAL, `synchronous=FULL`, one connection that does all writing and checkpointing.
///
/// One connection writes because Debian 12's SQLite 3.40.1 has the WAL-reset bug, which needs two that do
/// (https://sqlite.org/wal.html#walresetbug).
package final class SQLiteDatabase: Database {
  private let pool: DatabasePool
  /// For look-ups alone, which nobody waits behind for longer than another of them takes.
  private let looker: DatabaseQueue
  private let memory = LookUpMemory()
  private let feed = ChangeFeed()

  /// Opens or creates the file. The caller holds the lock of the data directory.
  ///
  /// - Parameter now: what `tapedeck_now_ms()` answers in SQL.
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
      // Not in `prepareDatabase`: GRDB sets NORMAL after it, with which a loss of power undoes what was committed.
      try pool.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
      configuration.readonly = true
      looker = try DatabaseQueue(path: path, configuration: configuration)
    } catch { throw wrapped(error) }
  }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    do {
      return try await pool.read { db in try body(SQLiteConnection(db: db)) }
    } catch { throw wrapped(error) }
  }

  package func lookUp<T: Sendable>(
    _ question: LookUp?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    do {
      guard let question else { return try lookUpNow(body) }
      return try memory.answer(to: question) { try lookUpNow(body) }
    } catch { throw wrapped(error) }
  }

  /// On the caller's thread: handing it to another one and back takes several times as long as the look-up.
  private func lookUpNow<T>(_ body: (any Connection) throws -> T) throws -> T {
    try looker.read { db in try body(SQLiteConnection(db: db)) }
  }

  /// One transaction at a time, so that each is serializable whatever was asked for.
  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    // Not `pool.write`, which a cancelled task interrupts: whoever is cancelled must still be able to hand back a lease.
    let memory = memory
    let outcome: Result<(T, [Change]), any Error> = await withCheckedContinuation { continuation in
      pool.asyncWrite(
        { db in
          let connection = SQLiteConnection(db: db)
          let result = try body(connection)
          if let failure = connection.failure { throw failure }
          memory.committing()
          return (result, connection.changes)
        },
        // Still in the writer's turn, so that this is never the end of the next one's commit.
        completion: { _, result in
          memory.committed()
          continuation.resume(returning: result)
        })
    }
    switch outcome {
    case .success(let (result, changes)):
      feed.publish(changes)
      return result
    case .failure(let error): throw wrapped(error)
    }
  }

  package func changes() -> AsyncStream<Change> { feed.subscribe() }

  package func close() throws(TapedeckError) {
    feed.finish()
    do {
      // In this order: whoever is the last to close brings the log into the file, which a reader cannot.
      try looker.close()
      try pool.close()
    } catch { throw wrapped(error) }
  }
}

private final class SQLiteConnection: Connection {
  let dialect = Dialect.sqlite
  private let db: GRDB.Database
  private(set) var changes: [Change] = []
  /// Of the first statement that failed.
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

  /// A statement that is kept for the next time, unless it has so many values that it holds a list: its text is another
  /// for each length of that, and what GRDB keeps it never lets go.
  private func prepared(_ sql: SQL) throws -> Statement {
    let text = sql.text { _ in "?" }
    return sql.values.count > 32 ? try db.makeStatement(sql: text) : try db.cachedStatement(sql: text)
  }

  private func noted(_ error: any Error) -> TapedeckError {
    let error = wrapped(error)
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
    // SQLite would take the text to end at a NUL, so that two names were one.
    case .text(let text): withoutNUL(text).databaseValue
    case .blob(let bytes): Data(bytes).databaseValue
    }
  }
}

/// The one place where SQLite's failures become ours.
private func wrapped(_ error: any Error) -> TapedeckError {
  switch error {
  case let error as TapedeckError: error
  case is CancellationError: TapedeckError(.interrupted, cause: error)
  case let error as DatabaseError where error.resultCode == .SQLITE_FULL:
    TapedeckError(.diskFull, detail: error.description, cause: error)
  case let error as DatabaseError: TapedeckError(.catalogFailed, detail: error.description, cause: error)
  default: TapedeckError(.catalogFailed, detail: "\(error)", cause: error)
  }
}
