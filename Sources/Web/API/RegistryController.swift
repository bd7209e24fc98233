import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// Accounts and API tokens, for administrators.
struct RegistryController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.post("api/v1/accounts") { request, context in
      let wanted = try await request.decode(as: NewAccount.self, context: context)
      let made = try await services.registry.createAccount(
        name: wanted.name, role: try role(wanted.role), agentID: wanted.agentId, team: wanted.team,
        password: wanted.password, by: try context.requireIdentity(), from: context.origin(of: request))
      return Response.json(Made(id: made.id, name: made.name, role: made.role.rawValue, token: nil), status: .created)
    }
    group.post("api/v1/tokens") { request, context in
      let wanted = try await request.decode(as: NewToken.self, context: context)
      let (made, secret) = try await services.registry.createToken(
        name: wanted.name, role: try role(wanted.role), agentID: wanted.agentId, team: wanted.team,
        by: try context.requireIdentity(), from: context.origin(of: request))
      return Response.json(
        Made(id: made.id, name: made.name, role: made.role.rawValue, token: secret.text), status: .created)
    }
    group.get("api/v1/tokens") { request, context in
      guard Policy.mayAdminister(try context.requireIdentity()) else { try await services.deny(request, context) }
      return Response.json(TokenList(tokens: try await services.catalog.tokens().map(TokenAnswer.init)))
    }
    group.delete("api/v1/tokens/:name") { request, context in
      let name = context.parameters.get("name")?.removingPercentEncoding ?? ""
      try await services.registry.revokeToken(
        name, by: try context.requireIdentity(), from: context.origin(of: request))
      return Response(status: .noContent)
    }
  }

  private func role(_ text: String) throws(TapedeckError) -> Role {
    guard let role = Role(rawValue: text) else {
      let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")
      throw TapedeckError(.invalidRequest, "There is no such role. Roles are \(roles).")
    }
    return role
  }

  private struct NewAccount: Decodable {
    var name: String
    var role: String
    var agentId: String?
    var team: String?
    var password: String
  }

  private struct NewToken: Decodable {
    var name: String
    var role: String
    var agentId: String?
    var team: String?
  }

  private struct Made: Encodable {
    let id: String
    let name: String
    let role: String
    /// The secret, told this once.
    let token: String?
  }

  private struct TokenList: Encodable { let tokens: [TokenAnswer] }

  private struct TokenAnswer: Encodable {
    let id: String
    let name: String
    let role: String
    let agentId: String?
    let team: String?
    let createdAt: String
    let lastUsedAt: String?
    let revokedAt: String?

    init(_ row: TokenRow) {
      id = row.identity.id
      name = row.identity.name
      role = row.identity.role.rawValue
      agentId = row.identity.agentID
      team = row.identity.team
      createdAt = row.createdAt.iso8601
      lastUsedAt = row.lastUsedAt?.iso8601
      revokedAt = row.revokedAt?.iso8601
    }
  }
}
