package import Catalog
package import Model

/// Creates, changes and removes accounts, creates and revokes API tokens. Each success is in the access log, and a
/// change takes effect at once, on every node.
///
/// Callers must have checked that the actor has the permission `administer`, and log denials: in `Web` the router does.
/// Each change checks the actor again in its own transaction, and logs a denial when its account or token has
/// ended or lost the permission since: `unauthenticated` or `insufficientPermissions`.
package struct Accounts: Sendable {
  private let catalog: Catalog
  private let passwords: PasswordHasher
  private let now: @Sendable () -> Instant

  package init(catalog: Catalog, passwords: PasswordHasher, now: @escaping @Sendable () -> Instant) {
    self.catalog = catalog
    self.passwords = passwords
    self.now = now
  }

  /// Creates an account.
  ///
  /// - Throws: `invalidRequest` for a malformed name or password, `alreadyExists`.
  package func createAccount(
    name: String, role: Role, agentID: String?, team: String?, password: String, by actor: Identity,
    from origin: LogEntry.Origin?
  ) async throws(TapedeckError) -> Identity {
    try check(name, agentID: agentID, team: team)
    try checkAccountRole(role)
    try PasswordHasher.check(password, name: name)
    let identity = Identity(
      kind: .account, id: makeOpaqueID("acc"), name: name, role: role, agentID: agentID, team: team)
    let hash = try await passwords.hash(password, at: place(of: actor))
    let entry = entry(.createAccount, by: actor, from: origin, about: identity)
    try await catalog.loggingDenial(of: entry) { () throws(TapedeckError) in
      try await catalog.createAccount(identity, passwordHash: hash, entry: entry)
    }
    return identity
  }

  /// All accounts by name, for administrators.
  package func list() async throws(TapedeckError) -> [AccountRow] { try await catalog.accounts() }

  /// Disables an account by its name or ID and ends its sessions.
  ///
  /// - Throws: `notFound`, `lastAdministrator`.
  package func disable(
    _ nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try await change(nameOrID, .disable, .disableAccount, by: actor, from: origin)
  }

  /// Enables a disabled account. Its earlier sessions stay ended.
  ///
  /// - Throws: `notFound`.
  package func enable(
    _ nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try await change(nameOrID, .enable, .enableAccount, by: actor, from: origin)
  }

  /// Changes the role of an account; its sessions continue with the new role.
  ///
  /// - Throws: `notFound`, `invalidRequest` for `metrics`, `lastAdministrator`.
  package func setRole(
    _ role: Role, of nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try checkAccountRole(role)
    try await change(nameOrID, .role(role), .changeRole, by: actor, from: origin, details: ["newRole": role.rawValue])
  }

  /// Sets the password of an account and ends its sessions.
  ///
  /// - Throws: `notFound`, `invalidRequest` for a password that is not accepted.
  package func setPassword(
    _ password: String, of nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    let denial = LogEntry(
      at: now(), action: .resetPassword, outcome: .denied, actor: actor, origin: origin, details: ["account": nameOrID])
    let account = try await catalog.loggingDenial(of: denial) { () throws(TapedeckError) in
      try await catalog.account(nameOrID, changedBy: actor)
    }
    try PasswordHasher.check(password, name: account.identity.name)
    let hash = try await passwords.hash(password, at: place(of: actor))
    try await change(account.identity.id, .passwordHash(hash), .resetPassword, by: actor, from: origin)
  }

  /// Ends all sessions of an account.
  ///
  /// - Throws: `notFound`.
  package func endSessions(
    of nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try await change(nameOrID, .endSessions, .endSessions, by: actor, from: origin)
  }

  /// Removes an account and ends its sessions. The access log keeps its entries.
  ///
  /// - Throws: `notFound`, `lastAdministrator`.
  package func remove(
    _ nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try await change(nameOrID, .remove, .removeAccount, by: actor, from: origin)
  }

  private func change(
    _ nameOrID: String, _ change: AccountChange, _ action: LogEntry.Action, by actor: Identity,
    from origin: LogEntry.Origin?, details: [String: String] = [:]
  ) async throws(TapedeckError) {
    let at = now()
    // The local operator can create an administrator at any time, so removing the last one is allowed.
    let denial = LogEntry(
      at: at, action: action, outcome: .denied, actor: actor, origin: origin, details: ["account": nameOrID])
    try await catalog.loggingDenial(of: denial) { () throws(TapedeckError) in
      _ = try await catalog.change(
        account: nameOrID, change, by: actor, keepsAdministrator: actor.kind != .operator
      ) { account in
        let identity = account.identity
        let about = ["id": identity.id, "name": identity.name, "role": identity.role.rawValue]
        return LogEntry(
          at: at, action: action, outcome: .allowed, actor: actor, origin: origin,
          details: about.merging(details) { $1 })
      }
    }
  }

  /// Creates an API token. Only the returned value holds its secret; the catalog stores a hash.
  ///
  /// - Throws: `invalidRequest` for a malformed name, `alreadyExists`.
  package func createToken(
    name: String, role: Role, agentID: String?, team: String?, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) -> (identity: Identity, secret: Secret) {
    try check(name, agentID: agentID, team: team)
    let identity = Identity(kind: .token, id: makeOpaqueID("tok"), name: name, role: role, agentID: agentID, team: team)
    let secret = Secret.makeToken()
    let entry = entry(.createToken, by: actor, from: origin, about: identity)
    try await catalog.loggingDenial(of: entry) { () throws(TapedeckError) in
      try await catalog.createToken(identity, secretSHA256: secret.sha256, entry: entry)
    }
    return (identity, secret)
  }

  /// Revokes a token by its name or ID, from the next request on.
  ///
  /// - Throws: `notFound`.
  package func revokeToken(
    _ nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    let entry = LogEntry(
      at: now(), action: .revokeToken, outcome: .allowed, actor: actor, origin: origin, details: ["token": nameOrID])
    try await catalog.loggingDenial(of: entry) { () throws(TapedeckError) in
      try await catalog.revokeToken(nameOrID, entry: entry)
    }
  }

  private func place(of actor: Identity) -> PasswordHasher.Place { PasswordHasher.Place(actor.id, isKnown: true) }

  private func checkAccountRole(_ role: Role) throws(TapedeckError) {
    guard role != .metrics else {
      throw TapedeckError(
        .invalidRequest, "The role 'metrics' is for API tokens only. Choose agent, supervisor or admin.")
    }
  }

  private func check(_ name: String, agentID: String?, team: String?) throws(TapedeckError) {
    guard (1...100).contains(name.utf8.count), isPrintable(name), name.first?.isWhitespace == false,
      name.last?.isWhitespace == false
    else {
      throw TapedeckError(
        .invalidRequest,
        "A name has 1 to 100 bytes of printable characters in UTF-8 and does not begin or end with a space.")
    }
    let key = nameKey(name)
    guard !["tdk_", "tdks_", "whsec_"].contains(where: key.hasPrefix) else {
      throw TapedeckError(.invalidRequest, "This name looks like a secret. Choose another.")
    }
    // The access log shows these names for the server, for local operators, for tokens and for unknown accounts.
    let isReserved = ["", "tapedeck", "operator", "unknown account"].contains(key)
    guard !isReserved, !["operator:", "acc_", "tok_", Identity.tokenPrefix].contains(where: key.hasPrefix) else {
      throw TapedeckError(.invalidRequest, "This name is reserved or looks like an ID. Choose another.")
    }
    for value in [agentID, team].compactMap({ $0 }) {
      guard (1...200).contains(value.utf8.count), isPrintable(value), !nameKey(value).isEmpty else {
        throw TapedeckError(
          .invalidRequest, "An agent ID and a team have 1 to 200 bytes of printable characters in UTF-8.")
      }
    }
  }

  private func isPrintable(_ text: String) -> Bool { !text.unicodeScalars.contains(where: isHidden) }

  private func entry(
    _ action: LogEntry.Action, by actor: Identity, from origin: LogEntry.Origin?, about identity: Identity
  ) -> LogEntry {
    LogEntry(
      at: now(), action: action, outcome: .allowed, actor: actor, origin: origin,
      details: ["id": identity.id, "name": identity.name, "role": identity.role.rawValue])
  }
}
