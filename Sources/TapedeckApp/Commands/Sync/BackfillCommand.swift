import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck backfill`: backfills, which download the calls of a past period.
struct BackfillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backfill", abstract: "Fetch the calls of a past period in the background.",
    discussion: """
      New calls are fetched first, but they delay each call of a backfill by at most
      ten minutes, so that a backfill also makes progress on a busy server.
      """,
    subcommands: [Start.self, ListBackfills.self, Pause.self, Resume.self, Cancel.self])

  struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Start a backfill and print its ID.",
      discussion: """
        Calls are fetched oldest first, because the platform deletes the oldest first.
        Days are in the time zone of the source; the end is excluded.

          tapedeck backfill start --from 2026-01-01 --to 2026-02-01
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Option(help: ArgumentHelp("First day (YYYY-MM-DD).", valueName: "day")) var from: String
    @Option(help: ArgumentHelp("End day, excluded (YYYY-MM-DD).", valueName: "day")) var to: String
    @OptionGroup var source: SourceOption
    @Option(help: "Direction: outbound, inbound or internal. Default: the direction that sync uses.")
    var direction: String?
    @Flag(help: .json) var json = false

    private struct Body: Encodable {
      var source: String
      var from: String
      /// The last day, included.
      var to: String
      var direction: String?
    }

    private struct Created: Decodable { var id: String }

    func validate() throws {
      _ = try DaySpan(from: from, to: to)
      try checkChoice(direction, "--direction", among: Direction.self)
    }

    func run() async throws {
      let span = try DaySpan(from: from, to: to)
      options.say(period: span.covered(source: source.source))
      let body = Body(source: source.source, from: "\(span.first)", to: "\(span.last)", direction: direction)
      try await withOperator(options) { connection in
        let reply = try await connection.send(.POST, "/api/v1/backfills", json: body)
        if json { return Terminal.show(json: reply.data) }
        Terminal.show(try reply.decode(Created.self).id)
      }
    }
  }

  struct ListBackfills: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List backfills, newest first.",
      discussion: "UNIDENTIFIED counts rows of the platform's list without a usable ID; --json gives their positions.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Flag(help: .json) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        try await connection.get("/api/v1/backfills").show(as: BackfillListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Pause a backfill: no more recordings are queued.")
    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "ID of the backfill.") var id: String
    func run() async throws { try await change(id, "pause", options) }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Resume a paused backfill.")
    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "ID of the backfill.") var id: String
    func run() async throws { try await change(id, "resume", options) }
  }

  struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Cancel a backfill; recordings that are already queued are still fetched.")
    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "ID of the backfill.") var id: String
    func run() async throws { try await change(id, "cancel", options) }
  }

  private static func change(_ id: String, _ action: String, _ options: GlobalOptions) async throws {
    try await withOperator(options) { connection in
      _ = try await connection.send(.POST, "/api/v1/backfills/\(pathSegment(id))/\(action)")
    }
  }
}

/// The response of `/api/v1/backfills`.
package struct BackfillListing: Listing {
  struct Backfill: Decodable {
    var id: String
    var source: String
    var from: String
    var to: String
    var state: String
    var reachedAt: String
    var queued: Int64
    var unidentified: Int
    var open: Int64
    var failed: Int64
    var throughAt: String?
  }

  var backfills: [Backfill]

  package static var emptyText: String { "There are no backfills." }

  package static var emptyTable: Table {
    Table([
      "ID", "SOURCE", "FROM", "TO", "STATE", "REACHED", "QUEUED", "UNIDENTIFIED", "OPEN", "FAILED", "EXPECTED END",
    ])
  }

  package func fill(_ table: inout Table) {
    for backfill in backfills {
      table.add([
        backfill.id, backfill.source, backfill.from, backfill.to, backfill.state, backfill.reachedAt,
        grouped(backfill.queued), grouped(backfill.unidentified), grouped(backfill.open), grouped(backfill.failed),
        backfill.throughAt ?? "-",
      ])
    }
  }
}
