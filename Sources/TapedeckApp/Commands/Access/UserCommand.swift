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
    @OptionGroup var identity: IdentityOptions

    func run() async throws {
      let body = NewIdentity(name, identity, password: try PasswordPrompt.read())
      try await withOperator(options) { connection in
        _ = try await connection.send(.POST, "/api/v1/accounts", json: body)
      }
      if !options.quiet { Terminal.say("Created the account '\(name)' with the role '\(identity.role)'.") }
    }
  }
}

/// The role of an account or token, and the agent and team it belongs to on the platform.
struct IdentityOptions: ParsableArguments, Sendable {
  @Option(help: "Role: agent, supervisor, admin, or metrics (tokens only).")
  var role: String

  @Option(name: .customLong("agent-id"), help: ArgumentHelp("ID of the agent on the platform.", valueName: "id"))
  var agentID: String?

  @Option(help: "Team on the platform.")
  var team: String?

  func validate() throws {
    guard Role(rawValue: role) == nil else { return }
    throw ValidationError("--role must be agent, supervisor, admin or metrics.")
  }
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

  init(_ name: String, _ options: IdentityOptions, password: String? = nil) {
    self.name = name
    role = options.role
    agentId = options.agentID
    team = options.team
    self.password = password
  }
}
