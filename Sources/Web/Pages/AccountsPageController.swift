import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `/accounts` and `/accounts/{name}`: the accounts, for administrators.
struct AccountsPageController {
  let accounts: Accounts
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(
        .get, "/accounts", .page, permission: .administer, log: .denials, "The accounts.",
        query: [AccountAction.parameter]
      ) { admitted in
        Reply(try await listPage(admitted))
      },
      .admitted(
        .post, "/accounts", .page, permission: .administer, log: .change(.createAccount), "Creates an account.",
        body: .form
      ) { admitted in try await create(admitted) },
      .admitted(
        .get, "/accounts/{name}", .page, permission: .administer, log: .denials, "One account.",
        query: [AccountAction.parameter]
      ) { admitted in
        Reply(try await accountPage(admitted))
      },
      change(.disable, .disableAccount, "Disables an account.") { id, _, admitted in
        try await accounts.disable(id, by: admitted.identity, from: admitted.incoming.origin)
      },
      change(.enable, .enableAccount, "Enables an account.") { id, _, admitted in
        try await accounts.enable(id, by: admitted.identity, from: admitted.incoming.origin)
      },
      change(.role, .changeRole, "Changes the role of an account.") { id, form, admitted in
        try await accounts.setRole(
          try Role(named: form["role"]), of: id, by: admitted.identity, from: admitted.incoming.origin)
      },
      change(.password, .resetPassword, "Sets the password of an account.") { id, form, admitted in
        try await accounts.setPassword(
          form["password"], of: id, by: admitted.identity, from: admitted.incoming.origin)
      },
      change(.endSessions, .endSessions, "Ends the sessions of an account.") { id, _, admitted in
        try await accounts.endSessions(of: id, by: admitted.identity, from: admitted.incoming.origin)
      },
      change(.remove, .removeAccount, "Removes an account.", leadsTo: "/accounts") { id, _, admitted in
        try await accounts.remove(id, by: admitted.identity, from: admitted.incoming.origin)
      },
    ]
  }

  // MARK: Changes

  private func create(_ admitted: Admitted<Void>) async throws -> Reply {
    let form = try await admitted.form()
    do throws(TapedeckError) {
      let role = try Role(named: form["role"])
      let made = try await accounts.createAccount(
        name: form["name"], role: role, agentID: form["agentId"].nonEmpty, team: form["team"].nonEmpty,
        password: form["password"], by: admitted.identity, from: admitted.incoming.origin)
      return Reply(.seeOther("/accounts/\(made.id)?done=\(AccountAction.create.rawValue)"))
    } catch {
      guard Self.isShown(error) else { throw error }
      return Reply(try await listPage(admitted, failure: error, form: form))
    }
  }

  private func change(
    _ verb: AccountAction, _ action: LogEntry.Action, _ summary: String, leadsTo address: String? = nil,
    _ apply: @escaping @Sendable (String, FormBody, Admitted<Void>) async throws -> Void
  ) -> Route {
    .admitted(
      .post, "/accounts/{name}/\(verb.rawValue)", .page, permission: .administer, log: .change(action), summary,
      body: .form
    ) { admitted in
      let form = try await admitted.form()
      let id = name(in: admitted)
      do {
        try await apply(id, form, admitted)
        let address = address ?? "/accounts/\(percentEncoded(id))"
        return Reply(.seeOther("\(address)?done=\(verb.rawValue)"))
      } catch let error as TapedeckError where Self.isShown(error) {
        return Reply(try await accountPage(admitted, failure: error))
      }
    }
  }

  private func name(in admitted: Admitted<Void>) -> String {
    admitted.incoming.path("name").removingPercentEncoding ?? ""
  }

  /// Whether an error is shown next to the form that led to it.
  private static func isShown(_ error: TapedeckError) -> Bool {
    [.invalidRequest, .alreadyExists, .lastAdministrator, .signInThrottled].contains(error.code)
  }

  // MARK: Pages

  private func listPage(
    _ admitted: Admitted<Void>, failure: TapedeckError? = nil, form: FormBody? = nil
  ) async throws -> Response {
    let rows = try await accounts.list()
    let text = try pages.page(
      "accounts", title: "Accounts", context: admitted.context, on: .accounts,
      [
        "failure": failure?.message, "notice": notice(admitted, failure), "countText": counted(rows.count, "account"),
        "hasRows": !rows.isEmpty,
        "rows": rows.map { values(of: $0, admitted.times) },
        "roles": roles(selected: form.flatMap { Role(rawValue: $0["role"]) } ?? .agent),
        "nameValue": form?["name"] ?? "", "agentValue": form?["agentId"] ?? "", "teamValue": form?["team"] ?? "",
      ])
    return .html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
  }

  private func accountPage(_ admitted: Admitted<Void>, failure: TapedeckError? = nil) async throws -> Response {
    let wanted = name(in: admitted)
    let rows = try await accounts.list()
    guard let row = rows.first(where: { $0.identity.id == wanted }) ?? rows.first(where: { $0.identity.name == wanted })
    else { throw TapedeckError.unknownAccount }
    var all: [String: Any?] = values(of: row, admitted.times)
    all["failure"] = failure?.message
    all["notice"] = notice(admitted, failure)
    all["roles"] = roles(selected: row.identity.role)
    all["agentText"] = row.identity.agentID
    all["teamText"] = row.identity.team
    all["isOwn"] = row.identity.id == admitted.identity.id
    let text = try pages.page(
      "account_settings", title: row.identity.name, context: admitted.context, on: .accounts, all)
    return .html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
  }

  /// What the change that led to this page did; nil for other pages.
  private func notice(_ admitted: Admitted<Void>, _ failure: TapedeckError?) -> String? {
    let done: AccountAction? = admitted.query.choice(AccountAction.parameter.name)
    return failure == nil ? done?.notice : nil
  }

  private func values(of row: AccountRow, _ times: PageTimes) -> [String: Any] {
    var values: [String: Any] = [
      "accountURL": "/accounts/\(percentEncoded(row.identity.id))", "accountName": row.identity.name,
      "accountRole": row.identity.role.title, "created": times.values(row.createdAt),
      "sessionsText": counted(row.sessions, "session"),
      "isEnabled": row.disabledAt == nil,
      "tags": [tag(row.disabledAt == nil ? "Enabled" : "Disabled", row.disabledAt == nil ? "ok" : "warn")],
    ]
    if let seen = row.lastSeenAt { values["seen"] = times.values(seen) }
    if let disabled = row.disabledAt { values["disabled"] = times.values(disabled) }
    return values
  }

  private func roles(selected: Role) -> [[String: Any]] {
    [Role.agent, .supervisor, .admin].map {
      ["value": $0.rawValue, "text": $0.title, "selected": $0 == selected]
    }
  }
}

extension AccountsPageController {
  /// A change that a form makes; the raw value is part of addresses.
  fileprivate enum AccountAction: String, CaseIterable {
    case create, disable, enable, role, password
    case endSessions = "end-sessions"
    case remove

    static let parameter = QueryParameter.choice("done", AccountAction.self, "The change whose result the page shows.")

    /// The text on the page that follows the change.
    var notice: String {
      switch self {
      case .create: "The account has been created."
      case .disable: "The account is disabled. Its sessions have ended."
      case .enable: "The account is enabled."
      case .role: "The role has been changed."
      case .password: "The password has been changed. The sessions of the account have ended."
      case .endSessions: "The sessions of the account have ended."
      case .remove: "The account has been removed."
      }
    }
  }
}

extension String {
  fileprivate var nonEmpty: String? { isEmpty ? nil : self }
}
