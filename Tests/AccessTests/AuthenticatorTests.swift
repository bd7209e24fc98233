import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct AuthenticatorTests {
  // MARK: Signing in

  @Test func `the right password opens a session and is in the log`() async throws {
    let desk = try await Desk()
    let anna = try await desk.account()
    let secret = try await desk.signIn()
    let session = try #require(try await desk.authenticator.session(secret.text))
    #expect(session.identity == anna)
    #expect(session.csrf.count == 43 && session.csrf != secret.text)
    let entries = try await desk.entries(.signIn)
    #expect(entries.map(\.outcome) == [.allowed])
    #expect(entries.first?.actor?.id == anna.id)
    #expect(entries.first?.origin?.address == "192.0.2.1")
  }

  @Test func `a wrong password and an unknown name get the same answer, and both are in the log`() async throws {
    let desk = try await Desk()
    let anna = try await desk.account()
    let wrong = await error { try await desk.signIn(password: "wrong password") }
    let unknown = await error { try await desk.signIn("nobody", password: "wrong password") }
    #expect(wrong?.code == .signInRefused)
    #expect(unknown?.code == .signInRefused)
    #expect(wrong?.message == unknown?.message)
    let entries = try await desk.entries(.signIn)
    #expect(entries.map(\.outcome) == [.denied, .denied])
    #expect(entries.map(\.actor?.id) == [anna.id, nil])
    #expect(entries.map { $0.details["name"] } == ["anna", "nobody"])
    #expect(entries.map(\.code) == [.signInRefused, .signInRefused])
  }

  @Test(arguments: ["", "' OR 1=1 --", "anna\u{0}", "ANNA", String(repeating: "a", count: 100_000)])
  func `no other name is the name`(name: String) async throws {
    let desk = try await Desk()
    try await desk.account()
    #expect(await failure { try await desk.signIn(name) } == .signInRefused)
    #expect(try await desk.entries(.signIn).first?.details["name"]?.count ?? 0 <= 200)
  }

  @Test func `guessing is slowed down even with the right password at last, for that address alone`() async throws {
    let desk = try await Desk()
    try await desk.account()
    for _ in 0..<5 { #expect(await failure { try await desk.signIn(password: "wrong") } == .signInRefused) }
    let throttled = await error { try await desk.signIn() }
    #expect(throttled?.code == .signInThrottled)
    #expect(throttled?.retryAfter == .seconds(1))
    _ = try await desk.signIn(address: "192.0.2.2")
    desk.clock.advance(by: .seconds(1))
    _ = try await desk.signIn()
  }

  @Test func `throttled attempts are summed in the log, not listed`() async throws {
    let desk = try await Desk()
    try await desk.account()
    for _ in 0..<5 { _ = await failure { try await desk.signIn(password: "wrong") } }
    for _ in 0..<40 { #expect(await failure { try await desk.signIn(password: "wrong") } == .signInThrottled) }
    #expect(try await desk.entries(.signIn).count == 5)
    try await desk.log.flush()
    #expect(try await desk.entries(.anonymous).map(\.count) == [40])
  }

  @Test func `of a hundred guesses at the same moment only a few are answered`() async throws {
    let desk = try await Desk()
    try await desk.account()
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for number in 0..<100 { group.addTask { await failure { try await desk.signIn(password: "guess \(number)") } } }
      return await group.reduce(into: []) { $0.append($1) }
    }
    #expect(codes.count { $0 == .signInRefused } == 5)
    #expect(codes.count { $0 == .signInThrottled } == 95)
  }

  @Test func `nobody is signed in when the log cannot be written`() async throws {
    let desk = try await Desk()
    try await desk.account()
    desk.database.setBroken(true)
    #expect(await failure { try await desk.signIn(password: "wrong") } == .accessLogUnavailable)
    #expect(await failure { try await desk.signIn() } != nil)
    desk.database.setBroken(false)
    #expect(try await desk.entries(.signIn).isEmpty)
  }

  // MARK: Sessions

  @Test func `a session ends when it was idle, counting from when it was last used`() async throws {
    let desk = try await Desk(limits: .init(idle: .seconds(600), absolute: .seconds(3600)))
    try await desk.account()
    let secret = try await desk.signIn().text
    for _ in 0..<3 {
      desk.clock.advance(by: .seconds(599))
      #expect(try await desk.authenticator.session(secret) != nil)
      try await desk.authenticator.flush()
    }
    desk.clock.advance(by: .seconds(600))
    #expect(try await desk.authenticator.session(secret) == nil)
    try await desk.authenticator.flush()
    #expect(try await desk.authenticator.session(secret) == nil)
  }

  @Test func `a session ends at its limit however much it is used`() async throws {
    let desk = try await Desk(limits: .init(idle: .seconds(600), absolute: .seconds(1000)))
    try await desk.account()
    let signedIn = try await desk.authenticator.signIn(name: "anna", password: Desk.password, from: Desk.origin)
    #expect(signedIn.lasts == .seconds(1000))
    desk.clock.advance(by: .seconds(500))
    #expect(try await desk.authenticator.session(signedIn.secret.text) != nil)
    try await desk.authenticator.flush()
    desk.clock.advance(by: .milliseconds(499_999))
    #expect(try await desk.authenticator.session(signedIn.secret.text) != nil)
    try await desk.authenticator.flush()
    desk.clock.advance(by: .milliseconds(1))
    #expect(try await desk.authenticator.session(signedIn.secret.text) == nil)
  }

  @Test(arguments: [-3600, 3600])
  func `a clock that is set by an hour signs nobody out`(seconds: Int) async throws {
    let desk = try await Desk()
    try await desk.account()
    let secret = try await desk.signIn().text
    desk.clock.jump(by: .seconds(seconds))
    #expect(try await desk.authenticator.session(secret) != nil)
    try await desk.authenticator.flush()
    // From then on it lasts as long as any other.
    desk.clock.advance(by: .seconds(7 * 3600))
    #expect(try await desk.authenticator.session(secret) != nil)
    desk.clock.advance(by: .seconds(24 * 3600))
    #expect(try await desk.authenticator.session(secret) == nil)
  }

  @Test func `when sessions and tokens were used is not lost while the catalog cannot be written`() async throws {
    let desk = try await Desk(limits: .init(idle: .seconds(600), absolute: .seconds(3600)))
    try await desk.account()
    let secret = try await desk.signIn().text
    let (_, token) = try await desk.registry.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: Desk.admin, from: nil)
    desk.clock.advance(by: .seconds(400))
    let usedAt = desk.clock.now
    _ = try await desk.authenticator.session(secret)
    _ = try await desk.authenticator.identity(bearer: token.text)
    desk.database.setBroken(true)
    #expect(await failure { try await desk.authenticator.flush() } == .diskFull)
    desk.database.setBroken(false)
    try await desk.authenticator.flush()
    desk.clock.advance(by: .seconds(400))
    #expect(try await desk.authenticator.session(secret) != nil)
    #expect(try await desk.catalog.tokens().map(\.lastUsedAt) == [usedAt])
  }

  @Test func `signing out ends the session at once and is in the log`() async throws {
    let desk = try await Desk()
    let anna = try await desk.account()
    let secret = try await desk.signIn()
    let other = try await desk.signIn()
    try await desk.authenticator.signOut(secret.text, of: anna, from: Desk.origin)
    #expect(try await desk.authenticator.session(secret.text) == nil)
    #expect(try await desk.authenticator.session(other.text) != nil)
    #expect(try await desk.entries(.signOut).map(\.actor?.id) == [anna.id])
  }

  @Test func `a disabled account loses its sessions and cannot come back`() async throws {
    let desk = try await Desk()
    try await desk.account()
    let secret = try await desk.signIn()
    _ = try await desk.database.write { db in try db.execute("UPDATE account SET disabled_at = 1") }
    #expect(try await desk.authenticator.session(secret.text) == nil)
    #expect(await failure { try await desk.signIn() } == .signInRefused)
  }

  @Test(arguments: ["", "x", "tdk_", String(repeating: "A", count: 43)])
  func `what is no session is none`(secret: String) async throws {
    let desk = try await Desk()
    try await desk.account()
    _ = try await desk.signIn()
    #expect(try await desk.authenticator.session(secret) == nil)
  }

  // MARK: Tokens

  @Test func `a token says who it is until it is revoked`() async throws {
    let desk = try await Desk()
    let (identity, secret) = try await desk.registry.createToken(
      name: "robot", role: .supervisor, agentID: "ag-1", team: "qa", by: Desk.admin, from: Desk.origin)
    #expect(try await desk.authenticator.identity(bearer: secret.text) == identity)
    #expect((identity.kind, identity.role, identity.agentID, identity.team) == (.token, .supervisor, "ag-1", "qa"))
    for other in ["", "tdk_", secret.text + "x", String(secret.text.dropFirst(4)), secret.text.lowercased()] {
      #expect(try await desk.authenticator.identity(bearer: other) == nil)
    }
    desk.clock.advance(by: .seconds(7))
    _ = try await desk.authenticator.identity(bearer: secret.text)
    try await desk.authenticator.flush()
    #expect(try await desk.catalog.tokens().map(\.lastUsedAt) == [desk.clock.now])
    try await desk.registry.revokeToken("robot", by: Desk.admin, from: Desk.origin)
    #expect(try await desk.authenticator.identity(bearer: secret.text) == nil)
  }

  @Test func `a session's secret is no token and a token is no session`() async throws {
    let desk = try await Desk()
    try await desk.account()
    let session = try await desk.signIn()
    let (_, token) = try await desk.registry.createToken(
      name: "robot", role: .agent, agentID: nil, team: nil, by: Desk.admin, from: nil)
    #expect(try await desk.authenticator.identity(bearer: session.text) == nil)
    #expect(try await desk.authenticator.session(token.text) == nil)
  }
}
