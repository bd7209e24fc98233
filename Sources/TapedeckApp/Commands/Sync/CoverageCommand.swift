import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck coverage`: for each day, what the platform lists and what the archive holds.
struct CoverageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage", abstract: "Compare the archive with the platform day by day; list and fill gaps.",
    discussion: """
      Covers one source: the source 'default' unless --source is given. Asks the
      platform for each day first, unless --offline is given. Days are in the time
      zone of the source; the end is excluded. Exits with 3 when an expected
      recording is not in the archive, or when a day is not checked. A day counts
      as checked once the platform's complete list for it has been read at least
      CXONE_SYNC_OVERLAP_MINUTES after the day ended, because calls are listed only
      after they end.

        tapedeck coverage --from 2026-11-01 --to 2026-11-08 --fill
        tapedeck coverage --from 2026-11-01 --to 2026-12-01 --statement november.txt
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions
  @Option(help: ArgumentHelp("First day (YYYY-MM-DD).", valueName: "day")) var from: String
  @Option(help: ArgumentHelp("End day, excluded (YYYY-MM-DD).", valueName: "day")) var to: String
  @OptionGroup var source: SourceOption
  @Flag(
    help: """
      Fetch missing recordings, and failed ones that may succeed now (not those that were cancelled, or that the \
      platform has no audio for); wait for them, and show the days again.
      """)
  var fill = false
  @Flag(help: "Do not ask the platform; use its last known lists.") var offline = false
  @Option(help: ArgumentHelp("Write a signed statement of these days to a file.", valueName: "file"))
  var statement: String?
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws { _ = try span() }

  private func span() throws(ValidationError) -> DaySpan { try DaySpan(from: from, to: to, maximum: 400) }

  func run() async throws {
    let span = try span()
    options.say(period: span.covered(source: source.source))
    let incomplete = try await withOperator(options, needsPlatform: !offline || fill, works: fill) { connection in
      if !offline { try await check(span, connection) }
      var coverage = try await load(span, connection)
      if fill {
        var keys: [RecordingKey] = []
        for gap in coverage.gaps where gap.fillable { keys.append(try recordingKey(gap.id, source: gap.source)) }
        if !keys.isEmpty {
          var batch = IngestBatch(keys, connection: connection, options: options.output, json: false)
          _ = try await batch.run()
          coverage = try await load(span, connection)
        }
      }
      if json { try Terminal.show(json: coverage) } else { for line in coverage.lines { Terminal.show(line) } }
      if let statement { try await write(statement, span, connection) }
      return coverage.incompleteText
    }
    if let incomplete { throw TapedeckError(.partlyDone, incomplete) }
  }

  private func check(_ span: DaySpan, _ connection: OperatorClient) async throws {
    for day in span.days {
      _ = try await connection.send(
        .POST, "/operator/coverage/check", query: ["source": source.source, "day": day.description])
    }
  }

  private func load(_ span: DaySpan, _ connection: OperatorClient) async throws -> CoverageReport {
    func page(_ cursor: String?) async throws -> CoverageReport {
      try await connection.get(
        "/api/v1/coverage",
        ["from": "\(span.first)", "to": "\(span.last)", "source": source.source, "cursor": cursor]
      ).decode(CoverageReport.self)
    }
    var report = try await page(nil)
    while let cursor = report.nextCursor {
      let next = try await page(cursor)
      report.gaps += next.gaps
      report.nextCursor = next.nextCursor
    }
    return report
  }

  private func write(_ file: String, _ span: DaySpan, _ connection: OperatorClient) async throws {
    let reply = try await connection.get(
      "/operator/coverage/statement",
      ["from": "\(span.first)", "to": "\(span.last)", "source": source.source])
    do { try reply.data.write(to: URL(filePath: file)) } catch {
      throw TapedeckError(
        .storageFailed, "The statement cannot be written to '\(file)'. Check the path and its permissions.",
        detail: "\(error)", cause: error)
    }
  }
}

/// `tapedeck sync`: run a sync now.
struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Check the platform for new calls now, and queue the ones to be archived.",
    discussion: """
      The server fetches the queued recordings. It also syncs on a schedule
      (CXONE_SYNC_INTERVAL_SECONDS), unless TAPEDECK_SYNC is off. Exits with 3
      when rows of the platform's list have no usable ID.
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions
  @OptionGroup var source: SourceOption
  @Flag(help: "Print one JSON object.") var json = false

  func run() async throws {
    let incomplete = try await withOperator(options, needsPlatform: true) { connection in
      let reply = try await connection.send(.POST, "/operator/sync", query: ["source": source.source])
      let answer = try reply.decode(SyncAnswer.self)
      if json { Terminal.show(json: reply.data) } else { for line in answer.lines { Terminal.show(line) } }
      return answer.incompleteText
    }
    if let incomplete { throw TapedeckError(.partlyDone, incomplete) }
  }
}
