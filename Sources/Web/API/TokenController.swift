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
        "Creates an API token. Its secret, `token`, is shown only in this answer.", body: .json(NewToken.schema),
        responses: [.json(CreatedIdentity.schema, status: 201, "The token.")], errors: [409]
      ) { admitted in
        let wanted = try await admitted.incoming.decode(NewToken.self)
        let (made, secret) = try await accounts.createToken(
          name: wanted.name, role: try Role(named: wanted.role), agentID: wanted.agentId, team: wanted.team,
          by: admitted.identity, from: admitted.incoming.origin)
        return Reply(.json(CreatedIdentity(made, token: secret), status: .created))
      },
      .admitted(
        .get, "/api/v1/tokens", .api, permission: .administer, log: .denials, "All API tokens, without their secrets.",
        responses: [.json(TokenList.schema, "The tokens.")]
      ) { _ in
        let tokens = try await catalog.tokens().map {
          IdentityAnswer($0.identity, createdAt: $0.createdAt, TokenFacts($0))
        }
        return Reply(.json(TokenList(tokens: tokens)))
      },
      .admitted(
        .delete, "/api/v1/tokens/{name}", .api, permission: .administer, log: .change(.revokeToken),
        "Revokes the token with this name or ID.", responses: [.empty(204, "The token is revoked.")]
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
    static let schema = Schema.object("TokenList", ["tokens": .list(TokenFacts.schema)])
    let tokens: [IdentityAnswer<TokenFacts>]
  }

  private struct TokenFacts: Encodable {
    static let schema = Schema.object(
      "Token",
      [
        "id": .string, "name": .string, "role": .choice(of: Role.self), "agentId?": .string, "team?": .string,
        "createdAt": .moment, "lastUsedAt?": .moment, "revokedAt?": .moment,
      ])
    let lastUsedAt: String?
    let revokedAt: String?

    init(_ row: TokenRow) {
      lastUsedAt = row.lastUsedAt?.iso8601
      revokedAt = row.revokedAt?.iso8601
    }
  }
}
