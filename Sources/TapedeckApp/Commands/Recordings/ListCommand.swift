import ArgumentParser
import Foundation
import Model

/// `tapedeck list`: the recordings in the catalog.
struct ListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List recordings in the catalog, newest call first.",
    discussion: "Times are days (2026-11-12) or moments (2026-11-12T14:00:00Z) in UTC.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "Words to search for, or an exact id.") var text: String?
  @Option(help: ArgumentHelp("First day, or first moment.", valueName: "time")) var from: String?
  @Option(help: ArgumentHelp("Last day (included), or end moment (excluded).", valueName: "time")) var to: String?
  @Option(help: "Id or name of an agent.") var agent: String?
  @Option(help: "Direction: outbound, inbound or internal.") var direction: String?
  @Option(help: "Status: ready, under_way, failed or known.") var status: String?
  @Option(help: ArgumentHelp("Maximum number of recordings.", valueName: "number")) var limit = 100
  @Flag(help: .json) var json = false

  func run() async throws {
    try await withOperator(options) { connection in
      let reply = try await connection.get(
        "/api/v1/recordings",
        [
          "q": text, "from": from, "to": to, "agent": agent, "direction": direction, "status": status,
          "limit": "\(limit)",
        ])
      try reply.show(as: RecordingListing.self, json: json, quiet: options.quiet)
    }
  }
}

/// `tapedeck show`: everything about one recording.
struct ShowCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a recording: facts, files with hashes, time of each step.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "Id of the recording on the platform.") var id: String
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
