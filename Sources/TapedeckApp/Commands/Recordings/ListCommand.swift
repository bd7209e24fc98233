import ArgumentParser
import Catalog
import Foundation
import Model

/// `tapedeck list`: the recordings in the catalog.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List recordings in the catalog, newest call first.",
    discussion: """
      A word matches words that begin with it; digits match any part of a phone
      number. With --all and --json, each recording is printed on its own line.
      Times are days (2026-11-12) or timestamps (2026-11-12T14:00:00Z) in UTC.

        tapedeck list billing --from 2026-11-01 --to 2026-11-30 --status ready
        tapedeck list --agent marchand --csv > calls.csv
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions
  @Argument(help: "Words to search for, digits of a phone number, or an exact ID.") var text: String?
  @Option(help: ArgumentHelp("First day, or start timestamp.", valueName: "time")) var from: String?
  @Option(help: ArgumentHelp("Last day (included), or end timestamp (excluded).", valueName: "time")) var to: String?
  @Option(help: "Part of an agent's name, or an agent's ID.") var agent: String?
  @Option(help: "Direction: outbound, inbound or internal.") var direction: String?
  @Option(help: "Status: ready, damaged, under_way (in progress), failed or known (not archived).") var status: String?
  @OptionGroup var rows: ListOptions
  @Flag(help: .json) var json = false

  func validate() throws {
    try rows.check(json: json, maximum: 500)
    try checkChoice(direction, "--direction", among: Direction.self)
    try checkChoice(status, "--status", among: ListedStatus.self)
    try checkPeriod(from: from, to: to)
  }

  func run() async throws {
    let query = [
      "q": text, "from": from, "to": to, "agent": agent, "direction": direction, "status": status,
    ]
    options.say(period: CoveredPeriod.text(ofListFrom: from, to: to))
    try await withOperator(options) { connection in
      try await rows.show(
        "/api/v1/recordings", query, as: RecordingListing.self, rows: "recordings", pageSize: 500, json: json,
        quiet: options.quiet, connection
      ) { reply in
        try reply.show(as: RecordingListing.self, json: json, quiet: options.quiet, hasAll: true)
      }
    }
  }
}

/// `tapedeck show`: everything about one recording.
struct ShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a recording: facts, files with hashes, time of each step.")

  @OptionGroup(title: "General options") var options: GlobalOptions
  @Argument(help: "ID of the recording on the platform.") var id: String
  @OptionGroup var source: SourceOption
  @Flag(help: .json) var json = false

  func validate() throws { try checkRecordings([id]) }

  func run() async throws {
    let key = try source.key(id)
    try await withOperator(options) { connection in
      let reply = try await connection.get("/api/v1/recordings/\(key.pathSegment)")
      if json { return Terminal.show(json: reply.data) }
      for line in try reply.decode(ListedRecording.self).lines { Terminal.show(line) }
    }
  }
}
