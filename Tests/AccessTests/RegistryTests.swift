import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct RegistryTests {
  @Test func `what is made is in the log, with who made it and what it is called, and no secret`() async throws {
    let desk = try await Desk()
    let anna = try await desk.account("anna", role: .supervisor)
    let (robot, secret) = try await desk.registry.createToken(
      name: "robot", role: .metrics, agentID: nil, team: nil, by: Desk.admin, from: Desk.origin)
    try await desk.registry.revokeToken("robot", by: Desk.admin, from: Desk.origin)
    let entries = try await desk.entries()
    #expect(entries.map(\.action) == [.createAccount, .createToken, .revokeToken])
    #expect(entries.allSatisfy { $0.outcome == .allowed && $0.actor?.id == Desk.admin.id && $0.origin == Desk.origin })
    #expect(entries[0].details == ["id": anna.id, "name": "anna", "role": "supervisor"])
    #expect(entries[1].details == ["id": robot.id, "name": "robot", "role": "metrics"])
    #expect(entries[2].details == ["token": "robot"])
    let text = try await desk.database.read { db in
      try db.rows("SELECT detail FROM log_detail").map { try $0.text("detail") }.joined()
    }
    #expect(!text.contains(secret.text) && !text.contains(Desk.password))
    #expect(anna.id.hasPrefix("acc_") && robot.id.hasPrefix("tok_"))
  }

  @Test(arguments: [Role.agent, .supervisor, .metrics])
  func `only administrators make and revoke, and whoever tries is in the log`(role: Role) async throws {
    let desk = try await Desk()
    let actor = Identity(kind: .token, id: "tok_1", name: "curious", role: role)
    let codes = [
      await failure {
        try await desk.registry.createAccount(
          name: "x", role: .admin, agentID: nil, team: nil, password: Desk.password, by: actor, from: Desk.origin)
      },
      await failure {
        try await desk.registry.createToken(
          name: "x", role: .admin, agentID: nil, team: nil, by: actor, from: Desk.origin)
      }, await failure { try await desk.registry.revokeToken("x", by: actor, from: Desk.origin) },
    ]
    #expect(codes == [.insufficientPermissions, .insufficientPermissions, .insufficientPermissions])
    let entries = try await desk.entries()
    #expect(entries.map(\.action) == [.createAccount, .createToken, .revokeToken])
    #expect(entries.map(\.outcome) == [.denied, .denied, .denied])
    #expect(entries.allSatisfy { $0.actor?.id == "tok_1" && $0.code == .insufficientPermissions })
    #expect(try await desk.catalog.tokens().isEmpty)
    #expect(try await !desk.catalog.hasAccounts())
  }

  @Test(arguments: ["", " ", " anna", "anna ", "a\nb", "a\u{0}b", "a\u{7F}", "\t", String(repeating: "x", count: 101)])
  func `a name is printable, has 1 to 100 bytes and no spaces around it`(name: String) async throws {
    let desk = try await Desk()
    #expect(await failure { try await desk.account(name) } == .invalidRequest)
    #expect(
      await failure {
        try await desk.registry.createToken(
          name: name, role: .agent, agentID: nil, team: nil, by: Desk.admin, from: nil)
      } == .invalidRequest)
    #expect(try await desk.entries().isEmpty)
  }

  @Test func `people have no role that is for programs, and no short password`() async throws {
    let desk = try await Desk()
    #expect(await failure { try await desk.account(role: .metrics) } == .invalidRequest)
    #expect(
      await failure {
        try await desk.registry.createAccount(
          name: "anna", role: .agent, agentID: nil, team: nil, password: "short", by: Desk.admin, from: nil)
      } == .invalidRequest)
    #expect(try await !desk.catalog.hasAccounts())
  }

  @Test func `a name is given once`() async throws {
    let desk = try await Desk()
    try await desk.account("José Müller")
    #expect(await failure { try await desk.account("José Müller") } == .alreadyExists)
    #expect(await failure { try await desk.registry.revokeToken("absent", by: Desk.admin, from: nil) } == .notFound)
  }
}
