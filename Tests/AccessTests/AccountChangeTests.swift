import Access
import Catalog
import Model
import Synchronization
import TestKit
import Testing

/// How accounts change and end.
@Suite struct AccountChangeTests {
  static let `operator` = Identity(kind: .operator, id: "operator:0", name: "operator:root", role: .admin)
  static let newPassword = "another good one"

  enum Change: String, CaseIterable {
    case disable, role, password, sessions, remove
  }

  private func apply(
    _ change: Change, to name: String, _ fixture: AccessFixture, by actor: Identity = AccessFixture.admin
  ) async throws {
    let (accounts, origin) = (fixture.accounts, AccessFixture.origin)
    switch change {
    case .disable: try await accounts.disable(name, by: actor, from: origin)
    case .role: try await accounts.setRole(.agent, of: name, by: actor, from: origin)
    case .password: try await accounts.setPassword(Self.newPassword, of: name, by: actor, from: origin)
    case .sessions: try await accounts.endSessions(of: name, by: actor, from: origin)
    case .remove: try await accounts.remove(name, by: actor, from: origin)
    }
  }

  // MARK: Sessions

  @Test(arguments: [Change.disable, .password, .sessions, .remove])
  func `a change that withdraws access ends all sessions of the account and no others`(change: Change) async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account("anna", role: .supervisor)
    try await fixture.account("berta")
    let own = [try await fixture.signIn().text, try await fixture.signIn().text]
    let other = try await fixture.signIn("berta").text
    try await apply(change, to: change == .disable ? anna.id : "anna", fixture)
    for secret in own { #expect(try await fixture.authenticator.session(secret) == nil) }
    #expect(try await fixture.authenticator.session(other) != nil)
  }

  @Test func `a session continues with a new role at once`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account("anna", role: .supervisor)
    let secret = try await fixture.signIn().text
    #expect(try await fixture.authenticator.session(secret)?.identity.role == .supervisor)
    try await apply(.role, to: "anna", fixture)
    #expect(try await fixture.authenticator.session(secret)?.identity.role == .agent)
  }

  @Test func `a disabled account cannot sign in until it is enabled, and its attempts are logged`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    let secret = try await fixture.signIn().text
    try await apply(.disable, to: "anna", fixture)
    let refused = await error { try await fixture.signIn() }
    #expect(refused?.code == .signInRefused && refused?.message == TapedeckError(.signInRefused).message)
    #expect(try await fixture.entries(.signIn).last?.actor?.id == anna.id)
    try await fixture.accounts.enable("anna", by: AccessFixture.admin, from: nil)
    #expect(try await fixture.authenticator.session(secret) == nil, "earlier sessions stay ended")
    _ = try await fixture.signIn()
  }

  @Test func `a removed account is unknown, and its name can be used again with another id`() async throws {
    let fixture = try await AccessFixture()
    let first = try await fixture.account()
    try await apply(.remove, to: "anna", fixture)
    #expect(await failure { try await fixture.signIn() } == .signInRefused)
    #expect(try await fixture.account().id != first.id)
  }

  @Test func `a reset replaces the password`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    try await apply(.password, to: "anna", fixture)
    #expect(await failure { try await fixture.signIn() } == .signInRefused)
    _ = try await fixture.signIn(password: Self.newPassword)
  }

  // MARK: The log

  @Test func `each change is logged with the account, the actor and no password`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account("anna", role: .supervisor)
    for change in [Change.role, .password, .sessions, .disable] { try await apply(change, to: "anna", fixture) }
    try await fixture.accounts.enable("anna", by: AccessFixture.admin, from: AccessFixture.origin)
    try await apply(.remove, to: "anna", fixture)
    let entries = try await fixture.entries().dropFirst()
    #expect(
      entries.map(\.action) == [
        .changeRole, .resetPassword, .endSessions, .disableAccount, .enableAccount, .removeAccount,
      ])
    for entry in entries {
      #expect(entry.outcome == .allowed && entry.actor?.id == AccessFixture.admin.id)
      #expect(entry.origin == AccessFixture.origin)
      #expect(entry.details["id"] == anna.id && entry.details["name"] == "anna")
      #expect(!entry.details.values.contains(Self.newPassword))
    }
    #expect(entries.first?.details["role"] == "supervisor" && entries.first?.details["newRole"] == "agent")
  }

  @Test(arguments: Change.allCases)
  func `a change of an unknown account is an error and is not logged`(change: Change) async throws {
    let fixture = try await AccessFixture()
    for name in ["anna", "", "%", "acc_", "' OR 1=1 --"] {
      #expect(await failure { try await apply(change, to: name, fixture) } == .notFound)
    }
    #expect(try await fixture.entries().isEmpty)
  }

  @Test func `a role or password that is not accepted changes nothing`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account("anna.smith")
    let (accounts, admin) = (fixture.accounts, AccessFixture.admin)
    #expect(
      await failure { try await accounts.setRole(.metrics, of: "anna.smith", by: admin, from: nil) } == .invalidRequest)
    for password in ["short", "password", "Anna.Smith", ""] {
      #expect(
        await failure { try await accounts.setPassword(password, of: "anna.smith", by: admin, from: nil) }
          == .invalidRequest)
    }
    _ = try await fixture.signIn("anna.smith")
  }

  // MARK: The last administrator

  @Test(arguments: [Change.disable, .role, .remove])
  func `the last enabled administrator stays, except for the operator`(change: Change) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account("one", role: .admin)
    try await fixture.account("two", role: .admin)
    try await fixture.account("agent")
    try await apply(.disable, to: "two", fixture)
    let secret = try await fixture.signIn("one").text
    let entries = try await fixture.entries().count
    #expect(await failure { try await apply(change, to: "one", fixture) } == .lastAdministrator)
    #expect(try await fixture.authenticator.session(secret)?.identity.role == .admin)
    #expect(try await fixture.entries().count == entries)
    try await apply(change, to: "one", fixture, by: Self.operator)
    #expect(try await fixture.authenticator.session(secret)?.identity.role != .admin)
  }

  @Test(arguments: [Change.disable, .role, .remove])
  func `an administrator may be disabled, demoted or removed while another one is enabled`(change: Change) async throws
  {
    let fixture = try await AccessFixture()
    try await fixture.account("one", role: .admin)
    try await fixture.account("two", role: .admin)
    try await apply(change, to: "one", fixture)
    #expect(await failure { try await apply(change, to: "two", fixture) } == .lastAdministrator)
    // Changes that leave the administrator in place are allowed.
    try await apply(.password, to: "two", fixture)
    try await apply(.sessions, to: "two", fixture)
  }

  // MARK: Changing one's own password

  private func changeOwn(
    _ fixture: AccessFixture, _ identity: Identity, from current: String, to new: String, keeping session: String? = nil
  ) async throws {
    try await fixture.authenticator.changePassword(
      of: identity, from: current, to: new, keeping: session, from: AccessFixture.origin)
  }

  @Test func `a user changes their own password, and only the session in use continues`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    let used = try await fixture.signIn().text
    let other = try await fixture.signIn().text
    try await changeOwn(fixture, anna, from: AccessFixture.password, to: Self.newPassword, keeping: used)
    #expect(try await fixture.authenticator.session(used) != nil)
    #expect(try await fixture.authenticator.session(other) == nil)
    #expect(await failure { try await fixture.signIn() } == .signInRefused)
    _ = try await fixture.signIn(password: Self.newPassword)
    let entry = try #require(try await fixture.entries(.changePassword).last)
    #expect(entry.outcome == .allowed && entry.actor?.id == anna.id && entry.details.isEmpty)
  }

  @Test func `a wrong current password is refused, logged and throttled`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    for _ in 0..<5 {
      #expect(
        await failure { try await changeOwn(fixture, anna, from: "wrong", to: Self.newPassword) } == .signInRefused)
    }
    #expect(
      await failure { try await changeOwn(fixture, anna, from: AccessFixture.password, to: Self.newPassword) }
        == .signInThrottled)
    let entries = try await fixture.entries(.changePassword)
    #expect(entries.map(\.outcome) == Array(repeating: .denied, count: 5))
    fixture.clock.advance(by: .seconds(1))
    try await changeOwn(fixture, anna, from: AccessFixture.password, to: Self.newPassword)
  }

  @Test func `a new password that is not accepted, or an identity without a password, changes nothing`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account("anna.smith")
    for password in ["short", "password", "anna.smith"] {
      #expect(
        await failure { try await changeOwn(fixture, anna, from: AccessFixture.password, to: password) }
          == .invalidRequest)
    }
    for identity in [Self.operator, Identity(kind: .token, id: anna.id, name: "robot", role: .admin)] {
      #expect(
        await failure { try await changeOwn(fixture, identity, from: AccessFixture.password, to: Self.newPassword) }
          == .invalidRequest)
    }
    _ = try await fixture.signIn("anna.smith")
  }

  @Test func `an account that is disabled while its password is hashed does not sign in`() async throws {
    let (begun, gate) = (Gate(), Gate())
    let fixture = try await AccessFixture(derive: { password, _, _ in
      if password == AccessFixture.password + "!" {
        begun.open()
        try await gate.wait()
      }
      return Array(repeating: 7, count: 32)
    })
    try await fixture.account()
    async let signIn = failure { try await fixture.signIn(password: AccessFixture.password + "!") }
    try await begun.wait()
    try await apply(.disable, to: "anna", fixture)
    gate.open()
    #expect(await signIn == .signInRefused)
    #expect(try await fixture.catalog.accounts().first?.sessions == 0)
  }
}

/// Sessions that end while the change of their account's password waits for a hash.
@Suite struct EndedSessionTests {
  enum End: CaseIterable, Sendable {
    case signedOut, sessionsEnded, expired, passwordReset, disabled, removed
  }

  /// Which of the two passwords of the change is being hashed when the session ends.
  enum Moment: CaseIterable, Sendable {
    case current, new
  }

  private static let slowPassword = "the one that waits"

  private func apply(_ end: End, to session: String, of anna: Identity, _ fixture: AccessFixture) async throws {
    let (accounts, admin) = (fixture.accounts, AccessFixture.admin)
    switch end {
    case .signedOut: try await fixture.authenticator.signOut(session, of: anna, from: AccessFixture.origin)
    case .sessionsEnded: try await accounts.endSessions(of: anna.id, by: admin, from: nil)
    case .expired: fixture.clock.advance(by: .seconds(61))
    case .passwordReset:
      // Without a hash: the hasher is busy with the one that waits.
      let entry = LogEntry(at: fixture.clock.now, action: .resetPassword, outcome: .allowed, actor: nil)
      _ = try await fixture.catalog.change(
        account: anna.id, .passwordHash("new"), by: nil, keepsAdministrator: false
      ) { _ in entry }
    case .disabled: try await accounts.disable(anna.id, by: admin, from: nil)
    case .removed: try await accounts.remove(anna.id, by: admin, from: nil)
    }
  }

  @Test(arguments: End.allCases, Moment.allCases)
  func `a change of one's own password does not outlast its session`(end: End, moment: Moment) async throws {
    let (begun, gate) = (Gate(), Gate())
    let waits = Mutex(false)
    let slow = moment == .new ? Self.slowPassword : AccessFixture.password
    let fixture = try await AccessFixture(
      limits: .init(absolute: .seconds(60)),
      derive: { password, _, _ in
        if password == slow, waits.withLock({ $0 }) {
          begun.open()
          try await gate.wait()
        }
        return Array(password.utf8.prefix(8)) + Array(repeating: 7, count: 24)
      })
    let anna = try await fixture.account()
    let session = try await fixture.signIn().text
    waits.withLock { $0 = true }
    async let code = failure {
      try await fixture.authenticator.changePassword(
        of: anna, from: AccessFixture.password, to: Self.slowPassword, keeping: session, from: AccessFixture.origin)
    }
    try await begun.wait()
    waits.withLock { $0 = false }
    try await apply(end, to: session, of: anna, fixture)
    let stored = try await fixture.catalog.account(anna.id)?.passwordHash
    gate.open()
    #expect(await code == .unauthenticated)
    #expect(try await fixture.catalog.account(anna.id)?.passwordHash == stored)
    let denial = try #require(try await fixture.entries(.changePassword).last)
    #expect(denial.outcome == .denied && denial.code == .unauthenticated && denial.actor?.id == anna.id)
    #expect(denial.origin == AccessFixture.origin)
  }
}

/// Changes whose actor ends, or loses its permission, while the change waits for the hash of a password.
@Suite struct EndedActorTests {
  enum End: CaseIterable, Sendable {
    case accountDisabled, accountDemoted, accountRemoved, tokenRevoked, sessionsEnded, passwordReset
  }

  enum Change: CaseIterable, Sendable {
    case createAccount, setPassword
  }

  private static let slowPassword = "the one that waits"

  private func make(_ end: End, _ fixture: AccessFixture) async throws -> Identity {
    guard end == .tokenRevoked else {
      let chief = try await fixture.account("chief", role: .admin)
      guard end == .sessionsEnded || end == .passwordReset else { return chief }
      let secret = try await fixture.signIn("chief").text
      return try #require(try await fixture.authenticator.session(secret)).identity
    }
    return try await fixture.accounts.createToken(
      name: "chief", role: .admin, agentID: nil, team: nil, by: AccessFixture.admin, from: nil
    ).identity
  }

  private func apply(_ end: End, _ fixture: AccessFixture) async throws {
    let (accounts, actor) = (fixture.accounts, AccountChangeTests.operator)
    switch end {
    case .accountDisabled: try await accounts.disable("chief", by: actor, from: nil)
    case .accountDemoted: try await accounts.setRole(.supervisor, of: "chief", by: actor, from: nil)
    case .accountRemoved: try await accounts.remove("chief", by: actor, from: nil)
    case .tokenRevoked: try await accounts.revokeToken("chief", by: actor, from: nil)
    case .sessionsEnded: try await accounts.endSessions(of: "chief", by: actor, from: nil)
    case .passwordReset:
      try await accounts.setPassword(AccountChangeTests.newPassword, of: "chief", by: actor, from: nil)
    }
  }

  private func expected(_ end: End) -> TapedeckError.Code {
    end == .accountDemoted ? .insufficientPermissions : .unauthenticated
  }

  @Test(arguments: End.allCases, Change.allCases)
  func `a change that waits for a hash does not outlast its actor`(end: End, change: Change) async throws {
    let (begun, gate) = (Gate(), Gate())
    let fixture = try await AccessFixture(derive: { password, _, _ in
      if password == Self.slowPassword {
        begun.open()
        try await gate.wait()
      }
      return Array(password.utf8.prefix(8)) + Array(repeating: 7, count: 24)
    })
    try await fixture.account("anna")
    let actor = try await make(end, fixture)
    async let code = failure {
      switch change {
      case .createAccount:
        _ = try await fixture.accounts.createAccount(
          name: "berta", role: .admin, agentID: nil, team: nil, password: Self.slowPassword, by: actor,
          from: AccessFixture.origin)
      case .setPassword:
        try await fixture.accounts.setPassword(Self.slowPassword, of: "anna", by: actor, from: AccessFixture.origin)
      }
    }
    try await begun.wait()
    try await apply(end, fixture)
    gate.open()
    #expect(await code == expected(end))
    #expect(try await fixture.catalog.account("berta") == nil)
    _ = try await fixture.signIn("anna")
    let denial = try #require(
      try await fixture.entries(change == .createAccount ? .createAccount : .resetPassword).last)
    #expect(denial.outcome == .denied && denial.code == expected(end) && denial.actor?.id == actor.id)
    #expect(denial.origin == AccessFixture.origin)
  }

  @Test(arguments: End.allCases)
  func `an ended actor changes nothing`(end: End) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account("anna")
    let actor = try await make(end, fixture)
    let robot = try await fixture.accounts.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    try await apply(end, fixture)
    let (accounts, entries) = (fixture.accounts, try await fixture.entries().count)
    // An actor who has ended does not learn either whether an account or a token exists.
    let changesOfAccounts: [@Sendable () async throws -> Void] = ["anna", "unknown"].flatMap {
      name -> [@Sendable () async throws -> Void] in
      [
        { try await accounts.disable(name, by: actor, from: nil) },
        { try await accounts.enable(name, by: actor, from: nil) },
        { try await accounts.setRole(.admin, of: name, by: actor, from: nil) },
        { try await accounts.setPassword(AccountChangeTests.newPassword, of: name, by: actor, from: nil) },
        { try await accounts.endSessions(of: name, by: actor, from: nil) },
        { try await accounts.remove(name, by: actor, from: nil) },
      ]
    }
    let changes: [@Sendable () async throws -> Void] =
      changesOfAccounts + [
        { try await accounts.revokeToken("robot", by: actor, from: nil) },
        { try await accounts.revokeToken("unknown", by: actor, from: nil) },
        { _ = try await accounts.createToken(name: "x", role: .agent, agentID: nil, team: nil, by: actor, from: nil) },
      ]
    for change in changes { #expect(await failure { try await change() } == expected(end)) }
    let anna = try #require(try await fixture.catalog.account("anna"))
    #expect(anna.disabledAt == nil && anna.identity.role == .agent)
    _ = try await fixture.signIn("anna")
    #expect(try await fixture.authenticator.identity(bearer: robot.secret.text) != nil)
    let added = try await fixture.entries().dropFirst(entries).filter { $0.actor?.id == actor.id }
    #expect(added.count == changes.count && added.allSatisfy { $0.outcome == .denied })
  }
}

/// Secrets that people type into the wrong field.
@Suite struct MistypedSecretTests {
  private static let secret = "tdk_canaryCANARY0123456789canaryCANARY0123456789"

  private func stored(_ fixture: AccessFixture) async throws -> String {
    try await fixture.database.read { db in
      try db.rows("SELECT detail FROM log_detail").map { try $0.text("detail") }.joined()
    }
  }

  @Test(arguments: ["hunter2 is my secret", "correct horse battery", "S3cr3t-Canary", "tdk_canary0123"])
  func `a password typed as the name is not stored`(password: String) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    #expect(await failure { try await fixture.signIn(password, password: "") } == .signInRefused)
    #expect(try await fixture.entries(.signIn).map(\.outcome) == [.denied])
    #expect(try await !stored(fixture).contains(password))
  }

  @Test(arguments: ["q", "who", "token", "address"])
  func `a token in the details of an entry is redacted`(key: String) async throws {
    let fixture = try await AccessFixture()
    try await fixture.log.record(
      .list, by: nil, from: .init(address: "192.0.2.1", userAgent: "curl \(Self.secret)", requestID: "r"),
      details: [key: "before \(Self.secret) after", "other": "basic training"])
    #expect(try await !stored(fixture).contains("canary"))
    let details = try #require(try await fixture.entries().first?.details)
    #expect(details[key] == "before tdk_[redacted] after" && details["other"] == "basic training")
  }

  @Test func `a token given as the name of a token to revoke is not stored`() async throws {
    let fixture = try await AccessFixture()
    _ = try await fixture.accounts.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    #expect(
      await failure { try await fixture.accounts.revokeToken(Self.secret, by: AccessFixture.admin, from: nil) }
        == .notFound)
    #expect(try await !stored(fixture).contains("canary"))
  }
}
