package import Model

/// An account, with the hash of its password.
package struct AccountRow: Sendable {
  package var identity: Identity
  package var passwordHash: String
  package var createdAt: Instant
}

/// An API token; only the hash of its secret is stored.
package struct TokenRow: Sendable {
  package var identity: Identity
  package var createdAt: Instant
  package var lastUsedAt: Instant?
  package var revokedAt: Instant?
}

/// The session of a signed-in browser.
package struct SessionRow: Sendable {
  package var identity: Identity
  package var csrf: String
  package var lastSeenAt: Instant
  package var expiresAt: Instant
}

extension Catalog {
  /// Creates an account and writes its log entry.
  ///
  /// - Throws: `alreadyExists` when the name is taken.
  package func createAccount(
    _ identity: Identity, passwordHash: String, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      guard try db.row("SELECT 1 AS found FROM account WHERE name = \(identity.name)") == nil else {
        throw TapedeckError(.alreadyExists, "An account with this name exists. Choose another name.")
      }
      try db.execute(
        """
        INSERT INTO account (id, name, role, agent_id, team, password_hash, created_at)
        VALUES (\(identity.id), \(identity.name), \(identity.role), \(identity.agentID), \(identity.team),
          \(passwordHash), tapedeck_now_ms())
        """)
      try db.insert(entry)
    }
  }

  /// The account with a name; nil when there is none or it is disabled.
  package func account(named name: String) async throws(TapedeckError) -> AccountRow? {
    try await database.read { db in
      try db.row("SELECT * FROM account WHERE name = \(name) AND disabled_at IS NULL").map { row in
        AccountRow(
          identity: try row.identity(.account), passwordHash: try row.text("password_hash"),
          createdAt: try row.instant("created_at"))
      }
    }
  }

  package func hasAccounts() async throws(TapedeckError) -> Bool {
    try await database.read { db in try db.row("SELECT 1 AS found FROM account LIMIT 1") != nil }
  }

  // MARK: API tokens

  /// Creates a token and writes its log entry.
  ///
  /// - Throws: `alreadyExists` when an active token has the name.
  package func createToken(
    _ identity: Identity, secretSHA256: [UInt8], entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      guard try db.row("SELECT 1 AS found FROM api_token WHERE name = \(identity.name) AND revoked_at IS NULL") == nil
      else {
        throw TapedeckError(.alreadyExists, "A token with this name exists. Choose another name or revoke it first.")
      }
      try db.execute(
        """
        INSERT INTO api_token (id, name, role, agent_id, team, secret_sha256, created_at)
        VALUES (\(identity.id), \(identity.name), \(identity.role), \(identity.agentID), \(identity.team),
          \(secretSHA256), tapedeck_now_ms())
        """)
      try db.insert(entry)
    }
  }

  /// The identity of a token; nil when there is no such token or it was revoked.
  package func identity(ofTokenSHA256 hash: [UInt8]) async throws(TapedeckError) -> Identity? {
    try await database.cachedRow(CachedQuery("token", hash)) { db in
      try db.row("SELECT * FROM api_token WHERE secret_sha256 = \(hash) AND revoked_at IS NULL")?.identity(.token)
    }
  }

  package func tokens() async throws(TapedeckError) -> [TokenRow] {
    try await database.read { db in
      try db.rows("SELECT * FROM api_token ORDER BY created_at, id").map { row in
        TokenRow(
          identity: try row.identity(.token), createdAt: try row.instant("created_at"),
          lastUsedAt: row.optionalInstant("last_used_at"), revokedAt: row.optionalInstant("revoked_at"))
      }
    }
  }

  package func recordTokenUse(_ uses: [String: Instant]) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      for (id, at) in uses { try db.execute("UPDATE api_token SET last_used_at = \(at) WHERE id = \(id)") }
    }
  }

  /// Revokes the token with a name or an id.
  ///
  /// - Throws: `notFound` when no such token is active.
  package func revokeToken(_ nameOrID: String, entry: LogEntry) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      let count = try db.execute(
        """
        UPDATE api_token SET revoked_at = tapedeck_now_ms()
        WHERE (name = \(nameOrID) OR id = \(nameOrID)) AND revoked_at IS NULL
        """)
      guard count > 0 else { throw TapedeckError(.notFound, "No active token has this name or id.") }
      try db.insert(entry)
    }
  }

  // MARK: Sessions

  package func createSession(
    secretSHA256: [UInt8], account: Identity, csrf: String, expiresAt: Instant, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.execute("DELETE FROM session WHERE expires_at < tapedeck_now_ms()")
      try db.execute(
        """
        INSERT INTO session (secret_sha256, account_id, csrf, created_at, last_seen_at, expires_at)
        VALUES (\(secretSHA256), \(account.id), \(csrf), tapedeck_now_ms(), tapedeck_now_ms(), \(expiresAt))
        """)
      try db.insert(entry)
    }
  }

  /// The session with a secret; nil when it has ended, was idle for too long or its account is disabled.
  package func session(secretSHA256 hash: [UInt8], idle: Duration) async throws(TapedeckError) -> SessionRow? {
    // Not cached, since the result depends on the time.
    try await database.cachedRow(nil) { db in
      try db.row(
        """
        SELECT a.*, s.csrf, s.last_seen_at, s.expires_at FROM session s JOIN account a ON a.id = s.account_id
        WHERE s.secret_sha256 = \(hash) AND s.expires_at > tapedeck_now_ms()
          AND s.last_seen_at > tapedeck_now_ms() - \(idle.milliseconds) AND a.disabled_at IS NULL
        """
      ).map { row in
        SessionRow(
          identity: try row.identity(.account), csrf: try row.text("csrf"),
          lastSeenAt: try row.instant("last_seen_at"), expiresAt: try row.instant("expires_at"))
      }
    }
  }

  package func touchSessions(_ hashes: [[UInt8]]) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      for hash in hashes {
        try db.execute("UPDATE session SET last_seen_at = tapedeck_now_ms() WHERE secret_sha256 = \(hash)")
      }
    }
  }

  package func endSession(secretSHA256 hash: [UInt8], entry: LogEntry) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.execute("DELETE FROM session WHERE secret_sha256 = \(hash)")
      try db.insert(entry)
    }
  }
}

extension Row {
  fileprivate func identity(_ kind: Identity.Kind) throws(TapedeckError) -> Identity {
    Identity(
      kind: kind, id: try text("id"), name: try text("name"), role: try value("role", as: Role.self),
      agentID: optionalText("agent_id"), team: optionalText("team"))
  }
}
