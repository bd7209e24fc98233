import Model

/// A failed call to the server, before it becomes a `TapedeckError`.
struct PostgreSQLFailure: Error, Sendable {
  /// The SQLSTATE, see https://www.postgresql.org/docs/15/errcodes-appendix.html; nil when the server gave none.
  var sqlState: String?
  /// The message of the server or of libpq, without values of rows and without secrets.
  var message: String
  /// Whether the connection must be closed.
  var isConnectionLost = false

  /// How the transaction may be repeated.
  enum Remedy: Equatable {
    case none
    /// Conflict with another transaction: repeat after a pause.
    case repeatLater
    /// Possible conflict with another transaction: repeat once.
    case repeatOnce
    /// Repeat on a new connection without prepared statements.
    case reconnect
  }

  var remedy: Remedy {
    if isConnectionLost { return .reconnect }
    switch sqlState {
    // serialization_failure, deadlock_detected
    case "40001", "40P01": return .repeatLater
    // unique_violation: another transaction may have inserted the row after this one looked for it.
    case "23505": return .repeatOnce
    // "cached plan must not change result type" after a migration by another process; a statement that a proxy dropped.
    case "0A000", "26000": return .reconnect
    default: return isShutdown ? .reconnect : .none
    }
  }

  /// admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout, and the connection's own.
  private var isShutdown: Bool {
    guard let sqlState else { return false }
    return ["57P01", "57P02", "57P03", "25P03"].contains(sqlState) || sqlState.hasPrefix("08")
  }

  var error: TapedeckError {
    let detail = sqlState.map { "SQLSTATE \($0): \(message)" } ?? message
    return switch sqlState {
    case "53100":
      TapedeckError(
        .diskFull, "The disk of the database server is full. Work continues when there is space.", detail: detail,
        cause: self)
    case "42501":
      TapedeckError(
        .catalogFailed, "The database role lacks a privilege. It must own the database or its schema.",
        detail: detail, cause: self)
    case "57014":
      TapedeckError(.catalogFailed, "A database statement timed out.", detail: detail, cause: self)
    case "53300":
      TapedeckError(
        .catalogFailed, "The database server has no free connection. Increase its 'max_connections'.", detail: detail,
        cause: self)
    case nil where isConnectionLost:
      TapedeckError(
        .catalogFailed, "The database server cannot be reached or refuses the connection. The reason is in the log.",
        detail: detail, cause: self)
    default: TapedeckError(.catalogFailed, detail: detail, cause: self)
    }
  }
}
