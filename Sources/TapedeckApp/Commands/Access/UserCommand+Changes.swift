import ArgumentParser
import Model
import NIOHTTP1

extension UserCommand {
  struct ListAccounts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the user accounts.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Flag(help: .json) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        try await connection.get("/api/v1/accounts").show(as: AccountListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct Disable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Disable a user account; its sessions and downloads end at once.")

    @OptionGroup var account: AccountOptions

    func run() async throws {
      try await account.change(.POST, "/disable", says: "The account '\(account.name)' is disabled.")
    }
  }

  struct Enable: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Enable a disabled user account.")

    @OptionGroup var account: AccountOptions

    func run() async throws {
      try await account.change(.POST, "/enable", says: "The account '\(account.name)' is enabled.")
    }
  }

  struct ChangeRole: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "role", abstract: "Change the role of a user account.")

    @OptionGroup var account: AccountOptions
    @Argument(help: "Role: agent, supervisor or admin.") var role: String

    func validate() throws { try checkChoice(role, "The role", among: IdentityOptions.accountRoles) }

    func run() async throws {
      try await account.change(
        .POST, "/role", json: ["role": role], says: "The account '\(account.name)' has the role '\(role)'.")
    }
  }

  struct SetPassword: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "password", abstract: "Set the password of a user account; its sessions end.",
      discussion: "Asks for the password on a terminal; otherwise reads it from standard input.")

    @OptionGroup var account: AccountOptions

    func run() async throws {
      try await account.change(
        .POST, "/password", json: ["password": try PasswordPrompt.read()],
        says: "The password of the account '\(account.name)' has been changed.")
    }
  }

  struct EndSessions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "end-sessions", abstract: "Sign a user account out of every browser.")

    @OptionGroup var account: AccountOptions

    func run() async throws {
      try await account.change(
        .DELETE, "/sessions", says: "The sessions of the account '\(account.name)' have ended.")
    }
  }

  struct Remove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove a user account. The access log keeps the account's entries.")

    @OptionGroup var account: AccountOptions

    func run() async throws {
      try await account.change(.DELETE, "", says: "The account '\(account.name)' has been removed.")
    }
  }
}

/// The account that a command changes.
struct AccountOptions: ParsableArguments, Sendable {
  @OptionGroup(title: "General options") var options: GlobalOptions
  @Argument(help: "Name or ID of the account.") var name: String

  func change(
    _ method: HTTPMethod, _ suffix: String, json: [String: String]? = nil, says message: String
  ) async throws {
    let path = "/api/v1/accounts/\(pathSegment(name))\(suffix)"
    let isLast = try await withOperator(options) { connection in
      let before = try await hasAdmin(connection)
      _ = try await connection.send(method, path, json: json)
      let after = try await hasAdmin(connection)
      return before && !after
    }
    guard !options.quiet else { return }
    Terminal.say(message)
    if isLast { Terminal.say("No admin is left; create one with 'tapedeck user add NAME --role admin'.") }
  }

  /// Whether an enabled account has the role admin: the operator may take it from the last one.
  private func hasAdmin(_ connection: OperatorClient) async throws -> Bool {
    try await connection.get("/api/v1/accounts").decode(AccountListing.self).accounts
      .contains { $0.role == Role.admin.rawValue && $0.disabledAt == nil }
  }
}

/// The response of `/api/v1/accounts`.
package struct AccountListing: Listing {
  struct Account: Decodable {
    var id: String
    var name: String
    var role: String
    var createdAt: String
    var disabledAt: String?
    var sessions: Int
    var lastSeenAt: String?
  }

  var accounts: [Account]

  package static var emptyText: String { "There are no accounts." }

  package static var emptyTable: Table {
    Table(["ID", "NAME", "ROLE", "STATE", "SESSIONS", "LAST USED", "CREATED"])
  }

  package func fill(_ table: inout Table) {
    for account in accounts {
      table.add([
        account.id, account.name, account.role, account.disabledAt == nil ? "enabled" : "disabled",
        grouped(account.sessions), account.lastSeenAt ?? "-", account.createdAt,
      ])
    }
  }
}
