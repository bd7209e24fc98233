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
    "tdk_anna", "whsec_anna",
  ])
  func `a name must be printable, 1 to 100 bytes long, without surrounding spaces`(name: String) async throws {
    let fixture = try await AccessFixture()
    #expect(await failure { try await fixture.account(name) } == .invalidRequest)
    #expect(
      await failure {
        try await fixture.accounts.createToken(
          name: name, role: .agent, agentID: nil, team: nil, by: AccessFixture.admin, from: nil)
      } == .invalidRequest)
    #expect(try await fixture.entries().isEmpty)
  }

  @Test(arguments: ["José Müller", "李雷", "नेहा", "علی\u{200C}رضا", "O'Neil-Smith 3", "👩\u{200D}🚒"])
  func `a name may have any letters`(name: String) async throws {
    let fixture = try await AccessFixture()
    #expect(try await fixture.account(name).name == name)
  }

  @Test(arguments: ["", String(repeating: "x", count: 201), "a\u{202E}b", "a\nb", "a\u{0}", "\u{2069}"])
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
