import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct AccountsTests {
  @Test func `creations and revocations are logged with actor and name, without secrets`() async throws {
    let fixture = try await AccessFixture()
    let anna = try await fixture.account("anna", role: .supervisor)
    let (robot, secret) = try await fixture.accounts.createToken(
      name: "robot", role: .metrics, agentID: nil, team: nil, by: AccessFixture.admin, from: AccessFixture.origin)
    try await fixture.accounts.revokeToken("robot", by: AccessFixture.admin, from: AccessFixture.origin)
    let entries = try await fixture.entries()
    #expect(entries.map(\.action) == [.createAccount, .createToken, .revokeToken])
    #expect(
      entries.allSatisfy {
        $0.outcome == .allowed && $0.actor?.id == AccessFixture.admin.id && $0.origin == AccessFixture.origin
      })
    #expect(entries[0].details == ["id": anna.id, "name": "anna", "role": "supervisor"])
    #expect(entries[1].details == ["id": robot.id, "name": "robot", "role": "metrics"])
    #expect(entries[2].details == ["token": "robot"])
    let text = try await fixture.database.read { db in
      try db.rows("SELECT detail FROM log_detail").map { try $0.text("detail") }.joined()
    }
    #expect(!text.contains(secret.text) && !text.contains(AccessFixture.password))
    #expect(anna.id.hasPrefix("acc_") && robot.id.hasPrefix("tok_"))
  }

  @Test(arguments: [
    "", " ", " anna", "anna ", "a\nb", "a\u{0}b", "a\u{7F}", "\t", String(repeating: "x", count: 101),
    "anna\u{202E}gnp.exe", "\u{2066}anna", "an\u{200E}na", "an\u{200B}na", "anna\u{2028}", "a\u{85}b", "\u{FEFF}anna",
    "tdk_anna", "whsec_anna", "TDK_anna", "operator:root", "Operator:0", "operator", "Tapedeck", "TAPEDECK", "tapedeck",
    "tdks_abc", "TDKS_abc", "td\u{200D}ks_abc", "\u{2800}anna", "anna\u{2800}", "an\u{2800}na", "\u{2800}",
    "\u{3164}anna",
    "\u{115F}anna", "anna\u{1160}", "\u{FFA0}anna", "an\u{AD}na", "an\u{34F}na", "anna\u{17B4}", "\u{180E}anna",
    "anna\u{1D159}", "anna\u{16FE4}", "anna\u{13441}", "\u{13442}", "\u{FFFC}anna", "\u{A0}anna", "anna\u{3000}",
    "\u{2003}anna",
    "Tape\u{200D}deck", "Ｔapedeck", "unknown account", "acc_0123", "tok_0123", "TOK_0123", "token dana", "Token  dana",
    "\u{200D}", "\u{3164}",
  ])
  func `a name must be printable, 1 to 100 bytes long, without surrounding spaces, and not reserved`(name: String)
    async throws
  {
    let fixture = try await AccessFixture()
    #expect(await failure { try await fixture.account(name) } == .invalidRequest)
    #expect(
      await failure {
        try await fixture.accounts.createToken(
          name: name, role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
      } == .invalidRequest)
    #expect(try await fixture.entries().isEmpty)
  }

  @Test(arguments: [
    ("anna", "ANNA"), ("anna", "Anna"), ("admin", "admin\u{200D}"), ("admin", "ad\u{200C}min"),
    ("anna b", "anna\u{A0}b"), ("anna b", "anna  b"), ("anna", "ａnna"), ("José", "Jose\u{301}"), ("ok", "o\u{FE0F}k"),
  ])
  func `two names must not look the same`(first: String, second: String) async throws {
    for (taken, wanted) in [(first, second), (second, first)] {
      let fixture = try await AccessFixture()
      try await fixture.account(taken)
      #expect(await failure { try await fixture.account(wanted) } == .alreadyExists)
    }
    for (taken, wanted) in [(first, second), (second, first)] {
      let fixture = try await AccessFixture()
      let create = { (name: String) async throws(TapedeckError) in
        try await fixture.accounts.createToken(
          name: name, role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
      }
      _ = try await create(taken)
      #expect(await failure { try await create(wanted) } == .alreadyExists)
      try await fixture.accounts.revokeToken(taken, by: AccessFixture.admin, from: nil)
      _ = try await create(wanted)
    }
  }

  @Test(arguments: [("dana", "dana"), ("dana", "Dana"), ("José", "Jose\u{301}")])
  func `an account and an active token must not have names that look the same`(account: String, token: String)
    async throws
  {
    let fixture = try await AccessFixture()
    func create(_ name: String) async throws(TapedeckError) {
      _ = try await fixture.accounts.createToken(
        name: name, role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    }
    try await create(token)
    let refused = await #expect(throws: TapedeckError.self) { try await fixture.account(account) }
    #expect(refused?.code == .alreadyExists && refused?.message.contains("A token with this name") == true)
    try await fixture.accounts.revokeToken(token, by: AccessFixture.admin, from: nil)
    try await fixture.account(account)
    let again = await #expect(throws: TapedeckError.self) { try await create(token) }
    #expect(again?.code == .alreadyExists && again?.message.contains("An account with this name") == true)
    // The name of a disabled account stays taken, because the account can be enabled again.
    try await fixture.accounts.disable(account, by: AccessFixture.admin, from: nil)
    #expect(await failure { try await create(token) } == .alreadyExists)
  }

  @Test(arguments: [("anna", "anne"), ("anna", "anna b"), ("ab", "a b"), ("Jose", "José"), ("a1", "a2")])
  func `names that look different may both exist`(first: String, second: String) async throws {
    let fixture = try await AccessFixture()
    try await fixture.account(first)
    #expect(try await fixture.account(second).name == second)
  }

  @Test func `revoking a token by its ID revokes no token with that name`() async throws {
    let fixture = try await AccessFixture()
    func create(_ name: String) async throws -> (identity: Identity, secret: Secret) {
      try await fixture.accounts.createToken(
        name: name, role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
    }
    let (first, second) = (try await create("first"), try await create("second"))
    // Such a name cannot be given any more.
    _ = try await fixture.database.write { db in
      try db.execute("UPDATE api_token SET name = \(first.identity.id) WHERE id = \(second.identity.id)")
    }
    try await fixture.accounts.revokeToken(first.identity.id, by: AccessFixture.admin, from: nil)
    #expect(try await fixture.authenticator.identity(bearer: first.secret.text) == nil)
    #expect(try await fixture.authenticator.identity(bearer: second.secret.text) != nil)
  }

  @Test(arguments: [
    "José Müller", "李雷", "नेहा", "علی\u{200C}رضا", "O'Neil-Smith 3", "👩\u{200D}🚒", "❤\u{FE0F}", "山田\u{3000}太郎",
    "葛\u{E0100}城",
    "⠓⠊", "tdk", "tdks-anna",
  ])
  func `a name may have any letters`(name: String) async throws {
    let fixture = try await AccessFixture()
    #expect(try await fixture.account(name).name == name)
  }

  @Test(arguments: [
    " ", "\u{3000}", "\u{200D}", "", String(repeating: "x", count: 201), "a\u{202E}b", "a\nb", "a\u{0}", "\u{2069}",
  ])
  func `an agent id and a team have 1 to 200 printable characters`(value: String) async throws {
    let fixture = try await AccessFixture()
    for (agentID, team) in [(value, nil), (nil, value)] as [(String?, String?)] {
      #expect(
        await failure {
          try await fixture.accounts.createAccount(
            name: "anna", role: .agent, agentID: agentID, team: team, password: AccessFixture.password,
            by: AccessFixture.admin, from: nil)
        } == .invalidRequest)
      #expect(
        await failure {
          try await fixture.accounts.createToken(
            name: "robot", role: .agent, agentID: agentID, team: team, by: AccessFixture.admin, from: nil)
        } == .invalidRequest)
    }
    #expect(try await fixture.entries().isEmpty)
  }

  @Test func `an account cannot have the role metrics or a short password`() async throws {
    let fixture = try await AccessFixture()
    #expect(await failure { try await fixture.account(role: .metrics) } == .invalidRequest)
    #expect(
      await failure {
        try await fixture.accounts.createAccount(
          name: "anna", role: .agent, agentID: nil, team: nil, password: "short", by: AccessFixture.admin, from: nil)
      } == .invalidRequest)
    #expect(try await !fixture.catalog.hasAccounts())
  }

  @Test func `a name can be used only once`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.account("José Müller")
    #expect(await failure { try await fixture.account("José Müller") } == .alreadyExists)
    #expect(
      await failure { try await fixture.accounts.revokeToken("absent", by: AccessFixture.admin, from: nil) }
        == .notFound)
  }
}
