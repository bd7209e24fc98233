package import Model

/// An API token; only the hash of its secret is stored.
package struct TokenRow: Sendable {
  package var identity: Identity
  package var createdAt: Instant
  package var lastUsedAt: Instant?
  package var revokedAt: Instant?
}

extension Catalog {
  /// Creates a token and writes its log entry.
  ///
  /// - Throws: `alreadyExists` when an account or an active token has the name, or one that looks the same (`nameKey`);
  ///   `unauthenticated` or `insufficientPermissions` when the entry's actor may no longer make the change.
  package func createToken(
    _ identity: Identity, secretSHA256: [UInt8], entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.require(.administer, of: entry.actor)
      try db.requireFreeName(identity.name)
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

  /// Revokes the token with a name or an ID, and announces it.
  ///
  /// - Throws: `notFound` when no such token is active; `unauthenticated` or
  ///   `insufficientPermissions` when the entry's actor may no longer make the change.
  package func revokeToken(_ nameOrID: String, entry: LogEntry) async throws(TapedeckError) {
    try await database.write { db in
      try db.require(.administer, of: entry.actor)
      let token = try db.foundByIDOrName { column throws(TapedeckError) in
        try db.row("SELECT id FROM api_token WHERE \(column.sql) = \(nameOrID) AND revoked_at IS NULL")
      }
      guard let token else { throw TapedeckError(.notFound, "No active token has this name or ID.") }
      try db.execute("UPDATE api_token SET revoked_at = tapedeck_now_ms() WHERE id = \(try token.text("id"))")
      try db.insert(entry)
      db.notify(.accessNarrowed)
    }
  }
}

extension Connection {
  /// Refuses a name that an account or an active token has, or one that looks the same.
  ///
  /// - Throws: `alreadyExists`.
  func requireFreeName(_ name: String) throws(TapedeckError) {
    guard try !hasSimilarName(to: name, "SELECT name FROM account") else {
      throw TapedeckError(
        .alreadyExists, "An account with this name, or one that looks the same, exists. Choose another name.")
    }
    guard try !hasSimilarName(to: name, "SELECT name FROM api_token WHERE revoked_at IS NULL") else {
      throw TapedeckError(
        .alreadyExists,
        "A token with this name, or one that looks the same, exists. Choose another name or revoke it first.")
    }
  }

  /// Whether one of the names that a statement selects looks the same as another name.
  private func hasSimilarName(to name: String, _ names: SQL) throws(TapedeckError) -> Bool {
    let key = nameKey(name)
    for row in try rows(names) where nameKey(try row.text("name")) == key { return true }
    return false
  }
}

extension Row {
  func identity(_ kind: Identity.Kind) throws(TapedeckError) -> Identity {
    Identity(
      kind: kind, id: try text("id"), name: try text("name"), role: try value("role", as: Role.self),
      agentID: optionalText("agent_id"), team: optionalText("team"))
  }
}
