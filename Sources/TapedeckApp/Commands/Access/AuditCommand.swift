import ArgumentParser
import Foundation
import Model

/// `tapedeck audit`: the access log.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Read the access log.", subcommands: [ListEntries.self])

  struct ListEntries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List entries of the access log, newest first.",
      discussion: "Times are days (2026-11-12) or moments (2026-11-12T14:00:00Z) in UTC.")

    @OptionGroup var options: GlobalOptions
    @Option(help: ArgumentHelp("Name or id of an account or token.", valueName: "name")) var who: String?
    @Option(help: ArgumentHelp("Action: ingest, listen, view, list, download, sign_in, …", valueName: "action"))
    var what: String?
    @Option(help: ArgumentHelp("Id of a recording on the platform.", valueName: "id")) var recording: String?
    @Option(help: "Outcome: allowed, denied or failed.") var outcome: String?
    @Option(help: ArgumentHelp("First day, or first moment.", valueName: "time")) var from: String?
    @Option(help: ArgumentHelp("Last day (included), or end moment (excluded).", valueName: "time")) var to: String?
    @Option(help: ArgumentHelp("Maximum number of entries.", valueName: "number")) var limit = 100
    @Flag(help: .jsonLines) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get(
          "/api/v1/audit",
          [
            "who": who, "what": what, "recording": recording, "outcome": outcome, "from": from, "to": to,
            "limit": "\(limit)",
          ])
        let page = try reply.decode(AccessLogListing.self)
        if json {
          for entry in page.entries { try Terminal.show(json: entry) }
        } else {
          Terminal.show(page.table)
        }
      }
    }
  }
}

/// The answer of `/api/v1/audit`.
package struct AccessLogListing: Listing {
  package struct Entry: Codable {
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

    /// The count and the details, such as `85, passages=12.0-97.3, reportedBy=player`.
    var detailText: String {
      let details = details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let all = (count.map { ["\($0)"] } ?? []) + details
      return all.isEmpty ? "-" : all.joined(separator: ", ")
    }
  }

  package var entries: [Entry]

  package var table: Table {
    var table = Table(["ENTRY", "TIME", "NAME", "ROLE", "ACTION", "OUTCOME", "RECORDING", "ADDRESS", "DETAILS"])
    for entry in entries {
      table.add([
        "\(entry.number)", entry.at, entry.actor?.name ?? "-", entry.actor?.role ?? "-", entry.action, entry.outcome,
        entry.recordingId ?? "-", entry.address ?? "-", entry.detailText,
      ])
    }
    return table
  }
}
