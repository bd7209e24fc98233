package import Catalog
package import Model

/// Creates accounts, creates and revokes API tokens. Each success and each denial is in the access log.
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
  /// - Throws: `insufficientPermissions`, `invalidRequest` for a malformed name or password, `alreadyExists`.
  package func createAccount(
    name: String, role: Role, agentID: String?, team: String?, password: String, by actor: Identity,
    from origin: LogEntry.Origin?
  ) async throws(TapedeckError) -> Identity {
    try await allow(.createAccount, by: actor, from: origin)
    try check(name)
    guard role != .metrics else {
      throw TapedeckError(
        .invalidRequest, "The role 'metrics' is for API tokens only. Choose agent, supervisor or admin.")
    }
    try PasswordHasher.check(password)
    let identity = Identity(
      kind: .account, id: makeOpaqueID("acc"), name: name, role: role, agentID: agentID, team: team)
    try await catalog.createAccount(
      identity, passwordHash: try await passwords.hash(password),
      entry: entry(.createAccount, by: actor, from: origin, about: identity))
    return identity
  }

  /// Creates an API token. Only the returned value holds its secret; the catalog stores a hash.
  ///
  /// - Throws: `insufficientPermissions`, `invalidRequest` for a malformed name, `alreadyExists`.
  package func createToken(
    name: String, role: Role, agentID: String?, team: String?, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) -> (identity: Identity, secret: Secret) {
    try await allow(.createToken, by: actor, from: origin)
    try check(name)
    let identity = Identity(kind: .token, id: makeOpaqueID("tok"), name: name, role: role, agentID: agentID, team: team)
    let secret = Secret.makeToken()
    try await catalog.createToken(
      identity, secretSHA256: secret.sha256, entry: entry(.createToken, by: actor, from: origin, about: identity))
    return (identity, secret)
  }

  /// Revokes a token by its name or id, from the next request on.
  ///
  /// - Throws: `insufficientPermissions`, `notFound`.
  package func revokeToken(
    _ nameOrID: String, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    try await allow(.revokeToken, by: actor, from: origin)
    try await catalog.revokeToken(
      nameOrID,
      entry: LogEntry(
        at: now(), action: .revokeToken, outcome: .allowed, actor: actor, origin: origin, details: ["token": nameOrID]))
  }

  private func allow(
    _ action: LogEntry.Action, by actor: Identity, from origin: LogEntry.Origin?
  ) async throws(TapedeckError) {
    if Policy.allows(.administer, for: actor) { return }
    try await catalog.log([
      LogEntry(
        at: now(), action: action, outcome: .denied, actor: actor, code: .insufficientPermissions, origin: origin)
    ])
    throw TapedeckError(.insufficientPermissions)
  }

  private func check(_ name: String) throws(TapedeckError) {
    let isPrintable = name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
    guard (1...100).contains(name.utf8.count), isPrintable, !name.hasPrefix(" "), !name.hasSuffix(" ") else {
      throw TapedeckError(
        .invalidRequest, "A name has 1 to 100 printable characters and does not begin or end with a space.")
    }
  }

  private func entry(
    _ action: LogEntry.Action, by actor: Identity, from origin: LogEntry.Origin?, about identity: Identity
  ) -> LogEntry {
    LogEntry(
      at: now(), action: action, outcome: .allowed, actor: actor, origin: origin,
      details: ["id": identity.id, "name": identity.name, "role": identity.role.rawValue])
  }
}
