import ArgumentParser
import Foundation
import Model

/// `tapedeck platform`: the request budget of each source.
struct PlatformCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "platform", abstract: "Show each source's request budget and open jobs.")

  @OptionGroup(title: "General options") var options: GlobalOptions
  @Flag(help: .json) var json = false

  func run() async throws {
    try await withOperator(options) { connection in
      try await connection.get("/api/v1/platform").show(as: PlatformListing.self, json: json, quiet: options.quiet)
    }
  }
}

/// The response of `/api/v1/platform`.
package struct PlatformListing: Listing {
  struct Source: Decodable {
    var source: String
    var configuredRate: Double?
    var effectiveRate: Double?
    var requestsLastMinute: Int
    var requestsLastHour: Int
    var refusedLastHour: Int
    var retriesLastHour: Int
    var pausedUntil: String?
    var waitingJobs: [String: Int64]
    var doneAt: String?
  }

  var sources: [Source]

  package static var emptyText: String { "There are no sources." }

  package static var emptyTable: Table {
    Table(
      [
        "SOURCE", "CURRENT RATE", "CONFIGURED", "LAST MINUTE", "LAST HOUR", "REFUSED", "RETRIES", "PAUSED UNTIL",
        "JOBS", "EXPECTED END",
      ], optional: ["LAST HOUR", "REFUSED", "RETRIES", "LAST MINUTE"])
  }

  package func fill(_ table: inout Table) {
    func text(_ rate: Double?) -> String { rate.map { String(format: "%.2f/s", $0) } ?? "no limit" }
    for source in sources {
      table.add([
        source.source, text(source.effectiveRate), text(source.configuredRate), grouped(source.requestsLastMinute),
        grouped(source.requestsLastHour), grouped(source.refusedLastHour), grouped(source.retriesLastHour),
        source.pausedUntil ?? "-", grouped(source.waitingJobs.values.reduce(0, +)), source.doneAt ?? "-",
      ])
    }
  }
}
