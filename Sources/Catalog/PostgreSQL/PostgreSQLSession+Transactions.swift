import Foundation
import Model

extension PostgreSQLSession {
  /// What is the same for all transactions of a process.
  struct Surroundings: Sendable {
    /// What `tapedeck_now_ms()` answers; nil for the server's own time.
    var now: (@Sendable () -> Instant)?
    /// Who this process is among those that share the database.
    var origin: String

    /// A statement at the begin of a transaction.
    fileprivate var clock: String { now.map { "; SET LOCAL tapedeck.now_ms = '\($0().milliseconds)'" } ?? "" }
  }

  /// Runs a closure on one consistent view, again on a fresh connection when one is lost.
  func read<T>(
    in surroundings: Surroundings, _ body: (any Connection) throws -> T
  ) throws(TapedeckError) -> T {
    try repeating { () throws(PostgreSQLFailure) in
      try command("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" + surroundings.clock)
      let result = try PostgreSQLConnection(session: self).run(body)
      // Nothing has to become durable: whether this arrives changes nothing about what was read.
      if case .success = result { _ = try? command("COMMIT") }
      return result
    }
  }

  /// Runs a closure in a transaction, again when others were in its way.
  ///
  /// When the connection is lost before COMMIT, nothing was committed and all of it is done again. When it is lost with
  /// COMMIT on its way, the server is asked what became of it.
  ///
  /// - Parameter publish: is told of the changes once they are committed, and where that cannot be known.
  func write<T>(
    _ isolation: Isolation, in surroundings: Surroundings, publish: ([Change]) -> Void,
    _ body: (any Connection) throws -> T
  ) throws(TapedeckError) -> T {
    let level = isolation == .serializable ? "SERIALIZABLE" : "READ COMMITTED"
    return try repeating { () throws(PostgreSQLFailure) in
      let epoch = epoch
      let number = try command(
        "BEGIN ISOLATION LEVEL \(level), READ WRITE\(surroundings.clock); SELECT pg_current_xact_id()")
      let connection = PostgreSQLConnection(session: self)
      let result = try connection.run(body)
      guard case .success = result else { return result }
      let notices = ChangePayload.payloads(connection.changes, origin: surroundings.origin)
        .map { "NOTIFY \(PostgreSQLListener.channel), '\($0)'; " }.joined()
      do throws(PostgreSQLFailure) {
        try command(notices + "COMMIT")
      } catch {
        guard error.isConnectionLost else { throw error }
        switch fate(ofTransaction: number, in: epoch) {
        case .committed: break
        case .undone: throw error
        case .unknown:
          publish(connection.changes)
          return .failure(
            TapedeckError(
              .catalogFailed,
              "The connection to the database was lost at the end of a change, so it is not known whether it was kept.",
              detail: error.message, cause: error))
        }
      }
      publish(connection.changes)
      return result
    }
  }

  // MARK: What is done again

  private func repeating<T>(
    _ attempt: () throws(PostgreSQLFailure) -> Result<T, TapedeckError>
  ) throws(TapedeckError) -> T {
    var repetition = Repetition()
    var wasConnected = false
    while true {
      let result: Result<T, TapedeckError>
      do throws(PostgreSQLFailure) {
        if isInterrupted { throw PostgreSQLFailure(message: "no longer wanted") }
        try connect(insistently: wasConnected)
        wasConnected = true
        result = try attempt()
      } catch {
        rollback()
        if isInterrupted { throw TapedeckError(.interrupted, cause: error) }
        // A server that was not there to begin with is not waited for: whoever asks is told so.
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

  private enum Fate { case committed, undone, unknown }

  /// What became of a transaction whose COMMIT got no answer.
  ///
  /// Only a server that did not crash since can say "committed": after a crash, a number that never reached the disk may
  /// be given out again (https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-PG-SNAPSHOT).
  private func fate(ofTransaction number: String?, in epochBefore: String) -> Fate {
    guard let number, UInt64(number) != nil else { return .unknown }
    var repetition = Repetition()
    while let pause = repetition.pauseBeforeConnecting(random: .random(in: 0..<1)) {
      Thread.sleep(forTimeInterval: pause.inSeconds)
      disconnect()
      do throws(PostgreSQLFailure) {
        try connect(insistently: true)
        switch try command("SELECT pg_xact_status('\(number)')") {
        case "aborted": return .undone
        case "committed": return epoch == epochBefore ? .committed : .unknown
        case "in progress": continue
        default: return .unknown
        }
      } catch {
        // "transaction ID … is in the future": the number itself was lost, and the change with it.
        if error.sqlState == "22023" { return .undone }
      }
    }
    return .unknown
  }
}
