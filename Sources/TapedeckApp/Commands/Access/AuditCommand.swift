import ArgumentParser
import Catalog
import Foundation
import Model

/// `tapedeck audit`: the access log.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Read the access log.", subcommands: [ListEntries.self])

  struct ListEntries: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List entries of the access log, newest first.",
      discussion: """
        Times are days (2026-11-12) or timestamps (2026-11-12T14:00:00Z) in UTC.

          tapedeck audit list --what listen --recording RECORDING-ID
          tapedeck audit list --who dana --from 2026-11-01 --to 2026-11-30
        """)

    private static let actionNames = LogEntry.Action.allCases.map(\.rawValue).joined(separator: ", ")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Option(
      help: ArgumentHelp(
        "Exact name or ID of an account, token or operator; 'Tapedeck' for the server itself.", valueName: "name"))
    var who: String?
    @Option(help: ArgumentHelp("Action: \(Self.actionNames).", valueName: "action"))
    var what: String?
    @Option(help: ArgumentHelp("ID of a recording on the platform.", valueName: "id")) var recording: String?
    @Option(help: "Outcome: allowed, denied or failed.") var outcome: String?
    @Option(help: ArgumentHelp("First day, or start timestamp.", valueName: "time")) var from: String?
    @Option(help: ArgumentHelp("Last day (included), or end timestamp (excluded).", valueName: "time"))
    var to: String?
    @OptionGroup var rows: ListOptions
    @Flag(help: .jsonLines) var json = false

    func validate() throws {
      try rows.check(json: json, maximum: 1000)
      try checkChoice(what, "--what", among: LogEntry.Action.self)
      try checkChoice(outcome, "--outcome", among: LogEntry.Outcome.self)
      try checkRecordings([recording].compactMap { $0 })
      try checkPeriod(from: from, to: to)
    }

    func run() async throws {
      let query = ["who": who, "what": what, "recording": recording, "outcome": outcome, "from": from, "to": to]
      options.say(period: CoveredPeriod.text(ofListFrom: from, to: to))
      try await withOperator(options) { connection in
        try await rows.show(
          "/api/v1/audit", query, as: AccessLogListing.self, rows: "entries", pageSize: 1000, json: json,
          quiet: options.quiet, connection
        ) { reply in
          guard json else {
            return try reply.show(as: AccessLogListing.self, json: false, quiet: options.quiet, hasAll: true)
          }
          try Terminal.show(jsonLines: reply.data, of: "entries")
          let page = try reply.decode(AccessLogListing.self)
          if page.hasMore, !options.quiet { Terminal.say(AccessLogListing.moreText(hasAll: true)) }
          if let notice = page.notice, !options.quiet { Terminal.say(notice) }
        }
      }
    }
  }
}

/// The response of `/api/v1/audit`.
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

    /// The name of the user, that of a token after the word `token`, or that of the server for what it does itself.
    var name: String {
      if let actor { return Identity.shownName(actor.name, of: Identity.Kind(rawValue: actor.kind)) }
      return LogFilter.ownActions.contains { $0.rawValue == action } ? LogFilter.ownName : "-"
    }

    /// The time without the fraction of a second, which only JSON and CSV have.
    var second: String { at.count == 24 ? "\(at.prefix(19))Z" : at }

    /// The role of the actor, or `operator`, which is not a role of accounts.
    var role: String { actor.map { $0.kind == Identity.Kind.operator.rawValue ? $0.kind : $0.role } ?? "-" }

    /// The count and the details, such as `85 seconds, passages=12.0-97.3, reportedBy=player`.
    var detailText: String {
      let noun = LogEntry.Action(rawValue: action)?.countedNoun ?? "result"
      let details = details.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      let all = [count.map { counted($0, noun) }].compactMap { $0 } + details
      return all.isEmpty ? "-" : all.joined(separator: ", ")
    }
  }

  package var entries: [Entry]
  package var nextCursor: String?
  package var notice: String?

  package static var emptyTable: Table {
    Table(
      ["ENTRY", "TIME", "NAME", "ROLE", "ACTION", "OUTCOME", "RECORDING", "ADDRESS", "DETAILS"],
      optional: ["ADDRESS", "ROLE", "OUTCOME", "ENTRY", "DETAILS", "RECORDING"])
  }
  package static var emptyText: String { "No entries match." }

  package func fill(_ table: inout Table) {
    for entry in entries {
      table.add([
        "\(entry.number)", entry.second, entry.name, entry.role, entry.action, entry.outcome,
        entry.recordingId ?? "-", entry.address ?? "-", entry.detailText,
      ])
    }
  }
}
