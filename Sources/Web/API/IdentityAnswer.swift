import Access
import Model

/// An account or a token in a response: the members that both have, and the members of `Facts`.
struct IdentityAnswer<Facts: Encodable>: Encodable {
  private struct Common: Encodable {
    let id: String
    let name: String
    let role: String
    let agentId: String?
    let team: String?
    let createdAt: String
  }

  private let common: Common
  private let facts: Facts

  init(_ identity: Identity, createdAt: Instant, _ facts: Facts) {
    common = Common(
      id: identity.id, name: identity.name, role: identity.role.rawValue, agentId: identity.agentID,
      team: identity.team, createdAt: createdAt.iso8601)
    self.facts = facts
  }

  /// One object with the members of both.
  func encode(to encoder: any Encoder) throws {
    try common.encode(to: encoder)
    try facts.encode(to: encoder)
  }
}

/// The response that describes a new account or token.
struct CreatedIdentity: Encodable {
  static let schema = Schema.object(
    "CreatedIdentity", ["id": .string, "name": .string, "role": .choice(of: Role.self), "token?": .string])
  let id: String
  let name: String
  let role: String
  /// The secret, which no later response holds.
  let token: String?

  init(_ identity: Identity, token: Secret? = nil) {
    id = identity.id
    name = identity.name
    role = identity.role.rawValue
    self.token = token?.text
  }
}
