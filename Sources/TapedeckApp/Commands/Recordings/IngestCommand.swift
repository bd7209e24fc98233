import ArgumentParser
import Foundation
import Model

/// `tapedeck ingest`: archive recordings and wait for them.
struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Archive recordings by id or by time.",
    discussion: """
      Waits until each recording is archived or has failed. Recordings that are
      already archived are not fetched again. Exits with 3 when some recordings
      failed.

      Times are days (2026-11-12) or moments (2026-11-12T14:00:00Z) in UTC; the end
      is excluded.
      """)

  @OptionGroup var options: GlobalOptions

  @Argument(help: "Ids of recordings on the platform.")
  var ids: [String] = []

  @OptionGroup var query: PlatformQuery

  @Flag(help: "Print one JSON object per line when a recording is archived or has failed.")
  var json = false

  func validate() throws {
    if ids.isEmpty == query.isEmpty { throw ValidationError("Give either ids, or --from and --to.") }
    try checkRecordings(ids)
  }

  func run() async throws {
    let span = ids.isEmpty ? try query.span() : nil
    var keys: [RecordingKey] = []
    for id in ids { keys.append(try query.source.key(id)) }
    let failed = try await withOperator(options, needsPlatform: true, works: true) { [keys] connection in
      var keys = keys
      if let span {
        try await query.forEachPage(span, connection) { page in
          for item in page.recordings { keys.append(try query.source.key(item.id)) }
        }
      }
      var batch = IngestBatch(keys, connection: connection, options: options, json: json)
      return try await batch.run()
    }
    if failed > 0 { throw TapedeckError(.partlyDone, "\(counted(failed, "recording")) could not be archived.") }
  }
}
