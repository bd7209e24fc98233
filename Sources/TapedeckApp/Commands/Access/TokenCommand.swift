import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck token`: API tokens.
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Create, list and revoke API tokens.",
    subcommands: [Create.self, ListTokens.self, Revoke.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create an API token.",
      discussion: """
        Prints the token on standard output. It is shown only once; store it safely.

          tapedeck token create quality-management --role agent
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Name of the token.") var name: String
    @Option(help: "Role: agent, supervisor, admin or metrics.") var role: String
    @OptionGroup var identity: IdentityOptions

    func validate() throws { try checkChoice(role, "--role", among: Role.self) }

    private struct Created: Decodable { var token: String }

    func run() async throws {
      let body = NewIdentity(name, role, identity)
      try await withOperator(options) { connection in
        Terminal.show(try await connection.send(.POST, "/api/v1/tokens", json: body).decode(Created.self).token)
      }
    }
  }

  struct ListTokens: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the API tokens.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Flag(help: .json) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        try await connection.get("/api/v1/tokens").show(as: TokenListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revoke an API token; its next request is rejected.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Name or ID of the token.") var name: String

    func run() async throws {
      try await withOperator(options) { connection in
        _ = try await connection.send(.DELETE, "/api/v1/tokens/\(pathSegment(name))")
      }
      if !options.quiet { Terminal.say("The token '\(name)' has been revoked.") }
    }
  }
}

/// The response of `/api/v1/tokens`.
package struct TokenListing: Listing {
  struct Token: Decodable {
    var id: String
    var name: String
    var role: String
    var createdAt: String
    var lastUsedAt: String?
    var revokedAt: String?
  }

  var tokens: [Token]

  package static var emptyText: String { "There are no API tokens." }

  package static var emptyTable: Table {
    Table(["ID", "NAME", "ROLE", "CREATED", "LAST USED", "REVOKED"])
  }

  package func fill(_ table: inout Table) {
    for token in tokens {
      table.add([
        token.id, token.name, token.role, token.createdAt, token.lastUsedAt ?? "never", token.revokedAt ?? "-",
      ])
    }
  }
}
