import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `/api/v1/tokens`: API tokens, for administrators.
struct TokenController {
  let catalog: Catalog
  let accounts: Accounts

  var routes: [Route] {
    [
      .admitted(
        .post, "/api/v1/tokens", .api, permission: .administer, log: .change(.createToken),
        "Creates an API token; its secret is in `token`, this once.", body: .json(NewToken.schema),
        responses: [.json(CreatedIdentity.schema, status: 201, "The token.")], errors: [409]
      ) { admitted in
        let wanted = try await admitted.incoming.decode(NewToken.self)
        let (made, secret) = try await accounts.createToken(
          name: wanted.name, role: try Role(named: wanted.role), agentID: wanted.agentId, team: wanted.team,
          by: admitted.identity, from: admitted.incoming.origin)
        return Reply(
          .json(
            CreatedIdentity(id: made.id, name: made.name, role: made.role.rawValue, token: secret.text),
            status: .created))
      },
      .admitted(
        .get, "/api/v1/tokens", .api, permission: .administer, log: .denials, "All API tokens, without their secrets.",
        responses: [.json(TokenList.schema, "The tokens.")]
      ) { _ in Reply(.json(TokenList(tokens: try await catalog.tokens().map(TokenAnswer.init)))) },
      .admitted(
        .delete, "/api/v1/tokens/{name}", .api, permission: .administer, log: .change(.revokeToken),
        "Revokes the token with a name or id.", responses: [.empty(204, "The token is revoked.")]
      ) { admitted in
        let name = admitted.incoming.path("name").removingPercentEncoding ?? ""
        try await accounts.revokeToken(name, by: admitted.identity, from: admitted.incoming.origin)
        return Reply(Response(status: .noContent))
      },
    ]
  }

  private struct NewToken: Decodable {
    static let schema = Schema.input(
      "NewToken", ["name": .string, "role": .choice(of: Role.self), "agentId?": .string, "team?": .string])
    var name: String
    var role: String
    var agentId: String?
    var team: String?
  }

  private struct TokenList: Encodable {
    static let schema = Schema.object("TokenList", ["tokens": .list(TokenAnswer.schema)])
    let tokens: [TokenAnswer]
  }

  private struct TokenAnswer: Encodable {
    static let schema = Schema.object(
      "Token",
      [
        "id": .string, "name": .string, "role": .choice(of: Role.self), "agentId?": .string, "team?": .string,
        "createdAt": .moment, "lastUsedAt?": .moment, "revokedAt?": .moment,
      ])
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
