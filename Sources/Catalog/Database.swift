package import Model

/// Where the catalog is kept.
///
/// `write` closures may run more than once (serialisation failures), so they have no other effect than on the
/// connection they are given. All errors leave as `TapedeckError`; foreign ones as `catalogFailed` or `diskFull`.
package protocol Database: Sendable {
  /// Runs statements on one consistent view.
  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// Runs statements in one transaction, which is durable when this returns and undone when it throws.
  func write<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T

  /// What was committed from now on, by any process of the system. A slow reader may miss some; it must look at the
  /// rows again from time to time.
  func changes() -> AsyncStream<Change>

  /// Ends all work; later calls throw.
  func close() throws(TapedeckError)
}

/// A transaction's view of the database; valid only inside the closure that it is given to.
package protocol Connection {
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
}
