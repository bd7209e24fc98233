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
      secretSHA256: [secret], account: Self.anna, passwordHash: "scrypt$…", csrf: "form",
      expiresAt: test.clock.now + lasts,
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
  func `the last use of an account outlasts its sessions`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    func lastUse() async throws -> Instant? { try await test.catalog.account("anna")?.lastSeenAt }
    #expect(try await lastUse() == nil)
    try await signIn(test, 7)
    let signedIn = test.clock.now
    #expect(try await lastUse() == signedIn)
    test.clock.advance(by: .seconds(10))
    try await test.catalog.touchSessions([[99]])
    #expect(try await lastUse() == signedIn, "A session that does not exist is not used.")
    try await test.catalog.touchSessions([[99], [7]])
    let used = test.clock.now
    #expect(try await lastUse() == used)
    test.clock.advance(by: .seconds(10))
    try await test.catalog.endSession(secretSHA256: [7], entry: test.entry(.signOut))
    #expect(try await lastUse() == used)
    try await signIn(test, 8, lasts: .seconds(5))
    test.clock.advance(by: .seconds(6))
    #expect(try await lastUse() == used + .seconds(10), "The session has expired.")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a sign-in that cannot be logged creates no session`(kind: DatabaseKind) async throws {
    let test = try await withAnna(kind)
    let before = try await test.everything()
    for statements in 0...4 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await signIn(test, 7) } == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
  }
}

/// How the catalog changes accounts, and what it announces to other nodes.
@Suite(.serialized) struct AccountChangeStorageTests {
  private static let anna = AccountStorageTests.anna

  private func withSession(_ kind: DatabaseKind) async throws -> TestCatalog {
    let test = try await TestCatalog(kind)
    try await test.catalog.createAccount(Self.anna, passwordHash: "old", entry: test.entry(.createAccount))
    try await test.catalog.createSession(
      secretSHA256: [7], account: Self.anna, passwordHash: "old", csrf: "form",
      expiresAt: test.clock.now + .seconds(60), entry: test.entry(.signIn))
    return test
  }

  private func change(
    _ test: TestCatalog, _ change: AccountChange, of name: String = "acc_1", keepsAdministrator: Bool = true
  ) async throws -> AccountRow {
    let entry = test.entry(.disableAccount)
    return try await test.catalog.change(
      account: name, change, by: nil, keepsAdministrator: keepsAdministrator
    ) { _ in entry }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `accounts are listed by name, with their state and sessions`(kind: DatabaseKind) async throws {
    let test = try await withSession(kind)
    let berta = Identity(kind: .account, id: "acc_0", name: "Berta", role: .admin)
    try await test.catalog.createAccount(berta, passwordHash: "x", entry: test.entry(.createAccount))
    _ = try await change(test, .disable, of: "Berta", keepsAdministrator: false)
    let rows = try await test.catalog.accounts()
    #expect(Set(rows.map(\.identity)) == [Self.anna, berta])
    let row = try #require(rows.first { $0.identity == Self.anna })
    #expect(row.sessions == 1 && row.lastSeenAt == test.clock.now && row.disabledAt == nil)
    #expect(rows.first { $0.identity == berta }?.disabledAt == test.clock.now)
    test.clock.advance(by: .seconds(61))
    #expect(try await test.catalog.account("anna")?.sessions == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a name that is the id of another account does not stand for it`(kind: DatabaseKind) async throws {
    let test = try await withSession(kind)
    let other = Identity(kind: .account, id: "acc_2", name: "acc_1", role: .agent)
    try await test.catalog.createAccount(other, passwordHash: "x", entry: test.entry(.createAccount))
    #expect(try await test.catalog.account("acc_1")?.identity == Self.anna)
    #expect(try await change(test, .disable, of: "acc_1").identity == Self.anna)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a change that cannot be logged changes nothing`(kind: DatabaseKind) async throws {
    let test = try await withSession(kind)
    let before = try await test.everything()
    for statements in 0...3 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await change(test, .remove) } == .diskFull)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a session needs the password that was checked, and an enabled account`(kind: DatabaseKind) async throws {
    let test = try await withSession(kind)
    func signIn(_ hash: String) async throws {
      try await test.catalog.createSession(
        secretSHA256: [8], account: Self.anna, passwordHash: hash, csrf: "form",
        expiresAt: test.clock.now + .seconds(60), entry: test.entry(.signIn))
    }
    #expect(await failure { try await signIn("other") } == .signInRefused)
    _ = try await change(test, .disable)
    #expect(await failure { try await signIn("old") } == .signInRefused)
    _ = try await change(test, .enable)
    try await signIn("old")
    _ = try await change(test, .remove)
    #expect(await failure { try await signIn("old") } == .signInRefused)
    #expect(try await test.count("session") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `of two changes of one password only the first counts`(kind: DatabaseKind) async throws {
    let test = try await withSession(kind)
    func replace(with hash: String) async throws {
      try await test.catalog.changePassword(
        of: "acc_1", from: "old", to: hash, keeping: [7], entry: test.entry(.changePassword))
    }
    try await replace(with: "new")
    #expect(await failure { try await replace(with: "newer") } == .signInRefused)
    #expect(try await test.catalog.account("anna")?.passwordHash == "new")
    #expect(try await test.count("session") == 1)
  }

  @Test(arguments: DatabaseKind.allCases, ["ended", "expired", "of another account"])
  func `a password is changed by a live session of its account only`(kind: DatabaseKind, session: String) async throws {
    let test = try await withSession(kind)
    let other = Identity(kind: .account, id: "acc_2", name: "berta", role: .agent)
    try await test.catalog.createAccount(other, passwordHash: "old", entry: test.entry(.createAccount))
    switch session {
    case "ended": try await test.catalog.endSession(secretSHA256: [7], entry: test.entry(.signOut))
    case "expired": test.clock.advance(by: .seconds(61))
    default: break
    }
    let before = try await test.everything()
    let id = session == "of another account" ? other.id : "acc_1"
    #expect(
      await failure {
        try await test.catalog.changePassword(
          of: id, from: "old", to: "new", keeping: [7], entry: test.entry(.changePassword))
      } == .unauthenticated)
    #expect(try await test.everything() == before)
  }

  enum Narrowing: CaseIterable, Sendable { case disable, remove, password, role, ownPassword, token, signOut, privacy }

  @Test(arguments: DatabaseKind.allCases, Narrowing.allCases)
  func `narrowed access is announced to every node`(kind: DatabaseKind, narrowing: Narrowing) async throws {
    let folder = try TemporaryFolder()
    let clock = TestClock()
    let database = try await kind.openMigrated(in: folder, now: { clock.now })
    // SQLite has one process; with PostgreSQL the other node has connections of its own.
    let other = kind == .sqlite ? database : try kind.open(in: folder, now: { clock.now })
    defer {
      try? database.close()
      try? other.close()
    }
    let catalog = Catalog(database: database)
    let entry = LogEntry(at: clock.now, action: .disableAccount, outcome: .allowed, actor: nil)
    try await catalog.createAccount(Self.anna, passwordHash: "old", entry: entry)
    try await catalog.createToken(AccountStorageTests.robot, secretSHA256: [1], entry: entry)
    let key = RecordingKey(id: try #require(RecordingID("call-1")))
    var facts = PlatformRecording(id: key.id, status: .available, privacy: .standard)
    try await catalog.observe(facts, of: key)
    // The first use of the other node's database waits until it listens.
    _ = try await Catalog(database: other).hasAccounts()
    let changes = other.changes()

    func change(_ change: AccountChange) async throws {
      _ = try await catalog.change(account: "anna", change, by: nil, keepsAdministrator: false) { _ in entry }
    }
    switch narrowing {
    case .disable: try await change(.disable)
    case .remove: try await change(.remove)
    case .password: try await change(.passwordHash("new"))
    case .role: try await change(.role(.agent))
    case .ownPassword:
      try await catalog.changePassword(of: "acc_1", from: "old", to: "new", keeping: nil, entry: entry)
    case .token: try await catalog.revokeToken("robot", entry: entry)
    case .signOut: try await catalog.endSession(secretSHA256: [7], entry: entry)
    case .privacy:
      facts.privacy = .restricted
      try await catalog.observe(facts, of: key)
    }
    // A job marks the end of what was announced.
    var announced = 0
    _ = try await catalog.requestIngest(of: key, clearance: .restricted, by: "tok_1", entry: entry)
    for await change in changes {
      if change == .accessNarrowed { announced += 1 }
      if case .job = change { break }
    }
    #expect(announced == 1)
  }
}
