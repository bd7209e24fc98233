import ArgumentParser
import Foundation
import Model

/// `tapedeck search`: the recordings on the platform.
struct SearchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "search", abstract: "Find recordings on the platform.",
    discussion: """
      Times are days (2026-11-12) or timestamps (2026-11-12T14:00:00Z) in UTC; the
      end is excluded. Exits with 3 when rows of the platform's list have no usable
      ID. When the list ends early with an error, the rows before it are shown.

        tapedeck search --from 2026-11-12T14:00:00Z --to 2026-11-12T15:00:00Z
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions
  @OptionGroup var query: PlatformQuery
  @Flag(help: .jsonLines) var json = false

  func validate() throws { _ = try query.span() }

  func run() async throws {
    let span = try query.span()
    options.say(period: span.covered)
    let unidentified = try await withOperator(options, needsPlatform: true) { connection in
      var table = Table(
        ["ID", "STARTED", "DURATION", "DIRECTION", "AGENT", "STATUS", "PRIVACY"],
        optional: ["DIRECTION", "PRIVACY", "DURATION", "AGENT"])
      var count = 0
      var unidentified = 0
      var failure: (any Error)?
      do {
        try await query.forEachPage(span, connection) { page in
          unidentified += page.reportUnidentified()
          for item in page.recordings {
            count += 1
            if json {
              try Terminal.show(json: item)
            } else {
              table.add([
                item.id, item.startTime ?? "", item.durationSeconds.map(clock) ?? "", item.direction ?? "",
                item.agentName ?? item.agentId ?? "", item.status, item.privacy,
              ])
            }
          }
        }
      } catch { failure = error }
      if !table.isEmpty { Terminal.show(&table) }
      if let failure {
        if count > 0 { Terminal.say("The list is incomplete: it ended after \(counted(count, "recording")).") }
        throw failure
      }
      if !json, count == 0, !options.quiet { Terminal.say("The platform has no matching recordings.") }
      return unidentified
    }
    guard unidentified == 0 else {
      throw TapedeckError(.partlyDone, rowsWithoutID(unidentified, cannotBe: "shown"))
    }
  }
}
