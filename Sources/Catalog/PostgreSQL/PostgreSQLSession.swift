import CPostgres
import Model
import Synchronization

/// One connection to the server, opened on demand and reopened when it is lost. Only one thread uses it, and calls
/// block that thread; other threads may use the interrupter.
final class PostgreSQLSession {
  private let settings: PostgreSQLSettings
  private let address: ServerAddress
  private let reachability: Reachability
  private let interrupter: Interrupter
  private var connection: OpaquePointer?
  private var statements = StatementCache()
  /// Changes when the server recovers from a crash, which resets its statistics.
  private(set) var epoch = ""

  init(settings: PostgreSQLSettings, address: ServerAddress, reachability: Reachability, interrupter: Interrupter) {
    self.settings = settings
    self.address = address
    self.reachability = reachability
    self.interrupter = interrupter
  }

  deinit { disconnect() }

  /// Whether the current work was cancelled.
  var isInterrupted: Bool { interrupter.isInterrupted }

  // MARK: Connecting

  /// Connects unless connected.
  ///
  /// - Parameter ignoringRecentFailure: whether to connect even if another attempt failed within the last second.
  func connect(ignoringRecentFailure: Bool = false) throws(PostgreSQLFailure) {
    if connection != nil { return }
    if !ignoringRecentFailure, let failure = reachability.recentFailure { throw failure }
    do throws(PostgreSQLFailure) {
      connection = try address.connect(settings)
      interrupter.use(connection)
      epoch = try command(settings.preparation) ?? ""
      reachability.note(nil)
    } catch {
      disconnect()
      reachability.note(error)
      throw error
    }
  }

  func disconnect() {
    interrupter.use(nil)
    if let connection { PQfinish(connection) }
    connection = nil
    statements = StatementCache()
  }

  // MARK: Statements

  /// Runs statements without parameters in one message.
  ///
  /// - Returns: the first value of the last result.
  @discardableResult
  func command(_ text: String) throws(PostgreSQLFailure) -> String? {
    let connection = try connected()
    let answer = try checked(PQexec(connection, text))
    defer { PQclear(answer) }
    guard PQntuples(answer) > 0, PQnfields(answer) > 0, let value = PQgetvalue(answer, 0, 0) else { return nil }
    return String(cString: value)
  }

  /// Rolls back the current transaction, if there is one.
  func rollback() {
    guard let connection, PQtransactionStatus(connection) != PQTRANS_IDLE else { return }
    // If that fails, closing the connection rolls back.
    if (try? command("ROLLBACK")) == nil, PQtransactionStatus(connection) != PQTRANS_IDLE { disconnect() }
  }

  /// Runs one statement with its parameters.
  func run(_ sql: SQL) throws(PostgreSQLFailure) -> PostgreSQLAnswer {
    let connection = try connected()
    let text = sql.text { "$\($0)" }
    let parameters = try PostgreSQLParameters(sql.values)
    guard StatementCache.isWorthKeeping(text, values: sql.values.count) else {
      let answer = try checked(
        parameters.withPointers { count, types, values, lengths, formats in
          PQexecParams(connection, text, count, types, values, lengths, formats, 1)
        })
      return try PostgreSQLAnswer(taking: answer)
    }
    let known = statements.statement(for: text, sql.values)
    let statement = if let known { known } else { try prepare(text, sql.values, parameters) }
    let answer = try checked(
      parameters.withPointers { count, _, values, lengths, formats in
        PQexecPrepared(connection, statement.name, count, values, lengths, formats, 1)
      })
    return try PostgreSQLAnswer(taking: answer, columns: statement.columns)
  }

  private func prepare(
    _ text: String, _ values: [Value], _ parameters: PostgreSQLParameters
  ) throws(PostgreSQLFailure) -> StatementCache.Statement {
    let connection = try connected()
    let name = statements.nextName()
    let prepared = try checked(
      parameters.withPointers { count, types, _, _, _ in PQprepare(connection, name, text, count, types) })
    PQclear(prepared)
    let description = try checked(PQdescribePrepared(connection, name))
    defer { PQclear(description) }
    let types = (0..<PQnparams(description)).map { PQparamtype(description, $0) }
    let statement = StatementCache.Statement(
      name: name, types: types, columns: PostgreSQLAnswer.columns(of: description))
    if let old = statements.insert(statement, for: text) { try command("DEALLOCATE \(old)") }
    return statement
  }

  private func connected() throws(PostgreSQLFailure) -> OpaquePointer {
    guard let connection else { throw PostgreSQLFailure(message: "there is no connection", isConnectionLost: true) }
    return connection
  }

  /// Returns a successful result, or throws the failure and frees the result.
  private func checked(_ answer: OpaquePointer?) throws(PostgreSQLFailure) -> OpaquePointer {
    let status = PQresultStatus(answer)
    if let answer, status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK { return answer }
    defer { PQclear(answer) }
    // PG_DIAG_SQLSTATE and PG_DIAG_MESSAGE_PRIMARY, which are C character literals that Swift does not import. The
    // details of the message may contain values of rows, so they are left out.
    let state = PQresultErrorField(answer, Int32(UInt8(ascii: "C"))).map { String(cString: $0) }
    let message = PQresultErrorField(answer, Int32(UInt8(ascii: "M"))) ?? PQerrorMessage(connection)
    // After a failed write the status is still OK, but a failure without a code does not come from the server.
    throw PostgreSQLFailure(
      sqlState: state, message: address.redacted(message.map { String(cString: $0) } ?? ""),
      isConnectionLost: state == nil || PQstatus(connection) != CONNECTION_OK)
  }
}

extension ServerAddress {
  /// Opens a connection; blocks until it succeeds or fails.
  func connect(_ settings: PostgreSQLSettings) throws(PostgreSQLFailure) -> OpaquePointer {
    // Options before `dbname` are defaults; options after it override the URL.
    let options = [
      ("fallback_application_name", "tapedeck"), ("connect_timeout", "\(settings.connectTimeout.components.seconds)"),
      // Detects an unreachable server within a minute.
      ("keepalives_idle", "20"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
      ("tcp_user_timeout", "30000"), ("dbname", url), ("client_encoding", "UTF8"),
    ]
    let connection = withCStrings(options.map(\.0)) { keywords in
      withCStrings(options.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
    }
    guard let connection else { throw PostgreSQLFailure(message: "out of memory", isConnectionLost: true) }
    guard PQstatus(connection) == CONNECTION_OK else {
      defer { PQfinish(connection) }
      throw PostgreSQLFailure(
        message: redacted(String(cString: PQerrorMessage(connection))), isConnectionLost: true)
    }
    // By default, libpq prints notices to standard error.
    PQsetNoticeReceiver(connection, { _, _ in }, nil)
    guard PQserverVersion(connection) >= 140_000 else {
      defer { PQfinish(connection) }
      throw PostgreSQLFailure(
        sqlState: "0A000",
        message: "the server is version \(PQserverVersion(connection) / 10_000); 14 or newer is needed",
        isConnectionLost: true)
    }
    return connection
  }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<T>(
  _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> T
) -> T {
  let copies = texts.map { ContiguousArray($0.utf8CString) }
  func descend(_ index: Int, _ pointers: [UnsafePointer<CChar>?]) -> T {
    guard index < copies.count else {
      return (pointers + [nil]).withUnsafeBufferPointer { body($0.baseAddress!) }
    }
    return copies[index].withUnsafeBufferPointer { descend(index + 1, pointers + [$0.baseAddress]) }
  }
  return descend(0, [])
}

/// Remembers a failed connection attempt for a second. Meanwhile other work fails at once instead of waiting for its
/// own timeout.
final class Reachability: Sendable {
  private let last = Mutex<(at: ContinuousClock.Instant, failure: PostgreSQLFailure)?>(nil)

  /// The failure of an attempt within the last second.
  var recentFailure: PostgreSQLFailure? {
    last.withLock { last in last.flatMap { $0.at.duration(to: .now) < .seconds(1) ? $0.failure : nil } }
  }

  /// Records the outcome of an attempt; nil for success.
  func note(_ failure: PostgreSQLFailure?) { last.withLock { $0 = failure.map { (.now, $0) } } }
}
