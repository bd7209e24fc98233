import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck user`: user accounts.
struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Create, list, change and remove user accounts.",
    subcommands: [
      Add.self, ListAccounts.self, Disable.self, Enable.self, ChangeRole.self, SetPassword.self, EndSessions.self,
      Remove.self,
    ])

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a user account.",
      discussion: """
        Asks for the password on a terminal; otherwise reads it from standard input.

          tapedeck user add alex --role admin
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Name to sign in with.") var name: String
    @Option(help: "Role: agent, supervisor or admin.") var role: String
    @OptionGroup var identity: IdentityOptions

    func validate() throws { try checkChoice(role, "--role", among: IdentityOptions.accountRoles) }

    func run() async throws {
      let body = NewIdentity(name, role, identity, password: try PasswordPrompt.read())
      try await withOperator(options) { connection in
        _ = try await connection.send(.POST, "/api/v1/accounts", json: body)
      }
      if !options.quiet { Terminal.say("Created the account '\(name)' with the role '\(role)'.") }
    }
  }
}

/// The agent and team that an account or token belongs to on the platform.
struct IdentityOptions: ParsableArguments, Sendable {
  /// The roles that an account can have; a token can have any role.
  static let accountRoles = Role.allCases.filter { $0 != .metrics }.map(\.rawValue)

  @Option(name: .customLong("agent-id"), help: ArgumentHelp("ID of the agent on the platform.", valueName: "id"))
  var agentID: String?

  @Option(help: "Team on the platform.")
  var team: String?
}

/// The body of a request that creates an account or a token.
struct NewIdentity: Encodable, Sendable {
  var name: String
  var role: String
  var agentId: String?
  var team: String?
  /// For accounts only.
  var password: String?

  init(name: String, role: Role, password: String) {
    self.name = name
    self.role = role.rawValue
    self.password = password
  }

  init(_ name: String, _ role: String, _ options: IdentityOptions, password: String? = nil) {
    self.name = name
    self.role = role
    agentId = options.agentID
    team = options.team
    self.password = password
  }
}
