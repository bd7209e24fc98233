import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct AccountStorageTests {
  static let anna = Identity(
    kind: .account, id: "acc_1", name: "anna", role: .supervisor, agentID: "ag-1", team: "sales")
  static let robot = Identity(kind: .token, id: "tok_1", name: "robot", role: .metrics)

  private func withAnna(_ kind: DatabaseKind) async throws -> TestCatalog {
    let test = try await TestCatalog(kind)
    try await test.catalog.createAccount(Self.anna, passwordHash: "scrypt$…", entry: test.entry(.createAccount))
    return test
  }

  // MARK: Accounts

  @Test(arguments: DatabaseKind.allCases)
  func `an account is found by its exact name, with its agent and team`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await !test.catalog.hasAccounts())
    try await test.catalog.createAccount(Self.anna, passwordHash: "hash", entry: test.entry(.createAccount))
    #expect(try await test.catalog.hasAccounts())
    let row = try #require(try await test.catalog.account(named: "anna"))
    #expect(row.identity == Self.anna)
    #expect(row.passwordHash == "hash")
    #expect(row.createdAt == test.clock.now)
    for name in ["Anna", "anna ", "ann", "", "anna\u{0}", "' OR 1=1 --"] {
      #expect(try await test.catalog.account(named: name) == nil)
    }
    #expect(try await test.count("log_entry") == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a name is unique, and a second attempt changes nothing`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    let before = try await test.everything()
    var second = Self.anna
    second.id = "acc_2"
    #expect(
      await failure {
        try await test.catalog.createAccount(second, passwordHash: "x", entry: test.entry(.createAccount))
      } == .alreadyExists)
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a disabled account is not found`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    _ = try await test.database.write { db in try db.execute("UPDATE account SET disabled_at = 1") }
    #expect(try await test.catalog.account(named: "anna") == nil)
  }

  // MARK: Tokens

  @Test(arguments: DatabaseKind.allCases)
  func `a token is found by its hash until it is revoked`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.createToken(Self.robot, secretSHA256: [1, 2, 3], entry: test.entry(.createToken))
    #expect(try await test.catalog.identity(ofTokenSHA256: [1, 2, 3]) == Self.robot)
    #expect(try await test.catalog.identity(ofTokenSHA256: [1, 2]) == nil)
    #expect(try await test.catalog.identity(ofTokenSHA256: []) == nil)
    try await test.catalog.revokeToken("robot", entry: test.entry(.revokeToken))
    #expect(try await test.catalog.identity(ofTokenSHA256: [1, 2, 3]) == nil)
    #expect(try await test.catalog.tokens().map(\.revokedAt) == [test.clock.now])
    #expect(try await test.count("log_entry") == 2)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the name of a revoked token can be used again`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    func create(_ id: String, _ hash: UInt8) async throws {
      var identity = Self.robot
      identity.id = id
      try await test.catalog.createToken(identity, secretSHA256: [hash], entry: test.entry(.createToken))
    }
    try await create("tok_1", 1)
    #expect(await failure { try await create("tok_2", 2) } == .alreadyExists)
    try await test.catalog.revokeToken("tok_1", entry: test.entry(.revokeToken))
    try await create("tok_3", 3)
    #expect(try await test.catalog.identity(ofTokenSHA256: [1]) == nil)
    #expect(try await test.catalog.identity(ofTokenSHA256: [3])?.id == "tok_3")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `revoking an unknown token is an error and is not logged`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for name in ["robot", "", "%", "' OR 1=1 --"] {
      #expect(
        await failure { try await test.catalog.revokeToken(name, entry: test.entry(.revokeToken)) } == .notFound)
    }
    #expect(try await test.count("log_entry") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the last use of a token is stored`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.catalog.createToken(Self.robot, secretSHA256: [1], entry: test.entry(.createToken))
    #expect(try await test.catalog.tokens().map(\.lastUsedAt) == [nil])
    try await test.catalog.recordTokenUse(["tok_1": test.clock.now + .seconds(3), "tok_absent": test.clock.now])
    #expect(try await test.catalog.tokens().map(\.lastUsedAt) == [test.clock.now + .seconds(3)])
  }

  // MARK: Sessions

  private func signIn(_ test: TestCatalog, _ secret: UInt8, lasts: Duration = .seconds(3600)) async throws {
    try await test.catalog.createSession(
      secretSHA256: [secret], account: Self.anna, csrf: "form", expiresAt: test.clock.now + lasts,
      entry: test.entry(.signIn))
  }

  private func session(_ test: TestCatalog, _ secret: UInt8) async throws -> SessionRow? {
    try await test.catalog.session(secretSHA256: [secret], idle: .seconds(600))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a session has the current identity of its account`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    try await signIn(test, 7)
    let row = try #require(try await session(test, 7))
    #expect(row.identity == Self.anna)
    #expect(row.csrf == "form")
    #expect(row.lastSeenAt == test.clock.now)
    #expect(row.expiresAt == test.clock.now + .seconds(3600))
    #expect(try await session(test, 8) == nil)
    _ = try await test.database.write { db in try db.execute("UPDATE account SET role = 'agent'") }
    #expect(try await session(test, 7)?.identity.role == .agent)
    _ = try await test.database.write { db in try db.execute("UPDATE account SET disabled_at = 1") }
    #expect(try await session(test, 7) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a session ends after its idle time`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    try await signIn(test, 7)
    test.clock.advance(by: .milliseconds(599_999))
    #expect(try await session(test, 7) != nil)
    try await test.catalog.touchSessions([[7], [99]])
    test.clock.advance(by: .milliseconds(599_999))
    #expect(try await session(test, 7) != nil)
    test.clock.advance(by: .milliseconds(1))
    #expect(try await session(test, 7) == nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a session ends at its time limit even if it is used, and is then removed`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    try await signIn(test, 7, lasts: .seconds(500))
    test.clock.advance(by: .milliseconds(499_999))
    try await test.catalog.touchSessions([[7]])
    #expect(try await session(test, 7) != nil)
    test.clock.advance(by: .milliseconds(1))
    #expect(try await session(test, 7) == nil)
    test.clock.advance(by: .milliseconds(1))
    try await signIn(test, 8)
    #expect(try await test.count("session") == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `signing out ends one session`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    try await signIn(test, 7)
    try await signIn(test, 8)
    try await test.catalog.endSession(secretSHA256: [7], entry: test.entry(.signOut))
    #expect(try await session(test, 7) == nil)
    #expect(try await session(test, 8) != nil)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a sign-in that cannot be logged creates no session`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    let before = try await test.everything()
    for statements in 0...3 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await signIn(test, 7) } == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
  }
}
