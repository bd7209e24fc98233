package import Catalog
package import Model
import Synchronization

/// Identifies callers by password, session or API token. Requests over TCP get an identity in no other way.
package final class Authenticator: Sendable {
  /// The session of a signed-in browser.
  package struct Session: Sendable {
    package var identity: Identity
    /// The token that forms must send back, so that other sites cannot submit them.
    package var csrf: String
    /// The time zone that the browser reported last; nil when it has reported none.
    package var browserZone: String?
  }

  /// How long a session lasts without a request, and in total.
  package struct Limits: Sendable {
    package var idle: Duration
    package var absolute: Duration

    package init(idle: Duration = .seconds(8 * 3600), absolute: Duration = .seconds(24 * 3600)) {
      self.idle = idle
      self.absolute = absolute
    }
  }

  let catalog: Catalog
  let log: AccessLog
  let passwords: PasswordHasher
  let throttle = SignInThrottle()
  let now: @Sendable () -> Instant
  private let limits: Limits
  private let used = Mutex<(sessions: Set<[UInt8]>, tokens: [String: Instant])>(([], [:]))

  package init(
    catalog: Catalog, log: AccessLog, passwords: PasswordHasher, limits: Limits = Limits(),
    now: @escaping @Sendable () -> Instant
  ) {
    self.catalog = catalog
    self.log = log
    self.passwords = passwords
    self.limits = limits
    self.now = now
  }

  /// The identity of an API token; nil for an unknown or revoked token.
  package func identity(bearer token: String) async throws(TapedeckError) -> Identity? {
    guard token.hasPrefix("tdk_"), let identity = try await catalog.identity(ofTokenSHA256: Secret.sha256(token))
    else { return nil }
    used.withLock { $0.tokens[identity.id] = now() }
    return identity
  }

  /// The session of a secret; nil when it is unknown or has ended.
  package func session(_ secret: String) async throws(TapedeckError) -> Session? {
    let hash = Secret.sha256(secret)
    guard let row = try await catalog.session(secretSHA256: hash, idle: limits.idle) else { return nil }
    if now() - row.lastSeenAt > .seconds(30) { used.withLock { _ = $0.sessions.insert(hash) } }
    return Session(identity: row.identity, csrf: row.csrf, browserZone: row.browserZone)
  }

  /// Signs a browser in and logs the attempt. Throttled attempts are only counted, so that many of them do
  /// not fill the log.
  ///
  /// - Parameter browserZone: the time zone of the browser, if it reports one.
  /// - Returns: the session's secret, and how long the session lasts at most.
  /// - Throws: `signInRefused`, `signInThrottled`, `accessLogUnavailable`.
  package func signIn(
    name: String, password: String, browserZone: String? = nil, from origin: LogEntry.Origin
  ) async throws(TapedeckError) -> (secret: Secret, lasts: Duration) {
    do throws(TapedeckError) {
      try throttle.admit(name: name, address: origin.address, at: now())
    } catch {
      log.countAnonymousRefusal()
      throw error
    }
    let account = try await catalog.account(named: name)
    let place = throttle.place(of: origin.address, at: now())
    guard try await matches(password, account, at: place), let account else {
      // An unknown name is not logged: it may be a password that was typed into the wrong field.
      try await log.record(
        .signIn, .denied, by: account?.identity, code: .signInRefused, from: origin,
        details: account.map { ["name": $0.identity.name] } ?? ["name": "unknown account"])
      throw TapedeckError(.signInRefused)
    }
    throttle.recordSuccess(name: name, address: origin.address, at: now())
    let secret = Secret.makeSession()
    try await catalog.createSession(
      secretSHA256: secret.sha256, account: account.identity, passwordHash: account.passwordHash,
      csrf: Secret.makeSession().text,
      expiresAt: now() + limits.absolute, browserZone: browserZone,
      entry: LogEntry(at: now(), action: .signIn, outcome: .allowed, actor: account.identity, origin: origin))
    return (secret, limits.absolute)
  }

  /// Whether a password is that of an enabled account. For a disabled account it takes as long and is always false.
  private func matches(
    _ password: String, _ account: AccountRow?, at place: PasswordHasher.Place
  ) async throws(TapedeckError) -> Bool {
    do throws(TapedeckError) {
      let stored = account?.disabledAt == nil ? account?.passwordHash : nil
      return try await passwords.matches(password, stored: stored, at: place)
    } catch {
      if error.code == .signInThrottled { log.countAnonymousRefusal() }
      throw error
    }
  }

  /// Ends a session at once.
  package func signOut(
    _ secret: String, of identity: Identity, from origin: LogEntry.Origin
  ) async throws(TapedeckError) {
    try await catalog.endSession(
      secretSHA256: Secret.sha256(secret),
      entry: LogEntry(at: now(), action: .signOut, outcome: .allowed, actor: identity, origin: origin))
  }

  /// Saves when sessions and tokens were last used, and corrects sessions with times in the future. Called every few
  /// seconds and at shutdown; what cannot be saved is kept for the next call.
  package func flush() async throws(TapedeckError) {
    let (sessions, tokens) = used.withLock { used in
      defer { used = ([], [:]) }
      return used
    }
    do throws(TapedeckError) {
      if !sessions.isEmpty { try await catalog.touchSessions(Array(sessions)) }
      if !tokens.isEmpty { try await catalog.recordTokenUse(tokens) }
    } catch {
      used.withLock { used in
        used.sessions.formUnion(sessions)
        used.tokens.merge(tokens) { later, _ in later }
      }
      throw error
    }
    try await catalog.correctSessions(absolute: limits.absolute)
  }
}
