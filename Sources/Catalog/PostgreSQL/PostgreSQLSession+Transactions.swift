import Foundation
import Model

extension PostgreSQLSession {
  /// Values that are the same for all transactions of a process.
  struct SystemServices: Sendable {
    /// The result of `tapedeck_now_ms()`; nil for the time of the server.
    var now: (@Sendable () -> Instant)?
    /// The ID of this process among those that share the database.
    var origin: String

    /// The statement that sets the time of a transaction.
    fileprivate var clock: String { now.map { "; SET LOCAL tapedeck.now_ms = '\($0().milliseconds)'" } ?? "" }
  }

  /// Runs a closure on one snapshot, and repeats it on a new connection when the connection is lost.
  func read<T>(
    in system: SystemServices, _ body: (any Connection) throws -> T
  ) throws(TapedeckError) -> T {
    try repeating { () throws(PostgreSQLFailure) in
      try command("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" + system.clock)
      let result = try PostgreSQLConnection(session: self).run(body)
      // A failure does not matter, since the transaction only read.
      if case .success = result { _ = try? command("COMMIT") }
      return result
    }
  }

  /// Runs a closure in a transaction, and repeats it after conflicts.
  ///
  /// When the connection is lost before COMMIT was sent, the transaction is repeated. When it is lost afterwards, the
  /// server is asked for the outcome.
  ///
  /// - Parameter publish: called with the changes once they are committed, or may be committed.
  func write<T>(
    _ isolation: Isolation, in system: SystemServices, publish: ([Change]) -> Void,
    _ body: (any Connection) throws -> T
  ) throws(TapedeckError) -> T {
    let level = isolation == .serializable ? "SERIALIZABLE" : "READ COMMITTED"
    return try repeating { () throws(PostgreSQLFailure) in
      let epoch = epoch
      let number = try command(
        "BEGIN ISOLATION LEVEL \(level), READ WRITE\(system.clock); SELECT pg_current_xact_id()")
      let connection = PostgreSQLConnection(session: self)
      let result = try connection.run(body)
      guard case .success = result else { return result }
      let notices = ChangePayload.payloads(connection.changes, origin: system.origin)
        .map { "NOTIFY \(PostgreSQLListener.channel), '\($0)'; " }.joined()
      do throws(PostgreSQLFailure) {
        try command(notices + "COMMIT")
      } catch {
        guard error.isConnectionLost else { throw error }
        switch outcome(ofTransaction: number, in: epoch) {
        case .committed: break
        case .rolledBack: throw error
        case .unknown:
          publish(connection.changes)
          return .failure(
            TapedeckError(
              .catalogFailed,
              "The connection to the database was lost during a commit, so its outcome is unknown.",
              detail: error.message, cause: error))
        }
      }
      publish(connection.changes)
      return result
    }
  }

  // MARK: Repetition

  private func repeating<T>(
    _ attempt: () throws(PostgreSQLFailure) -> Result<T, TapedeckError>
  ) throws(TapedeckError) -> T {
    var repetition = Repetition()
    var wasConnected = false
    while true {
      let result: Result<T, TapedeckError>
      do throws(PostgreSQLFailure) {
        if isInterrupted { throw PostgreSQLFailure(message: "cancelled") }
        try connect(ignoringRecentFailure: wasConnected)
        wasConnected = true
        result = try attempt()
      } catch {
        rollback()
        if isInterrupted { throw TapedeckError(.interrupted, cause: error) }
        // Only a lost connection is worth waiting for; if there was none, the caller gets the error at once.
        guard wasConnected, let pause = repetition.pause(after: error, random: .random(in: 0..<1)) else {
          throw error.error
        }
        if error.remedy == .reconnect { disconnect() }
        Thread.sleep(forTimeInterval: pause.inSeconds)
        continue
      }
      rollback()
      return try result.get()
    }
  }

  private enum Outcome { case committed, rolledBack, unknown }

  /// The outcome of a transaction whose COMMIT got no response.
  ///
  /// "committed" is reliable only if the server has not crashed since: after a crash, an ID that was not yet on disk
  /// may be assigned again (https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-PG-SNAPSHOT).
  private func outcome(ofTransaction number: String?, in epochBefore: String) -> Outcome {
    guard let number, UInt64(number) != nil else { return .unknown }
    var repetition = Repetition()
    while let pause = repetition.pauseBeforeConnecting(random: .random(in: 0..<1)) {
      Thread.sleep(forTimeInterval: pause.inSeconds)
      disconnect()
      do throws(PostgreSQLFailure) {
        try connect(ignoringRecentFailure: true)
        switch try command("SELECT pg_xact_status('\(number)')") {
        case "aborted": return .rolledBack
        case "committed": return epoch == epochBefore ? .committed : .unknown
        case "in progress": continue
        default: return .unknown
        }
      } catch {
        // "transaction ID … is in the future": the ID was lost in a crash, and the transaction with it.
        if error.sqlState == "22023" { return .rolledBack }
      }
    }
    return .unknown
  }
}
