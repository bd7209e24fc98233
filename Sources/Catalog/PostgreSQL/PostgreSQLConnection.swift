import Model

/// A transaction on a session, valid until its closure returns.
final class PostgreSQLConnection: Connection {
  let dialect = Dialect.postgresql
  private(set) var changes: [Change] = []
  private var session: PostgreSQLSession?
  /// The failure of the first failed statement; the transaction is then rolled back, even if the closure catches it.
  private var failure: PostgreSQLFailure?

  init(session: PostgreSQLSession) { self.session = session }

  /// Runs the closure of the transaction.
  ///
  /// - Returns: the result or the own error of the closure.
  /// - Throws: the failure of a statement.
  func run<T>(
    _ body: (any Connection) throws -> T
  ) throws(PostgreSQLFailure) -> Result<T, TapedeckError> {
    defer { session = nil }
    let result: Result<T, TapedeckError>
    do {
      result = .success(try body(self))
    } catch let error as TapedeckError {
      result = .failure(error)
    } catch {
      result = .failure(TapedeckError(.catalogFailed, detail: "\(error)", cause: error))
    }
    if let failure { throw failure }
    return result
  }

  func rows(_ sql: SQL) throws(TapedeckError) -> [Row] { try answer(to: sql).rows }

  func execute(_ sql: SQL) throws(TapedeckError) -> Int { try answer(to: sql).changed }

  func notify(_ change: Change) { changes.append(change) }

  private func answer(to sql: SQL) throws(TapedeckError) -> PostgreSQLAnswer {
    guard let session else {
      throw TapedeckError(.catalogFailed, detail: "a connection was used after its transaction")
    }
    if let failure { throw failure.error }
    if session.isInterrupted { throw TapedeckError(.interrupted) }
    do throws(PostgreSQLFailure) {
      return try session.run(sql)
    } catch {
      failure = error
      throw error.error
    }
  }
}
