import Catalog
package import Model

extension Authenticator {
  /// Changes the password of an identity's account and ends the account's other sessions. Requires the current
  /// password. Wrong passwords are throttled and logged like failed sign-ins.
  ///
  /// - Parameter session: the secret of the session that makes the change and continues; nil for none.
  /// - Throws: `unauthenticated` when this session ended while the change waited for a hash; `invalidRequest` for a new
  ///   password that is not accepted, or an identity that is not an account; `signInRefused`, `signInThrottled`,
  ///   `accessLogUnavailable`.
  package func changePassword(
    of identity: Identity, from current: String, to new: String, keeping session: String?,
    from origin: LogEntry.Origin
  ) async throws(TapedeckError) {
    guard identity.kind == .account else {
      throw TapedeckError(.invalidRequest, "Only an account has a password. Sign in with an account.")
    }
    try PasswordHasher.check(new, name: identity.name)
    try throttle.admit(name: identity.name, address: origin.address, at: now())
    let place = PasswordHasher.Place(identity.id, isKnown: true)
    let stored = try await catalog.account(identity.id)?.passwordHash
    guard try await passwords.matches(current, stored: stored, at: place), let stored else {
      try await log.record(.changePassword, .denied, by: identity, code: .signInRefused, from: origin)
      throw TapedeckError(.signInRefused, "The current password is wrong.")
    }
    throttle.recordSuccess(name: identity.name, address: origin.address, at: now())
    let hash = try await passwords.hash(new, at: place)
    do throws(TapedeckError) {
      try await catalog.changePassword(
        of: identity.id, from: stored, to: hash, keeping: session.map(Secret.sha256),
        entry: LogEntry(at: now(), action: .changePassword, outcome: .allowed, actor: identity, origin: origin))
    } catch {
      if error.code == .unauthenticated || error.code == .signInRefused {
        try await log.record(.changePassword, .denied, by: identity, code: error.code, from: origin)
      }
      throw error
    }
  }
}
