import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck quarantine`: downloaded files that were refused, and the decisions about them.
struct QuarantineCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quarantine", abstract: "List, show, accept and discard downloaded files that were refused.",
    subcommands: [ListFiles.self, ShowFile.self, Accept.self, Discard.self])

  struct ListFiles: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List downloaded files that were refused, newest first.",
      discussion: """
        Damaged files, and files unknown to the catalog, that 'tapedeck verify' moved
        to quarantine need no decision and are not listed. They are in the folder
        quarantine/, or in the bucket, each with its reason.
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Flag(help: "Include files that were accepted or discarded.") var decided = false
    @Option(help: ArgumentHelp("Maximum number of files.", valueName: "number")) var limit = 100
    @Flag(help: .json) var json = false

    func validate() throws { try checkLimit(limit, 1000) }

    func run() async throws {
      try await withOperator(options) { connection in
        try await connection.get(
          "/api/v1/quarantine", ["decided": decided ? "1" : nil, "limit": "\(limit)"]
        ).show(as: QuarantineListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct ShowFile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show a file: why it was refused, its size, hash, node, path and decision.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Number of the file.") var file: Int64
    @Flag(help: .json) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get("/api/v1/quarantine/\(file)")
        if json { return Terminal.show(json: reply.data) }
        for line in try reply.decode(QuarantinedFile.self).lines { Terminal.show(line) }
      }
    }
  }

  struct Accept: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Archive a file as it is.",
      discussion: """
        FFmpeg converts as much of the file as it can. The recording keeps a note
        of what was wrong, and the access log keeps the reason.

          tapedeck quarantine accept 7 --reason "The customer hung up early."
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Number of the file.") var file: Int64
    @Option(help: "Why the file is archived nevertheless; kept in the access log.") var reason: String

    func run() async throws {
      let accepted = try await decide("accept", file, reason, options)
      if !options.quiet { Terminal.say(accepted.acceptedText) }
    }
  }

  struct Discard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Remove a file permanently.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Number of the file.") var file: Int64
    @Option(help: "Why the file is not needed; kept in the access log.") var reason: String

    func run() async throws {
      try await decide("discard", file, reason, options)
      if !options.quiet { Terminal.say("File \(file) is removed.") }
    }
  }
}

/// - Returns: the file after the decision.
@discardableResult
private func decide(
  _ decision: String, _ file: Int64, _ reason: String, _ options: GlobalOptions
) async throws -> QuarantinedFile {
  try await withOperator(options) { connection in
    try await connection.send(.POST, "/api/v1/quarantine/\(file)/\(decision)", json: ["reason": reason])
      .decode(QuarantinedFile.self)
  }
}

/// The response of `/api/v1/quarantine`.
package struct QuarantineListing: Listing, Sendable {
  package var files: [QuarantinedFile]
  package var nextCursor: String?

  package static var emptyText: String { "No downloads are in quarantine." }

  package static var emptyTable: Table {
    Table(
      ["FILE", "RECORDING", "QUARANTINED", "STATE", "BYTES", "CODE", "REASON"],
      optional: ["BYTES", "CODE"])
  }

  package func fill(_ table: inout Table) {
    for file in files {
      table.add([
        "\(file.id)", qualifiedID(file.recordingId, source: file.source), file.quarantinedAt, file.state,
        "\(file.bytes)", file.code, file.detail,
      ])
    }
  }
}

/// A file as the API describes it.
package struct QuarantinedFile: Decodable, Sendable {
  var id: Int64
  var source: String
  var recordingId: String
  var state: String
  var quarantinedAt: String
  var code: String
  var detail: String
  var bytes: Int64
  var sha256: String
  var node: String
  var path: String
  var platformSeconds: Int?
  var decidedAt: String?
  var decidedBy: String?
  var reason: String?

  /// What is said after the file was accepted.
  package var acceptedText: String {
    "File \(id) is accepted; a job archives it. To see whether the conversion succeeds, run 'tapedeck jobs show \(recordingId)'."
  }

  /// The facts, as `tapedeck quarantine show` prints them.
  package var lines: [String] {
    Table(facts: [
      ("file", "\(id)"), ("recording", recordingId), ("source", source), ("state", state),
      ("quarantined", quarantinedAt), ("code", code), ("rejected", detail), ("bytes", grouped(bytes)),
      ("sha256", sha256), ("node", node), ("path", path), ("platform", platformSeconds.map(clock)),
      ("decided", decidedAt),
      ("by", decidedBy), ("reason", reason),
    ]).lines
  }
}
