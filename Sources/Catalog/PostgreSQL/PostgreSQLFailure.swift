import Model

/// Why a call to the server failed, before it is made an error of ours.
struct PostgreSQLFailure: Error, Sendable {
  /// The server's five characters, see https://www.postgresql.org/docs/15/errcodes-appendix.html; nil when it gave none.
  var sqlState: String?
  /// The server's or the client library's sentence, without values of rows and without secrets.
  var message: String
  /// The connection is of no more use.
  var isConnectionLost = false

  /// What may be done about it, apart from telling.
  enum Remedy: Equatable {
    case none
    /// Another transaction was in the way: the same again, a moment later.
    case repeatLater
    /// Another transaction may have been in the way: the same again, once.
    case repeatOnce
    /// The same again on a connection that knows nothing of earlier statements.
    case reconnect
  }

  var remedy: Remedy {
    if isConnectionLost { return .reconnect }
    switch sqlState {
    // serialization_failure, deadlock_detected
    case "40001", "40P01": return .repeatLater
    // unique_violation: what was looked for and not there may have been inserted since.
    case "23505": return .repeatOnce
    // "cached plan must not change result type" after a migration by another process; a statement that a proxy forgot.
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
        .diskFull, "The database server's disk is full. Work goes on once there is space.", detail: detail, cause: self)
    case "42501":
      TapedeckError(
        .catalogFailed, "The database refused it: the role lacks a right. It must own the database or its schema.",
        detail: detail, cause: self)
    case "57014":
      TapedeckError(.catalogFailed, "The database took too long and was stopped.", detail: detail, cause: self)
    case "53300":
      TapedeckError(
        .catalogFailed, "The database server has no connection left. Raise its 'max_connections'.", detail: detail,
        cause: self)
    case nil where isConnectionLost:
      TapedeckError(
        .catalogFailed, "The database server cannot be reached, or does not let us in. The reason is in the log.",
        detail: detail, cause: self)
    default: TapedeckError(.catalogFailed, detail: detail, cause: self)
    }
  }
}
