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
      failed, or when rows of the platform's list have no usable ID.

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
    try checkRecordings(ids)
  }

  func run() async throws {
    let span = ids.isEmpty ? try query.span() : nil
    var keys: [RecordingKey] = []
    for id in ids { keys.append(try query.source.key(id)) }
    let outcome = try await withOperator(options, needsPlatform: true, works: true) { [keys] connection in
      var keys = keys
      var unidentified = 0
      if let span {
        try await query.forEachPage(span, connection) { page in
          unidentified += page.reportUnidentified()
          for item in page.recordings { keys.append(try query.source.key(item.id)) }
        }
      }
      var batch = IngestBatch(keys, connection: connection, options: options, json: json)
      return (failed: try await batch.run(), unidentified: unidentified)
    }
    var problems: [String] = []
    if outcome.failed > 0 { problems.append("\(counted(outcome.failed, "recording")) could not be archived.") }
    if outcome.unidentified > 0 {
      problems.append(
        "\(counted(outcome.unidentified, "row")) of the platform's list cannot be archived: no usable ID.")
    }
    if !problems.isEmpty { throw TapedeckError(.partlyDone, problems.joined(separator: " ")) }
  }
}
