package import Model

/// The settings of the connections to a PostgreSQL server.
package struct PostgreSQLSettings: Sendable {
  /// The maximum number of connections for transactions; one more listens for notifications.
  package var connections: Int
  /// The timeout for connecting to one address of the server; libpq uses at least 2 s.
  package var connectTimeout: Duration
  /// The timeout of a statement; it does not apply to migrations and copies.
  package var statementTimeout: Duration

  package init(
    connections: Int = 8, connectTimeout: Duration = .seconds(5), statementTimeout: Duration = .seconds(60)
  ) {
    self.connections = connections
    self.connectTimeout = connectTimeout
    self.statementTimeout = statementTimeout
  }

  /// The first statements on each connection; the result is the epoch of the server.
  var preparation: String {
    """
    SET statement_timeout = \(max(0, statementTimeout.milliseconds));
    SET idle_in_transaction_session_timeout = 60000;
    -- Generic plans are wrong for lists: one agent has ten calls, another 50,000.
    SET plan_cache_mode = force_custom_plan;
    SET jit = off;
    -- Commits must be durable, whatever the default of the server.
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SELECT coalesce(CAST(extract(epoch FROM stats_reset) AS TEXT), '') FROM pg_stat_bgwriter
    """
  }
}

/// The catalog on a PostgreSQL server, which any number of processes share.
///
/// Connects at the first transaction. When the connection is lost, it reconnects and repeats reads, and transactions
/// that had not sent COMMIT, for some seconds; then they throw `catalogFailed`.
package final class PostgreSQLDatabase: Database {
  private let pool: PostgreSQLPool
  private let listener: PostgreSQLListener
  private let feed: ChangeFeed
  private let system: PostgreSQLSession.SystemServices

  /// - Parameters:
  ///   - url: `postgres://user:password@host:port/database?sslmode=…`, in the format of libpq; the password may also
  ///     come from `PGPASSWORD` or `~/.pgpass`.
  ///   - now: the result of `tapedeck_now_ms()` in SQL, for tests. Defaults to the clock of the server.
  /// - Throws: `configurationInvalid` when the URL is malformed.
  package init(
    url: String, settings: PostgreSQLSettings = PostgreSQLSettings(), now: (@Sendable () -> Instant)? = nil
  ) throws(TapedeckError) {
    let address = try ServerAddress(url)
    let feed = ChangeFeed()
    let origin = hex(randomBytes(8))
    let listener = PostgreSQLListener(settings: settings, address: address, origin: origin, feed: feed)
    let reachability = Reachability()
    self.feed = feed
    self.listener = listener
    system = .init(now: now, origin: origin)
    pool = PostgreSQLPool(connections: settings.connections) { interrupter in
      listener.waitForFirstAttempt()
      return PostgreSQLSession(
        settings: settings, address: address, reachability: reachability, interrupter: interrupter)
    }
  }

  deinit { end() }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await pool.run(.read) { [system] session throws(TapedeckError) in
      try session.read(in: system, body)
    }
  }

  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await pool.run(.write) { [system, feed] session throws(TapedeckError) in
      try session.write(isolation, in: system, publish: feed.publish, body)
    }
  }

  package func changes() -> AsyncStream<Change> { feed.subscribe() }

  package func close() throws(TapedeckError) { end() }

  private func end() {
    feed.finish()
    listener.close()
    pool.close()
  }
}
