package import Model

/// Where the catalog is kept.
///
/// `write` closures may run more than once (serialisation failures), so they have no other effect than on the
/// connection they are given. A statement that failed fails its transaction, even where the closure caught the error.
/// All errors leave as `TapedeckError`; foreign ones as `catalogFailed` or `diskFull`.
package protocol Database: Sendable {
  /// Runs statements on one consistent view. A task that is cancelled ends its statement and throws `interrupted`.
  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// Runs a statement or two that find rows by their keys, each in microseconds: no thread of its own is worth its while.
  ///
  /// - Parameter question: all that the answer depends on besides the rows, and so not on the time; a database that has
  ///   no other writers may give the answer of before as long as nothing was committed since. Nil to ask each time.
  func lookUp<T: Sendable>(
    _ question: LookUp?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// Runs statements in one transaction, which is durable when this returns and undone when it throws. It is never cut
  /// off by a cancellation: whoever is cancelled must still be able to hand back a lease.
  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// What was committed from now on, by any process of the system. A slow reader may miss some; it must look at the
  /// rows again from time to time.
  func changes() -> AsyncStream<Change>

  /// Ends all work; later calls throw.
  func close() throws(TapedeckError)
}

extension Database {
  package func lookUp<T: Sendable>(
    _ question: LookUp?, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await read(body)
  }

  /// Runs statements in one transaction with the isolation that needs no thought: `serializable`.
  package func write<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await write(.serializable, body)
  }
}

/// A question that is asked again and again, such as whose a token is, for each range of a recording.
package struct LookUp: Sendable, Hashable {
  private let name: String
  private let values: [Value]

  /// - Parameter name: no two kinds of questions have the same.
  package init(_ name: String, _ values: any ValueConvertible...) {
    self.name = name
    self.values = values.map(\.sqlValue)
  }
}

/// What a writing transaction may take for granted while others write. SQLite has one writer at a time, so that every
/// transaction is serializable there; PostgreSQL has to be told.
package enum Isolation: Sendable {
  /// As if there were no other transaction: whatever was read still holds at the commit. For closures that decide by
  /// what they read. Costs a repetition where two of them meet.
  case serializable
  /// Each statement sees what is committed when it starts, and waits for rows that another transaction is changing. For
  /// closures that only insert, or whose statements each hold their own condition in `WHERE`, such as the fence of a
  /// lease. Nothing is repeated, so this is for what runs often: claims, heartbeats, progress, the log.
  case readCommitted
}

/// A transaction's view of the database; valid only inside the closure that it is given to.
package protocol Connection {
  /// Whose SQL it speaks.
  var dialect: Dialect { get }

  func rows(_ sql: SQL) throws(TapedeckError) -> [Row]

  /// - Returns: how many rows the statement inserted, updated or deleted.
  @discardableResult
  func execute(_ sql: SQL) throws(TapedeckError) -> Int

  /// Tells every subscriber of `changes()`, when and only when this transaction commits.
  func notify(_ change: Change)
}

extension Connection {
  package func row(_ sql: SQL) throws(TapedeckError) -> Row? { try rows(sql).first }
}

/// What a subscriber may want to look at again.
package enum Change: Sendable, Hashable {
  /// A job's row changed.
  case job(Int64)
  /// A job can be claimed, or will be at another time than before.
  case workDue
  /// A webhook message can be sent, or will be at another time than before.
  case webhookDue
  /// A duty can be done, or will be at another time than before.
  case dutyDue
}
