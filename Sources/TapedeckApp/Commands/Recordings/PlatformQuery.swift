import ArgumentParser
import Foundation
import Model

/// The options that select recordings on the platform by time.
struct PlatformQuery: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("First day, or start timestamp.", valueName: "time"))
  var from: String?

  @Option(help: ArgumentHelp("End day or timestamp, excluded.", valueName: "time"))
  var to: String?

  @Option(help: "Direction: outbound, inbound or internal.")
  var direction: String?

  @Option(help: ArgumentHelp("ID of an agent on the platform.", valueName: "id"))
  var agent: String?

  @OptionGroup var source: SourceOption

  struct Span: Sendable {
    var from: Instant
    var to: Instant

    var covered: String? { CoveredPeriod.text(from: from, until: to) }
  }

  func validate() throws {
    try checkChoice(direction, "--direction", among: Direction.self)
    if !isEmpty { _ = try span() }
  }

  /// Whether no time is given.
  var isEmpty: Bool { from == nil && to == nil }

  func span() throws(ValidationError) -> Span {
    guard let from, let to else { throw ValidationError("Give both --from and --to.") }
    let span = Span(from: try time(from, "--from"), to: try time(to, "--to"))
    guard span.from < span.to else { throw ValidationError("--from must be before --to, because --to is excluded.") }
    return span
  }

  /// Reads the platform's list page by page. Pages that came before an error have been passed on.
  func forEachPage(
    _ span: Span, _ connection: OperatorClient, _ body: (FoundOnPlatform) throws -> Void
  ) async throws {
    var progress = ListProgress()
    var cursor: String?
    repeat {
      let page = try await connection.get(
        "/operator/search",
        [
          "from": span.from.iso8601, "to": span.to.iso8601, "direction": direction, "agent": agent,
          "source": source.source, "cursor": cursor,
        ]
      ).decode(FoundOnPlatform.self)
      try body(page)
      cursor = page.nextCursor
      let ids = page.recordings.map(\.id)
      if let cursor { try progress.follow(cursor, after: ids) }
      try progress.count(
        ids, unidentified: page.unidentified?.count ?? 0, notes: page.notes ?? ListNotes(), isLast: cursor == nil)
    } while cursor != nil
  }
}

extension FoundOnPlatform {
  /// Says which rows of the page have no usable ID.
  ///
  /// - Returns: their number.
  func reportUnidentified() -> Int {
    for row in unidentified ?? [] {
      Terminal.say("Row \(row.position) of a page of the platform's list has no usable ID: \(row.reason)")
    }
    return unidentified?.count ?? 0
  }
}

/// Says what cannot be done with rows of the platform's list, as a sentence.
func rowsWithoutID(_ count: Int, cannotBe done: String) -> String {
  "\(counted(count, "row")) of the platform's list cannot be \(done): no usable ID."
}
