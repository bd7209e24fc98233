package import Model

/// The database that stores the catalog.
///
/// `write` closures may run more than once after serialization failures, so they must have no effect besides those on
/// their connection. A failed statement fails its transaction, even if the closure catches the error. Errors of the
/// database are thrown as `catalogFailed` or `diskFull`.
package protocol Database: Sendable {
  /// Runs statements on one snapshot. Cancelling the task ends the statement and throws `interrupted`.
  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// Runs a few statements that find rows by their keys, without the overhead of another thread.
  ///
  /// - Parameter question: everything that the result depends on besides the rows; not the time. A database without
  ///   other writers may return the previous result until the next commit. Nil disables that.
  func cachedRow<T: Sendable>(
    _ question: CachedQuery?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// Runs statements in one transaction, which is durable when this returns and rolled back when it throws. Cancelling
  /// the task does not interrupt it: a cancelled worker must still be able to release its lease.
  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// The changes that any process commits from now on. A slow subscriber may miss some, so it must also read the rows
  /// from time to time.
  func changes() -> AsyncStream<Change>

  /// The first damage of its file that a statement met since it was opened; nil when there was none, and for databases
  /// on a server.
  var damage: TapedeckError? { get }

  /// The error when the path of its file no longer leads to the file that is open; nil while it does, and for databases
  /// on a server.
  var displacement: TapedeckError? { get }

  /// Reads the whole file and checks its structure; does nothing for databases on a server. Cancelling the task ends
  /// it.
  ///
  /// - Throws: `catalogFailed` for damage.
  func check() async throws(TapedeckError)

  /// Closes the database; later calls throw. A file is closed when no call is running any more, and then has all
  /// commits, so that a plain copy of it is whole.
  func close() throws(TapedeckError)
}

extension Database {
  package var damage: TapedeckError? { nil }
  package var displacement: TapedeckError? { nil }

  package func check() async throws(TapedeckError) {}

  package func cachedRow<T: Sendable>(
    _ question: CachedQuery?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await read(body)
  }

  /// Runs statements in one transaction with the safest isolation, `serializable`.
  package func write<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await write(.serializable, body)
  }
}

/// The key of a frequent query in the cache, such as the identity of a token.
package struct CachedQuery: Sendable, Hashable {
  private let name: String
  private let values: [Value]

  /// - Parameter name: unique for each kind of query.
  package init(_ name: String, _ values: any ValueConvertible...) {
    self.name = name
    self.values = values.map(\.sqlValue)
  }
}

/// The isolation of a writing transaction. SQLite has one writer at a time, so every transaction is serializable there.
package enum Isolation: Sendable {
  /// Rows that were read are unchanged at the commit. For closures whose writes depend on what they read. Conflicting
  /// transactions are repeated.
  case serializable
  /// Each statement sees the rows committed before it, and waits for locked rows. For closures that only insert, or
  /// whose statements check their condition in `WHERE`, such as the fence of a lease. Nothing is repeated, so
  /// frequent transactions use it: claims, heartbeats, progress, the access log.
  case readCommitted
}

/// The connection of a transaction; valid only inside the closure of the transaction.
package protocol Connection {
  var dialect: Dialect { get }

  func rows(_ sql: SQL) throws(TapedeckError) -> [Row]

  /// - Returns: the number of rows inserted, updated or deleted.
  @discardableResult
  func execute(_ sql: SQL) throws(TapedeckError) -> Int

  /// Publishes a change to the subscribers of `changes()` if and when this transaction commits.
  func notify(_ change: Change)
}

extension Connection {
  package func row(_ sql: SQL) throws(TapedeckError) -> Row? { try rows(sql).first }
}

/// A committed change that wakes subscribers.
package enum Change: Sendable, Hashable {
  /// A job's row changed.
  case job(Int64)
  /// A job became due, or its due time changed.
  case workDue
  /// A webhook message became due, or its due time changed.
  case webhookDue
  /// A recurring task became due, or its due time changed.
  case taskDue
  /// Access was withdrawn or narrowed: an account or token changed, a session ended, or a recording became restricted.
  case accessNarrowed
}
