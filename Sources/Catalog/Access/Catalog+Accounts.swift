package import Model

/// An account, with the hash of its password.
package struct AccountRow: Sendable {
  package var identity: Identity
  package var passwordHash: String
  package var createdAt: Instant
  /// Nil while the account is enabled.
  package var disabledAt: Instant?
  /// The number of its sessions that have not expired.
  package var sessions: Int64
  /// When the account was last used in a session, whether or not that has ended; nil when it never signed in.
  package var lastSeenAt: Instant?
}

/// A change to an account that an administrator makes.
package enum AccountChange: Sendable, Equatable {
  /// Also ends all its sessions.
  case disable
  case enable
  case role(Role)
  /// The hash of a new password. Also ends all its sessions.
  case passwordHash(String)
  case endSessions
  /// Deletes the account and its sessions. Log entries keep its ID, and its name in their details.
  case remove
}

extension Catalog {
  /// Creates an account and writes its log entry.
  ///
  /// - Throws: `alreadyExists` when an account or an active token has the name, or one that looks the same (`nameKey`);
  ///   `unauthenticated` or `insufficientPermissions` when the entry's actor may no longer make the change.
  package func createAccount(
    _ identity: Identity, passwordHash: String, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.require(.administer, of: entry.actor)
      try db.requireFreeName(identity.name)
      try db.execute(
        """
        INSERT INTO account (id, name, role, agent_id, team, password_hash, created_at)
        VALUES (\(identity.id), \(identity.name), \(identity.role), \(identity.agentID), \(identity.team),
          \(passwordHash), tapedeck_now_ms())
        """)
      try db.insert(entry)
    }
  }

  /// All accounts by name.
  package func accounts() async throws(TapedeckError) -> [AccountRow] {
    try await database.read { db in try db.accounts(where: "1 = 1") }
  }

  /// The account with a name, enabled or not.
  package func account(named name: String) async throws(TapedeckError) -> AccountRow? {
    try await database.read { db in try db.accounts(where: "a.name = \(name)").first }
  }

  /// The account with a name or an ID, enabled or not.
  package func account(_ nameOrID: String) async throws(TapedeckError) -> AccountRow? {
    try await database.read { db in try db.account(nameOrID) }
  }

  /// The account with a name or an ID, for an actor who is about to change it.
  ///
  /// - Throws: `unauthenticated`, `insufficientPermissions`, including when there is no such account; `notFound`.
  package func account(_ nameOrID: String, changedBy actor: Identity) async throws(TapedeckError) -> AccountRow {
    try await database.read { db in try db.account(nameOrID, changedBy: actor) }
  }

  package func hasAccounts() async throws(TapedeckError) -> Bool {
    try await database.read { db in try db.row("SELECT 1 AS found FROM account LIMIT 1") != nil }
  }

  /// Changes the account with a name or an ID, writes the log entry and announces the change.
  ///
  /// - Parameters:
  ///   - actor: who makes the change; nil for the program itself. It is checked first: an actor whose access has
  ///     ended does not learn which accounts exist.
  ///   - keepsAdministrator: whether the change is refused when no enabled administrator would be left.
  ///   - entry: makes the log entry from the account as it was.
  /// - Returns: the account as it was.
  /// - Throws: `notFound`; `lastAdministrator`; `unauthenticated` or `insufficientPermissions` when the entry's
  ///   actor may no longer make the change.
  package func change(
    account nameOrID: String, _ change: AccountChange, by actor: Identity?, keepsAdministrator: Bool,
    entry: @escaping @Sendable (AccountRow) -> LogEntry
  ) async throws(TapedeckError) -> AccountRow {
    try await database.write { db in
      let account = try db.account(nameOrID, changedBy: actor)
      try db.apply(change, to: account.identity.id)
      if keepsAdministrator, account.identity.role == .admin, account.disabledAt == nil,
        try db.row("SELECT 1 AS found FROM account WHERE role = \(Role.admin) AND disabled_at IS NULL") == nil
      {
        throw TapedeckError(.lastAdministrator)
      }
      try db.insert(entry(account))
      db.notify(.accessNarrowed)
      return account
    }
  }

  /// Replaces the password of an account, ends its other sessions and announces the change.
  ///
  /// - Parameters:
  ///   - current: the hash that the current password matched.
  ///   - session: the hash of the secret of the session that makes the change and continues; nil for none.
  /// - Throws: `unauthenticated` when this session has ended; `signInRefused` when, after the current password was
  ///   checked, it was changed, or the account was disabled or removed.
  package func changePassword(
    of id: String, from current: String, to hash: String, keeping session: [UInt8]?, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      if let session {
        // An update, so that a sign-out on another node waits for this transaction, or has this one repeated.
        let live = try db.execute(
          """
          UPDATE session SET last_seen_at = tapedeck_now_ms()
          WHERE secret_sha256 = \(session) AND account_id = \(id) AND expires_at > tapedeck_now_ms()
          """)
        guard live == 1 else { throw TapedeckError(.unauthenticated) }
      }
      let count = try db.execute(
        """
        UPDATE account SET password_hash = \(hash)
        WHERE id = \(id) AND password_hash = \(current) AND disabled_at IS NULL
        """)
      guard count == 1 else { throw TapedeckError(.signInRefused) }
      if let session {
        try db.execute("DELETE FROM session WHERE account_id = \(id) AND secret_sha256 <> \(session)")
      } else {
        try db.execute("DELETE FROM session WHERE account_id = \(id)")
      }
      try db.insert(entry)
      db.notify(.accessNarrowed)
    }
  }
}

extension Connection {
  fileprivate func account(_ nameOrID: String, changedBy actor: Identity?) throws(TapedeckError) -> AccountRow {
    try require(.administer, of: actor)
    guard let account = try account(nameOrID) else { throw TapedeckError.unknownAccount }
    return account
  }

  fileprivate func account(_ nameOrID: String) throws(TapedeckError) -> AccountRow? {
    try foundByIDOrName { column throws(TapedeckError) in
      try accounts(where: "a.\(column.sql) = \(nameOrID)").first
    }
  }

  fileprivate func accounts(where condition: SQL) throws(TapedeckError) -> [AccountRow] {
    var accounts: [AccountRow] = []
    let found = try rows(
      """
      SELECT a.*, (SELECT count(*) FROM session s WHERE s.account_id = a.id AND s.expires_at > tapedeck_now_ms())
          AS sessions
      FROM account a WHERE \(condition) ORDER BY a.name, a.id
      """)
    for row in found {
      accounts.append(
        AccountRow(
          identity: try row.identity(.account), passwordHash: try row.text("password_hash"),
          createdAt: try row.instant("created_at"), disabledAt: row.optionalInstant("disabled_at"),
          sessions: try row.int("sessions"), lastSeenAt: row.optionalInstant("last_used_at")))
    }
    return accounts
  }

  fileprivate func apply(_ change: AccountChange, to id: String) throws(TapedeckError) {
    let endSessions: SQL = "DELETE FROM session WHERE account_id = \(id)"
    switch change {
    case .disable:
      try execute("UPDATE account SET disabled_at = tapedeck_now_ms() WHERE id = \(id) AND disabled_at IS NULL")
      try execute(endSessions)
    case .enable: try execute("UPDATE account SET disabled_at = NULL WHERE id = \(id)")
    case .role(let role): try execute("UPDATE account SET role = \(role) WHERE id = \(id)")
    case .passwordHash(let hash):
      try execute("UPDATE account SET password_hash = \(hash) WHERE id = \(id)")
      try execute(endSessions)
    case .endSessions: try execute(endSessions)
    case .remove:
      try execute(endSessions)
      try execute("DELETE FROM account WHERE id = \(id)")
    }
  }
}
