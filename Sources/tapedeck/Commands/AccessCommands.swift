import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck token`: API tokens.
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token", abstract: "Make, list and revoke API tokens.",
    subcommands: [Create.self, ListTokens.self, Revoke.self])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an API token and print it, this once, alone on standard output.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "What to call it.") var name: String
    @OptionGroup var person: PersonOptions

    private struct Made: Decodable { var token: String? }

    func run() async throws {
      let wanted = NewToken(name: name, role: person.role, agentId: person.agentID, team: person.team)
      try await withOperator(options) { connection in
        Terminal.show(try await connection.send(.POST, "/api/v1/tokens", json: wanted).decode(Made.self).token ?? "")
      }
    }
  }

  struct ListTokens: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the API tokens.")

    @OptionGroup var options: GlobalOptions
    @Flag(help: "The server's JSON.") var json = false

    private struct Tokens: Decodable {
      struct Token: Decodable {
        var id: String
        var name: String
        var role: String
        var createdAt: String
        var lastUsedAt: String?
        var revokedAt: String?
      }
      var tokens: [Token]
    }

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get("/api/v1/tokens")
        if json { return Terminal.show(json: reply.data) }
        let rows = try reply.decode(Tokens.self).tokens.map {
          [$0.id, $0.name, $0.role, $0.createdAt, $0.lastUsedAt ?? "never", $0.revokedAt.map { "revoked \($0)" } ?? ""]
        }
        Terminal.show(table: [["ID", "NAME", "ROLE", "MADE", "LAST USED", ""]] + rows)
      }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Revoke an API token, from its next use on.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The token's name or id.") var name: String

    func run() async throws {
      let segment = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? name
      try await withOperator(options) { connection in
        _ = try await connection.send(.DELETE, "/api/v1/tokens/\(segment)")
      }
      if !options.quiet { Terminal.say("The token '\(name)' is revoked.") }
    }
  }
}

/// `tapedeck user`: accounts of people.
struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Make accounts for people.", subcommands: [Add.self])

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make an account. The password is asked for, or read from standard input.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The name to sign in with.") var name: String
    @OptionGroup var person: PersonOptions

    func run() async throws {
      let wanted = NewAccount(
        name: name, role: person.role, agentId: person.agentID, team: person.team, password: try Terminal.readPassword()
      )
      try await withOperator(options) { connection in
        _ = try await connection.send(.POST, "/api/v1/accounts", json: wanted)
      }
      if !options.quiet { Terminal.say("The account '\(name)' can sign in as \(person.role).") }
    }
  }
}

/// What a person or a program is allowed, and who they are on the platform.
struct PersonOptions: ParsableArguments, Sendable {
  @Option(help: "agent, supervisor, admin, or for tokens metrics.")
  var role: String

  @Option(name: .customLong("agent-id"), help: "The platform's id of the agent.")
  var agentID: String?

  @Option(help: "The team.")
  var team: String?
}

struct NewToken: Encodable, Sendable {
  var name: String
  var role: String
  var agentId: String?
  var team: String?
}

struct NewAccount: Encodable, Sendable {
  var name: String
  var role: String
  var agentId: String?
  var team: String?
  var password: String
}

/// `tapedeck audit`: the access log.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Read the access log.", subcommands: [ListEntries.self])

  struct ListEntries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List entries of the access log, newest first.")

    @OptionGroup var options: GlobalOptions
    @Option(help: "The name or id of an account or token.") var who: String?
    @Option(help: "What was done: ingest, listen, view, list, download, sign_in, …") var what: String?
    @Option(help: "The platform's id of a recording.") var recording: String?
    @Option(help: "allowed, denied or failed.") var outcome: String?
    @Option(help: "The first day or moment.") var from: String?
    @Option(help: "The last day, or the moment after the last.") var to: String?
    @Option(help: "At most this many.") var limit = 100
    @Flag(help: "One JSON object a line.") var json = false

    private struct Page: Decodable {
      struct Entry: Codable {
        struct Actor: Codable {
          var id: String
          var kind: String
          var name: String
          var role: String
        }
        var number: Int64
        var at: String
        var actor: Actor?
        var action: String
        var outcome: String
        var source: String?
        var recordingId: String?
        var count: Int64?
        var code: String?
        var address: String?
        var userAgent: String?
        var requestId: String?
        var details: [String: String]
        var canonical: String
      }
      var entries: [Entry]
    }

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get(
          "/api/v1/audit",
          [
            "who": who, "what": what, "recording": recording, "outcome": outcome, "from": from, "to": to,
            "limit": "\(limit)",
          ])
        let page = try reply.decode(Page.self)
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
          for entry in page.entries { Terminal.show(json: try encoder.encode(entry)) }
          return
        }
        let rows = page.entries.map {
          [
            "\($0.number)", $0.at, $0.actor?.name ?? "-", $0.actor?.role ?? "-", $0.action, $0.outcome,
            $0.recordingId ?? "-", $0.address ?? "-",
          ]
        }
        Terminal.show(table: [["ENTRY", "AT", "WHO", "ROLE", "WHAT", "OUTCOME", "RECORDING", "FROM"]] + rows)
      }
    }
  }
}
