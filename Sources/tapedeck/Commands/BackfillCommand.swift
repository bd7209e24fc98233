import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck backfill`: spans of time whose calls the server fetches bit by bit.
struct BackfillCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backfill", abstract: "Fetch the calls of a past span bit by bit, behind the fresh ones.",
    subcommands: [Start.self, ListBackfills.self, Pause.self, Resume.self, Cancel.self])

  struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Start a back-fill; the server brings it on, from the oldest call to the newest.")

    @OptionGroup var options: GlobalOptions
    @Option(help: "The first day.") var from: String
    @Option(help: "The day after the last.") var to: String
    @Option(help: "The configured source.") var source = "default"
    @Option(help: "outbound, inbound or internal, if other than what sync is for.") var direction: String?
    @Flag(help: "The server's JSON.") var json = false

    private struct Wanted: Encodable {
      var source: String
      var from: String
      var to: String
      var direction: String?
    }

    private struct Made: Decodable { var id: String }

    func run() async throws {
      guard let first = CalendarDay(from, in: .utc), let end = CalendarDay(to, in: .utc), first < end else {
        throw TapedeckError(.usage, "--from and --to are days such as 2026-11-12, --from before --to.")
      }
      let wanted = Wanted(
        source: source, from: from, to: end.advanced(by: -1).description, direction: direction)
      try await withOperator(options) { connection in
        let reply = try await connection.send(.POST, "/api/v1/backfills", json: wanted)
        if json { return Terminal.show(json: reply.data) }
        Terminal.show(try reply.decode(Made.self).id)
      }
    }
  }

  struct ListBackfills: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List back-fills, newest first.")

    @OptionGroup var options: GlobalOptions
    @Flag(help: "The server's JSON.") var json = false

    private struct Answer: Decodable {
      struct Row: Decodable {
        var id: String
        var source: String
        var from: String
        var to: String
        var state: String
        var reachedAt: String
        var queued: Int64
        var open: Int64
        var failed: Int64
        var throughAt: String?
      }
      var backfills: [Row]
    }

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get("/api/v1/backfills")
        if json { return Terminal.show(json: reply.data) }
        let rows = try reply.decode(Answer.self).backfills.map {
          [
            $0.id, $0.source, $0.from, $0.to, $0.state, $0.reachedAt, "\($0.queued)", "\($0.open)", "\($0.failed)",
            $0.throughAt ?? "",
          ]
        }
        Terminal.show(
          table: [["ID", "SOURCE", "FROM", "TO", "STATE", "REACHED", "QUEUED", "OPEN", "FAILED", "THROUGH"]] + rows)
      }
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Queue nothing more until it is resumed.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The back-fill's id.") var id: String
    func run() async throws { try await change(id, "pause", options) }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go on where it was paused.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The back-fill's id.") var id: String
    func run() async throws { try await change(id, "resume", options) }
  }

  struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop it for good; what was queued is still fetched.")
    @OptionGroup var options: GlobalOptions
    @Argument(help: "The back-fill's id.") var id: String
    func run() async throws { try await change(id, "cancel", options) }
  }

  private static func change(_ id: String, _ verb: String, _ options: GlobalOptions) async throws {
    let segment = id.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["_"])) ?? id
    try await withOperator(options) { connection in
      _ = try await connection.send(.POST, "/api/v1/backfills/\(segment)/\(verb)")
    }
  }
}
