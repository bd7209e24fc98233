import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck coverage`: what each day holds against what it must hold, and what to do about gaps.
struct CoverageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "coverage",
    abstract: "Show for each day what the platform has and what the archive holds; find and fill gaps.",
    discussion: """
      Asks the platform for each day first, unless --offline. Days are those of the source's time zone; the end does not
      belong to them. Ends with 3 when a recording is not in the archive.
      """)

  @OptionGroup var options: GlobalOptions
  @Option(help: "The first day.") var from: String
  @Option(help: "The day after the last.") var to: String
  @Option(help: "The configured source.") var source = "default"
  @Flag(help: "Fetch what is missing or failed, wait for it, and show the days again.") var fill = false
  @Flag(help: "Do not ask the platform; show what was learnt when it was last asked.") var offline = false
  @Option(help: "Write a signed statement of these days into a file.") var statement: String?
  @Flag(help: "One JSON object.") var json = false

  func run() async throws {
    let span = try DaySpan(from: from, to: to)
    let source = source
    let gaps = try await withOperator(options, needsPlatform: !offline || fill, works: fill) { connection in
      if !offline { try await check(span, source, connection) }
      var coverage = try await Coverage.load(span, source, connection)
      if fill {
        var keys: [RecordingKey] = []
        for gap in coverage.gaps where gap.fillable { keys.append(try recordingKey(gap.id, source: gap.source)) }
        if !keys.isEmpty {
          var batch = IngestBatch(keys, connection: connection, options: options, json: false)
          _ = try await batch.run()
          coverage = try await Coverage.load(span, source, connection)
        }
      }
      show(coverage)
      if let statement {
        let reply = try await connection.get(
          "/operator/coverage/statement", ["from": span.first, "to": span.last, "source": source])
        do { try reply.data.write(to: URL(filePath: statement)) } catch {
          throw TapedeckError(.storageFailed, "The statement cannot be written to that file.", detail: "\(error)")
        }
      }
      return coverage.total.expected - coverage.total.ready
    }
    if gaps > 0 { throw TapedeckError(.partlyDone, "\(gaps) recording(s) that are expected are not in the archive.") }
  }

  private func check(_ span: DaySpan, _ source: String, _ connection: OperatorClient) async throws {
    for day in span.days {
      _ = try await connection.send(.POST, "/operator/coverage/check?source=\(source)&day=\(day)")
    }
  }

  private func show(_ coverage: Coverage) {
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      if let data = try? encoder.encode(coverage) { Terminal.show(json: data) }
      return
    }
    var rows = [["DAY", "REPORTED", "EXPECTED", "READY", "WAITING", "FAILED", "REFUSED", "MISSING", "CHECKED"]]
    for day in coverage.days + [coverage.total] {
      rows.append([
        day.day ?? "TOTAL", day.reported.map(String.init) ?? "unknown", "\(day.expected)", "\(day.ready)",
        "\(day.waiting)", "\(day.failed)", "\(day.refused)", "\(day.missing)",
        day.day == nil ? "" : day.checkedAt ?? "never",
      ])
    }
    Terminal.show(table: rows)
    guard !coverage.gaps.isEmpty else { return }
    Terminal.show("")
    Terminal.show(
      table: [["GAP", "STARTED", "STANDING", "WHY"]] + coverage.gaps.map { [$0.id, $0.at, $0.standing, $0.reason] })
  }
}

/// Days by their dates, whatever the zone.
struct DaySpan: Sendable {
  let days: [String]
  var first: String { days.first ?? "" }
  var last: String { days.last ?? "" }

  /// - Parameter to: the day after the last.
  init(from: String, to: String) throws(TapedeckError) {
    guard let first = CalendarDay(from, in: .utc), let end = CalendarDay(to, in: .utc) else {
      throw TapedeckError(.usage, "--from and --to are days such as 2026-11-12.")
    }
    guard first < end, first.distance(to: end) <= 400 else {
      throw TapedeckError(.usage, "--from must be before --to, by at most 400 days.")
    }
    days = CalendarDay.days(from: first, through: end.advanced(by: -1)).map(\.description)
  }
}

/// The answer of `/api/v1/coverage`.
private struct Coverage: Codable, Sendable {
  struct Figures: Codable, Sendable {
    var day: String?
    var from: String?
    var to: String?
    var reported: Int64?
    var expected: Int64
    var ready: Int64
    var waiting: Int64
    var failed: Int64
    var refused: Int64
    var missing: Int64
    var unlisted: Int64
    var checkedAt: String?
  }

  struct Gap: Codable, Sendable {
    var id: String
    var source: String
    var day: String
    var at: String
    var standing: String
    var code: String?
    var reason: String
    var fillable: Bool
  }

  var source: String
  var timeZone: String
  var filter: String
  var days: [Figures]
  var total: Figures
  var gaps: [Gap]
  var nextCursor: String?

  static func load(_ span: DaySpan, _ source: String, _ connection: OperatorClient) async throws -> Coverage {
    func page(_ cursor: String?) async throws -> Coverage {
      try await connection.get(
        "/api/v1/coverage", ["from": span.first, "to": span.last, "source": source, "cursor": cursor]
      ).decode(Coverage.self)
    }
    var all = try await page(nil)
    while let cursor = all.nextCursor {
      let next = try await page(cursor)
      all.gaps += next.gaps
      all.nextCursor = next.nextCursor
    }
    return all
  }
}

/// `tapedeck sync`: look for new calls now.
struct SyncCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sync", abstract: "Look for new calls now, and queue what is wanted.",
    discussion: "The server fetches what is queued; it looks for new calls by itself unless TAPEDECK_SYNC is off.")

  @OptionGroup var options: GlobalOptions
  @Option(help: "The configured source.") var source = "default"
  @Flag(help: "One JSON object.") var json = false

  func run() async throws {
    let source = source
    try await withOperator(options, needsPlatform: true) { connection in
      let reply = try await connection.send(.POST, "/operator/sync?source=\(source)")
      if json { return Terminal.show(json: reply.data) }
      let answer = try reply.decode(SyncAnswer.self)
      Terminal.show("\(answer.found) recordings found, \(answer.queued) queued.")
    }
  }
}
