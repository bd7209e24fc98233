package import Model

/// The session of a signed-in browser.
package struct SessionRow: Sendable {
  package var identity: Identity
  package var csrf: String
  package var lastSeenAt: Instant
  package var expiresAt: Instant
  /// The time zone that the browser reported last; nil when it has reported none.
  package var browserZone: String?
}

extension Catalog {
  /// Creates a session of an account whose password was checked.
  ///
  /// - Parameter passwordHash: the hash that the password matched.
  /// - Throws: `signInRefused` when the account was disabled or removed, or its password changed, since then.
  package func createSession(
    secretSHA256: [UInt8], account: Identity, passwordHash: String, csrf: String, expiresAt: Instant,
    browserZone: String? = nil, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.execute("DELETE FROM session WHERE expires_at < tapedeck_now_ms()")
      guard
        try db.row(
          """
          SELECT 1 AS found FROM account
          WHERE id = \(account.id) AND disabled_at IS NULL AND password_hash = \(passwordHash)
          """) != nil
      else { throw TapedeckError(.signInRefused) }
      try db.execute(
        """
        INSERT INTO session (secret_sha256, account_id, csrf, created_at, last_seen_at, expires_at, browser_zone)
        VALUES (\(secretSHA256), \(account.id), \(csrf), tapedeck_now_ms(), tapedeck_now_ms(), \(expiresAt),
          \(browserZone))
        """)
      try db.execute("UPDATE account SET last_used_at = tapedeck_now_ms() WHERE id = \(account.id)")
      try db.insert(entry)
    }
  }

  /// The session with a secret; nil when it has ended, was idle for too long or its account is disabled.
  package func session(secretSHA256 hash: [UInt8], idle: Duration) async throws(TapedeckError) -> SessionRow? {
    // Not cached, since the result depends on the time.
    try await database.cachedRow(nil) { db in
      try db.row(
        """
        SELECT a.*, s.csrf, s.last_seen_at, s.expires_at, s.browser_zone FROM session s JOIN account a ON a.id = s.account_id
        WHERE s.secret_sha256 = \(hash) AND s.expires_at > tapedeck_now_ms()
          AND s.last_seen_at > tapedeck_now_ms() - \(idle.milliseconds) AND a.disabled_at IS NULL
        """
      ).map { row in
        var identity = try row.identity(.account)
        identity.session = hash
        return SessionRow(
          identity: identity, csrf: try row.text("csrf"),
          lastSeenAt: try row.instant("last_seen_at"), expiresAt: try row.instant("expires_at"),
          browserZone: row.optionalText("browser_zone"))
      }
    }
  }

  /// Records that sessions and their accounts were used now. Sessions that have ended are ignored.
  package func touchSessions(_ hashes: [[UInt8]]) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      var accounts: Set<String> = []
      // In one order each, so that nodes that update the same sessions or accounts do not wait for each other.
      for hash in hashes.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
        let row = try db.row(
          """
          UPDATE session SET last_seen_at = tapedeck_now_ms() WHERE secret_sha256 = \(hash) RETURNING account_id
          """)
        if let row { accounts.insert(try row.text("account_id")) }
      }
      for id in accounts.sorted() {
        try db.execute("UPDATE account SET last_used_at = tapedeck_now_ms() WHERE id = \(id)")
      }
    }
  }

  /// Treats times of sessions that are in the future as now, so that both limits hold even after the clock was ahead.
  ///
  /// - Parameter absolute: how long a session lasts at most.
  package func correctSessions(absolute: Duration) async throws(TapedeckError) {
    let latest = absolute.milliseconds
    // A read first, since this is called every few seconds.
    let isNeeded = try await database.read { db in
      try db.row(
        """
        SELECT 1 AS found FROM session WHERE created_at > tapedeck_now_ms() OR last_seen_at > tapedeck_now_ms()
          OR expires_at > tapedeck_now_ms() + \(latest) LIMIT 1
        """) != nil
    }
    guard isNeeded else { return }
    _ = try await database.write(.readCommitted) { db in
      try db.execute(
        """
        UPDATE session SET
          created_at = CASE WHEN created_at > tapedeck_now_ms() THEN tapedeck_now_ms() ELSE created_at END,
          last_seen_at = CASE WHEN last_seen_at > tapedeck_now_ms() THEN tapedeck_now_ms() ELSE last_seen_at END,
          expires_at = CASE WHEN expires_at > tapedeck_now_ms() + \(latest) THEN tapedeck_now_ms() + \(latest)
            ELSE expires_at END
        WHERE created_at > tapedeck_now_ms() OR last_seen_at > tapedeck_now_ms()
          OR expires_at > tapedeck_now_ms() + \(latest)
        """)
    }
  }

  /// Ends one session and announces it.
  package func endSession(secretSHA256 hash: [UInt8], entry: LogEntry) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.execute("DELETE FROM session WHERE secret_sha256 = \(hash)")
      try db.insert(entry)
      db.notify(.accessNarrowed)
    }
  }
}
