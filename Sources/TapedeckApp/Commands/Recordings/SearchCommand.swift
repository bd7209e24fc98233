import ArgumentParser
import Foundation
import Model

/// `tapedeck search`: the recordings on the platform.
struct SearchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Find recordings on the platform.",
    discussion: "Times are days (2026-11-12) or moments (2026-11-12T14:00:00Z) in UTC; the end is excluded.")

  @OptionGroup var options: GlobalOptions
  @OptionGroup var query: PlatformQuery
  @Flag(help: .jsonLines) var json = false

  func validate() throws { _ = try query.span() }

  func run() async throws {
    let span = try query.span()
    try await withOperator(options, needsPlatform: true) { connection in
      var table = Table(["ID", "STARTED", "DURATION", "DIRECTION", "AGENT", "STATUS", "PRIVACY"])
      var count = 0
      try await query.forEachPage(span, connection) { page in
        for row in page.unidentified ?? [] {
          Terminal.say("Row \(row.position) of a page of the platform's list names no recording: \(row.reason)")
        }
        for item in page.recordings {
          count += 1
          if json {
            try Terminal.show(json: item)
          } else {
            table.add([
              item.id, item.startTime ?? "", item.durationSeconds.map { "\($0) s" } ?? "", item.direction ?? "",
              item.agentName ?? item.agentId ?? "", item.status, item.privacy,
            ])
          }
        }
      }
      if !json { Terminal.show(table) }
      if !json, count == 0, !options.quiet { Terminal.say("The platform has no matching recordings.") }
    }
  }
}
