package import Model

/// How a PostgreSQL server is used.
package struct PostgreSQLSettings: Sendable {
  /// At most this many connections for transactions; one more listens.
  package var connections: Int
  /// How long one address of the server may take to answer; at least 2 s, as libpq counts.
  package var connectTimeout: Duration
  /// A statement that takes longer is stopped. Migrations and copies take as long as they take.
  package var statementTimeout: Duration

  package init(
    connections: Int = 8, connectTimeout: Duration = .seconds(5), statementTimeout: Duration = .seconds(60)
  ) {
    self.connections = connections
    self.connectTimeout = connectTimeout
    self.statementTimeout = statementTimeout
  }

  /// What each connection starts with; its answer is the server's epoch.
  var preparation: String {
    """
    SET statement_timeout = \(max(0, statementTimeout.milliseconds));
    SET idle_in_transaction_session_timeout = 60000;
    -- A plan for the average of all values is wrong for a list: one agent has ten calls, another 50,000.
    SET plan_cache_mode = force_custom_plan;
    SET jit = off;
    -- What was committed must not be lost, whatever the server's own default.
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SELECT coalesce(CAST(extract(epoch FROM stats_reset) AS TEXT), '') FROM pg_stat_bgwriter
    """
  }
}

/// The catalog on a PostgreSQL server, which any number of processes share.
///
/// Nothing is connected before the first transaction. A server that went away is reconnected to: reads and whatever had
/// not reached its COMMIT are done again for some seconds, then they throw `catalogFailed`.
package final class PostgreSQLDatabase: Database {
  private let pool: PostgreSQLPool
  private let listener: PostgreSQLListener
  private let feed: ChangeFeed
  private let surroundings: PostgreSQLSession.Surroundings

  /// - Parameters:
  ///   - url: `postgres://user:password@host:port/database?sslmode=…`, as libpq takes it; the password may also come from
  ///     `PGPASSWORD` or `~/.pgpass`.
  ///   - now: what `tapedeck_now_ms()` answers in SQL; for tests. By default the server's clock, which all processes share.
  /// - Throws: `configurationInvalid` when the URL is none.
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
    surroundings = .init(now: now, origin: origin)
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
    try await pool.run(.read) { [surroundings] session throws(TapedeckError) in
      try session.read(in: surroundings, body)
    }
  }

  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await pool.run(.write) { [surroundings, feed] session throws(TapedeckError) in
      try session.write(isolation, in: surroundings, publish: feed.publish, body)
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
