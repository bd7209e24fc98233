import ArgumentParser
import Foundation
import Model

/// `tapedeck ingest`: archive recordings and wait for them.
struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Archive recordings by ID or by time.",
    discussion: """
      Waits until each recording is archived or has failed. Recordings that are
      already archived are not fetched again. Exits with 3 when some recordings
      failed, or when rows of the platform's list have no usable ID. When all failed
      for the same reason, exits with the code of that reason, such as 6 for IDs
      that the platform does not know. When the platform's list ends early with an
      error, nothing is archived.

      Times are days (2026-11-12) or timestamps (2026-11-12T14:00:00Z) in UTC; the
      end is excluded.

        tapedeck ingest 5f1c9e7a-3b7d-4d0e-9c39-2f3f6a1b8c11
        tapedeck ingest --from 2026-11-01 --to 2026-11-02 --direction outbound
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions

  @Argument(help: "IDs of recordings on the platform.")
  var ids: [String] = []

  @OptionGroup var query: PlatformQuery

  @Flag(help: "Print a line of JSON for each recording when it is archived or has failed.")
  var json = false

  func validate() throws {
    if ids.isEmpty == query.isEmpty { throw ValidationError("Give either IDs or --from and --to.") }
    if !ids.isEmpty, query.direction != nil || query.agent != nil {
      throw ValidationError("--direction and --agent require --from and --to; they do not apply to IDs.")
    }
    try checkRecordings(ids)
  }

  func run() async throws {
    let span = ids.isEmpty ? try query.span() : nil
    options.say(period: span?.covered)
    var keys: [RecordingKey] = []
    for id in ids { keys.append(try query.source.key(id)) }
    let outcome = try await withOperator(options, needsPlatform: true, works: true) { [keys] connection in
      var keys = keys
      var unidentified = 0
      if let span {
        do {
          try await query.forEachPage(span, connection) { page in
            unidentified += page.reportUnidentified()
            for item in page.recordings { keys.append(try query.source.key(item.id)) }
          }
        } catch {
          if !keys.isEmpty {
            Terminal.say(
              "The platform's list ended early, after \(counted(keys.count, "recording")). Nothing was archived.")
          }
          throw error
        }
      }
      var batch = IngestBatch(keys, connection: connection, options: options.output, json: json)
      return (result: try await batch.run(), unidentified: unidentified)
    }
    var problems: [String] = []
    let failed = outcome.result.failed
    if failed > 0 { problems.append("\(counted(failed, "recording")) could not be archived.") }
    if outcome.unidentified > 0 { problems.append(rowsWithoutID(outcome.unidentified, cannotBe: "archived")) }
    if problems.isEmpty { return }
    let code = outcome.unidentified == 0 ? outcome.result.onlyCode : nil
    throw TapedeckError(code ?? .partlyDone, problems.joined(separator: " "))
  }
}
