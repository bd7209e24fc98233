import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct AuthenticatorTests {
  // MARK: Signing in

  @Test func `the correct password creates a session and a log entry`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    let secret = try await fixture.signIn()
    let session = try #require(try await fixture.authenticator.session(secret.text))
    #expect(session.identity == anna)
    #expect(session.csrf.count == 5 + 43 && session.csrf != secret.text)
    let entries = try await fixture.entries(.signIn)
    #expect(entries.map(\.outcome) == [.allowed])
    #expect(entries.first?.actor?.id == anna.id)
    #expect(entries.first?.origin?.address == "192.0.2.1")
  }

  @Test func `a wrong password and an unknown name get the same error, and both are logged`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    let wrong = await error { try await fixture.signIn(password: "wrong password") }
    let unknown = await error { try await fixture.signIn("unknown", password: "wrong password") }
    #expect(wrong?.code == .signInRefused)
    #expect(unknown?.code == .signInRefused)
    #expect(wrong?.message == unknown?.message)
    let entries = try await fixture.entries(.signIn)
    #expect(entries.map(\.outcome) == [.denied, .denied])
    #expect(entries.map(\.actor?.id) == [anna.id, nil])
    #expect(entries.map { $0.details["name"] } == ["anna", "unknown account"])
    #expect(entries.map(\.code) == [.signInRefused, .signInRefused])
  }

  @Test(arguments: ["", "' OR 1=1 --", "anna\u{0}", "ANNA", String(repeating: "a", count: 100_000)])
  func `a similar name is not accepted`(name: String) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    #expect(await failure { try await fixture.signIn(name) } == .signInRefused)
    #expect(try await fixture.entries(.signIn).first?.details["name"] == "unknown account")
  }

  @Test func `throttling rejects even the correct password, but only from the same address`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    for _ in 0..<5 { #expect(await failure { try await fixture.signIn(password: "wrong") } == .signInRefused) }
    let throttled = await error { try await fixture.signIn() }
    #expect(throttled?.code == .signInThrottled)
    #expect(throttled?.retryAfter == .seconds(1))
    _ = try await fixture.signIn(address: "192.0.2.2")
    fixture.clock.advance(by: .seconds(1))
    _ = try await fixture.signIn()
  }

  @Test func `throttled attempts are summed in the log instead of listed`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    for _ in 0..<5 { _ = await failure { try await fixture.signIn(password: "wrong") } }
    for _ in 0..<40 { #expect(await failure { try await fixture.signIn(password: "wrong") } == .signInThrottled) }
    #expect(try await fixture.entries(.signIn).count == 5)
    try await fixture.log.flush()
    #expect(try await fixture.entries(.anonymous).map(\.count) == [40])
  }

  @Test func `only five of a hundred concurrent guesses are checked`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for number in 0..<100 {
        group.addTask { await failure { try await fixture.signIn(password: "guess \(number)") } }
      }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(codes.count { $0 == .signInRefused } == 5)
    #expect(codes.count { $0 == .signInThrottled } == 95)
  }

  @Test func `sign-in fails when the log cannot be written`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    fixture.database.setBroken(true)
    #expect(await failure { try await fixture.signIn(password: "wrong") } == .accessLogUnavailable)
    #expect(await failure { try await fixture.signIn() } != nil)
    fixture.database.setBroken(false)
    #expect(try await fixture.entries(.signIn).isEmpty)
  }

  // MARK: Sessions

  @Test func `a session ends after the idle time, measured from its last use`() async throws {
    let fixture = try await AccessFixture(limits: .init(idle: .seconds(600), absolute: .seconds(3600)))
    try await fixture.account()
    let secret = try await fixture.signIn().text
    for _ in 0..<3 {
      fixture.clock.advance(by: .seconds(599))
      #expect(try await fixture.authenticator.session(secret) != nil)
      try await fixture.authenticator.flush()
    }
    fixture.clock.advance(by: .seconds(600))
    #expect(try await fixture.authenticator.session(secret) == nil)
    try await fixture.authenticator.flush()
    #expect(try await fixture.authenticator.session(secret) == nil)
  }

  @Test func `a session ends at its absolute limit even while it is used`() async throws {
    let fixture = try await AccessFixture(limits: .init(idle: .seconds(600), absolute: .seconds(1000)))
    try await fixture.account()
    let signedIn = try await fixture.authenticator.signIn(
      name: "anna", password: AccessFixture.password, from: AccessFixture.origin)
    #expect(signedIn.lasts == .seconds(1000))
    fixture.clock.advance(by: .seconds(500))
    #expect(try await fixture.authenticator.session(signedIn.secret.text) != nil)
    try await fixture.authenticator.flush()
    fixture.clock.advance(by: .milliseconds(499_999))
    #expect(try await fixture.authenticator.session(signedIn.secret.text) != nil)
    try await fixture.authenticator.flush()
    fixture.clock.advance(by: .milliseconds(1))
    #expect(try await fixture.authenticator.session(signedIn.secret.text) == nil)
  }

  @Test(arguments: [-3600, 3600])
  func `setting the clock by an hour ends no session`(seconds: Int) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    let secret = try await fixture.signIn().text
    fixture.clock.jump(by: .seconds(seconds))
    #expect(try await fixture.authenticator.session(secret) != nil)
    try await fixture.authenticator.flush()
    // Afterwards the session lasts as long as any other.
    fixture.clock.advance(by: .seconds(7 * 3600))
    #expect(try await fixture.authenticator.session(secret) != nil)
    fixture.clock.advance(by: .seconds(24 * 3600))
    #expect(try await fixture.authenticator.session(secret) == nil)
  }

  @Test(arguments: [3600, 20 * 3600, 5 * 86_400, 3650 * 86_400])
  func `both limits hold for a session that was made while the clock was ahead`(seconds: Int) async throws {
    let fixture = try await AccessFixture(limits: .init(idle: .seconds(600), absolute: .seconds(1000)))
    try await fixture.account()
    fixture.clock.jump(by: .seconds(seconds))
    let (idle, used) = (try await fixture.signIn().text, try await fixture.signIn().text)
    fixture.clock.jump(by: .seconds(-seconds))
    // From here on, its times count as now.
    try await fixture.authenticator.flush()
    #expect(try await fixture.authenticator.session(idle) != nil)
    fixture.clock.advance(by: .seconds(500))
    #expect(try await fixture.authenticator.session(used) != nil)
    try await fixture.authenticator.flush()
    fixture.clock.advance(by: .seconds(100))
    #expect(try await fixture.authenticator.session(idle) == nil)
    #expect(try await fixture.authenticator.session(used) != nil)
    fixture.clock.advance(by: .seconds(400))
    #expect(try await fixture.authenticator.session(used) == nil)
  }

  @Test func `the idle limit holds for a session that was used while the clock was ahead`() async throws {
    let fixture = try await AccessFixture(limits: .init(idle: .seconds(600), absolute: .seconds(10_000)))
    try await fixture.account()
    let secret = try await fixture.signIn().text
    for _ in 0..<5 {
      fixture.clock.jump(by: .seconds(500))
      #expect(try await fixture.authenticator.session(secret) != nil)
      try await fixture.authenticator.flush()
    }
    fixture.clock.jump(by: .seconds(-2500))
    try await fixture.authenticator.flush()
    let commits = fixture.database.commits
    try await fixture.authenticator.flush()
    #expect(fixture.database.commits == commits)
    fixture.clock.advance(by: .seconds(600))
    #expect(try await fixture.authenticator.session(secret) == nil)
  }

  @Test func `the last use of sessions and tokens is kept while the catalog cannot be written`() async throws {
    let fixture = try await AccessFixture(limits: .init(idle: .seconds(600), absolute: .seconds(3600)))
    try await fixture.account()
    let secret = try await fixture.signIn().text
    let (_, token) = try await fixture.accounts.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    fixture.clock.advance(by: .seconds(400))
    let usedAt = fixture.clock.now
    _ = try await fixture.authenticator.session(secret)
    _ = try await fixture.authenticator.identity(bearer: token.text)
    fixture.database.setBroken(true)
    #expect(await failure { try await fixture.authenticator.flush() } == .diskFull)
    fixture.database.setBroken(false)
    try await fixture.authenticator.flush()
    fixture.clock.advance(by: .seconds(400))
    #expect(try await fixture.authenticator.session(secret) != nil)
    #expect(try await fixture.catalog.tokens().first { $0.identity.name == "robot" }?.lastUsedAt == usedAt)
  }

  @Test func `signing out ends the session at once and is logged`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account()
    let secret = try await fixture.signIn()
    let other = try await fixture.signIn()
    try await fixture.authenticator.signOut(secret.text, of: anna, from: AccessFixture.origin)
    #expect(try await fixture.authenticator.session(secret.text) == nil)
    #expect(try await fixture.authenticator.session(other.text) != nil)
    #expect(try await fixture.entries(.signOut).map(\.actor?.id) == [anna.id])
  }

  @Test func `a disabled account loses its sessions and cannot sign in`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    let secret = try await fixture.signIn()
    _ = try await fixture.database.write { db in try db.execute("UPDATE account SET disabled_at = 1") }
    #expect(try await fixture.authenticator.session(secret.text) == nil)
    #expect(await failure { try await fixture.signIn() } == .signInRefused)
  }

  @Test(arguments: ["", "x", "tdk_", String(repeating: "A", count: 43)])
  func `an unknown secret has no session`(secret: String) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    _ = try await fixture.signIn()
    #expect(try await fixture.authenticator.session(secret) == nil)
  }

  // MARK: Tokens

  @Test func `a token identifies its owner until it is revoked`() async throws {
    let fixture = try await AccessFixture()
    let (identity, secret) = try await fixture.accounts.createToken(
      name: "robot", role: .supervisor, agentID: "ag-1", team: "qa", by: AccessFixture.admin, from: AccessFixture.origin
    )
    #expect(try await fixture.authenticator.identity(bearer: secret.text) == identity)
    #expect((identity.kind, identity.role, identity.agentID, identity.team) == (.token, .supervisor, "ag-1", "qa"))
    for other in ["", "tdk_", secret.text + "x", String(secret.text.dropFirst(4)), secret.text.lowercased()] {
      #expect(try await fixture.authenticator.identity(bearer: other) == nil)
    }
    fixture.clock.advance(by: .seconds(7))
    _ = try await fixture.authenticator.identity(bearer: secret.text)
    try await fixture.authenticator.flush()
    #expect(try await fixture.catalog.tokens().first { $0.identity.name == "robot" }?.lastUsedAt == fixture.clock.now)
    try await fixture.accounts.revokeToken("robot", by: AccessFixture.admin, from: AccessFixture.origin)
    #expect(try await fixture.authenticator.identity(bearer: secret.text) == nil)
  }

  @Test func `a session secret is not accepted as a token, nor a token as a session`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account()
    let session = try await fixture.signIn()
    let (_, token) = try await fixture.accounts.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    #expect(try await fixture.authenticator.identity(bearer: session.text) == nil)
    #expect(try await fixture.authenticator.session(token.text) == nil)
  }
}
