import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `/api/v1/accounts`: accounts, for administrators; `/api/v1/account/password`: the caller's own password.
struct AccountController {
  let accounts: Accounts
  let authenticator: Authenticator

  var routes: [Route] { [list, create, changeOwnPassword] + changes }

  private var list: Route {
    .admitted(
      .get, "/api/v1/accounts", .api, permission: .administer, log: .denials, "All accounts, by name.",
      responses: [.json(AccountList.schema, "The accounts.")]
    ) { _ in
      let accounts = try await accounts.list().map {
        IdentityAnswer($0.identity, createdAt: $0.createdAt, AccountFacts($0))
      }
      return Reply(.json(AccountList(accounts: accounts)))
    }
  }

  private var create: Route {
    .admitted(
      .post, "/api/v1/accounts", .api, permission: .administer, log: .change(.createAccount),
      "Creates an account.", body: .json(NewAccount.schema),
      responses: [.json(CreatedIdentity.schema, status: 201, "The account.")], errors: [409, 429]
    ) { admitted in
      let wanted = try await admitted.incoming.decode(NewAccount.self)
      let made = try await accounts.createAccount(
        name: wanted.name, role: try Role(named: wanted.role), agentID: wanted.agentId, team: wanted.team,
        password: wanted.password, by: admitted.identity, from: admitted.incoming.origin)
      return Reply(.json(CreatedIdentity(made), status: .created))
    }
  }

  private var changeOwnPassword: Route {
    .admitted(
      .post, "/api/v1/account/password", .api, permission: nil, log: .change(.changePassword),
      "Changes the caller's password and ends the account's other sessions. 401 when `currentPassword` is wrong.",
      body: .json(PasswordChange.schema), responses: [.empty(204, "The password is changed.")], errors: [429]
    ) { admitted in
      let wanted = try await admitted.incoming.decode(PasswordChange.self)
      try await authenticator.changePassword(
        of: admitted.identity, from: wanted.currentPassword, to: wanted.newPassword,
        keeping: admitted.context.session?.secret, from: admitted.incoming.origin)
      return Reply(Response(status: .noContent))
    }
  }

  private var changes: [Route] {
    [
      change(.post, "/disable", .disableAccount, "Disables an account and ends its sessions and downloads at once.") {
        try await accounts.disable($0, by: $1.identity, from: $1.incoming.origin)
      },
      change(.post, "/enable", .enableAccount, "Enables a disabled account.") {
        try await accounts.enable($0, by: $1.identity, from: $1.incoming.origin)
      },
      change(.post, "/role", .changeRole, "Changes the role of an account.", body: NewRole.schema) {
        let role = try Role(named: try await $1.incoming.decode(NewRole.self).role)
        try await accounts.setRole(role, of: $0, by: $1.identity, from: $1.incoming.origin)
      },
      change(
        .post, "/password", .resetPassword, "Sets the password of an account and ends its sessions.",
        body: NewPassword.schema
      ) {
        let password = try await $1.incoming.decode(NewPassword.self).password
        try await accounts.setPassword(password, of: $0, by: $1.identity, from: $1.incoming.origin)
      },
      change(.delete, "/sessions", .endSessions, "Ends all sessions of an account.") {
        try await accounts.endSessions(of: $0, by: $1.identity, from: $1.incoming.origin)
      },
      change(.delete, "", .removeAccount, "Removes an account. The access log keeps its entries.") {
        try await accounts.remove($0, by: $1.identity, from: $1.incoming.origin)
      },
    ]
  }

  /// A route that changes the account with a name or ID.
  private func change(
    _ method: HTTPRequest.Method, _ suffix: String, _ action: LogEntry.Action, _ summary: String,
    body: Schema? = nil, _ apply: @escaping @Sendable (String, Admitted<Void>) async throws -> Void
  ) -> Route {
    .admitted(
      method, "/api/v1/accounts/{name}\(suffix)", .api, permission: .administer, log: .change(action), summary,
      body: body.map(Route.Body.json), responses: [.empty(204, "Done.")], errors: [404, 409, 429]
    ) { admitted in
      try await apply(admitted.incoming.path("name").removingPercentEncoding ?? "", admitted)
      return Reply(Response(status: .noContent))
    }
  }

  private struct NewAccount: Decodable {
    static let schema = Schema.input(
      "NewAccount",
      ["name": .string, "role": .choice(of: Role.self), "agentId?": .string, "team?": .string, "password": .string])
    var name: String
    var role: String
    var agentId: String?
    var team: String?
    var password: String
  }

  private struct NewRole: Decodable {
    static let schema = Schema.input("NewRole", ["role": .choice(of: Role.self)])
    var role: String
  }

  private struct NewPassword: Decodable {
    static let schema = Schema.input("NewPassword", ["password": .string])
    var password: String
  }

  private struct PasswordChange: Decodable {
    static let schema = Schema.input("PasswordChange", ["currentPassword": .string, "newPassword": .string])
    var currentPassword: String
    var newPassword: String
  }

  private struct AccountList: Encodable {
    static let schema = Schema.object("AccountList", ["accounts": .list(AccountFacts.schema)])
    let accounts: [IdentityAnswer<AccountFacts>]
  }

  private struct AccountFacts: Encodable {
    static let schema = Schema.object(
      "Account",
      [
        "id": .string, "name": .string, "role": .choice(of: Role.self), "agentId?": .string, "team?": .string,
        "createdAt": .moment, "disabledAt?": .moment, "sessions": .integer, "lastSeenAt?": .moment,
      ])
    let disabledAt: String?
    let sessions: Int64
    let lastSeenAt: String?

    init(_ row: AccountRow) {
      disabledAt = row.disabledAt?.iso8601
      sessions = row.sessions
      lastSeenAt = row.lastSeenAt?.iso8601
    }
  }
}

extension Role {
  /// - Throws: `invalidRequest` with the names of the roles.
  init(named text: String) throws(TapedeckError) {
    guard let role = Role(rawValue: text) else {
      let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")
      throw TapedeckError(.invalidRequest, "There is no such role. Roles are \(roles).")
    }
    self = role
  }
}
