import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck notices`: calls whose addresses the platform has erased, and the decisions about them.
struct NoticesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "notices", abstract: "List and close notices that the platform has erased the addresses of a call.",
    subcommands: [ListNotices.self, Close.self])

  struct ListNotices: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List the notices, newest first.",
      discussion: "The recordings are kept. Nothing is deleted automatically.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Flag(help: "Include closed notices.") var closed = false
    @Option(help: ArgumentHelp("Maximum number of notices.", valueName: "number")) var limit = 100
    @Flag(help: .json) var json = false

    func validate() throws { try checkLimit(limit, 1000) }

    func run() async throws {
      try await withOperator(options) { connection in
        try await connection.get(
          "/api/v1/notices", ["closed": closed ? "1" : nil, "limit": "\(limit)"]
        ).show(as: NoticeListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct Close: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Close a notice with what was decided; the recording stays as it is.",
      discussion: """
        tapedeck notices close 7 --decision "Kept: legal hold 2026-14."
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Number of the notice.") var notice: Int64
    @Option(help: "What was decided, and why; kept in the access log.") var decision: String

    func run() async throws {
      try await withOperator(options) { connection in
        _ = try await connection.send(.POST, "/api/v1/notices/\(notice)/close", json: ["decision": decision])
      }
      if !options.quiet { Terminal.say("Notice \(notice) is closed.") }
    }
  }
}

/// The response of `/api/v1/notices`.
package struct NoticeListing: Listing, Sendable {
  struct Notice: Decodable, Sendable {
    var id: Int64
    var source: String
    var recordingId: String
    var openedAt: String
    var closedAt: String?
    var closedBy: String?
    var decision: String?
  }

  var notices: [Notice]
  package var nextCursor: String?

  package static var emptyText: String { "There are no open notices." }

  package static var emptyTable: Table {
    Table(["NOTICE", "RECORDING", "OPENED", "STATE", "DECISION"])
  }

  package func fill(_ table: inout Table) {
    for notice in notices {
      table.add([
        "\(notice.id)", qualifiedID(notice.recordingId, source: notice.source), notice.openedAt,
        notice.closedAt == nil ? "open" : "closed", notice.decision ?? "-",
      ])
    }
  }
}
