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
  }

  func validate() throws {
    if let direction, Direction(rawValue: direction) == nil {
      throw ValidationError("--direction must be outbound, inbound or internal.")
    }
    if !isEmpty { _ = try span() }
  }

  /// Whether no time is given.
  var isEmpty: Bool { from == nil && to == nil }

  func span() throws(ValidationError) -> Span {
    guard let from, let to else { throw ValidationError("Give both --from and --to.") }
    let span = Span(from: try Self.moment(from, "--from"), to: try Self.moment(to, "--to"))
    guard span.from < span.to else { throw ValidationError("--from must be before --to.") }
    return span
  }

  func forEachPage(
    _ span: Span, _ connection: OperatorClient, _ body: (FoundOnPlatform) throws -> Void
  ) async throws {
    var cursors = PageCursors()
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
      if let cursor { try cursors.follow(cursor, after: page.recordings.map(\.id)) }
      try cursors.count(
        page.recordings.count + (page.unidentified?.count ?? 0), of: page.extent ?? ListExtent(),
        isLast: cursor == nil)
    } while cursor != nil
  }

  private static func moment(_ text: String, _ name: String) throws(ValidationError) -> Instant {
    guard let instant = Instant(iso8601: text.utf8.count == 10 ? "\(text)T00:00:00Z" : text) else {
      throw ValidationError("\(name) must be \(CalendarDay.expectedForm(orTimestamp: true)).")
    }
    return instant
  }
}

extension FoundOnPlatform {
  /// Says which rows of the page name no recording.
  ///
  /// - Returns: their number.
  func reportUnidentified() -> Int {
    for row in unidentified ?? [] {
      Terminal.say("Row \(row.position) of a page of the platform's list names no recording: \(row.reason)")
    }
    return unidentified?.count ?? 0
  }
}
