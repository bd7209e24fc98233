import ArgumentParser
import Foundation
import Model

/// A JSON answer of the server that a command prints as a table.
package protocol Listing: Decodable {
  /// A table without rows.
  static var emptyTable: Table { get }
  /// What is said when nothing is listed.
  static var emptyText: String { get }
  func fill(_ table: inout Table)
  /// The cursor of the next page; nil at the end.
  var nextCursor: String? { get }
  /// Why nothing is listed, in place of `emptyText`.
  var notice: String? { get }
}

extension Listing {
  package var nextCursor: String? { nil }
  package var notice: String? { nil }
  package var hasMore: Bool { nextCursor != nil }

  package var table: Table {
    var table = Self.emptyTable
    fill(&table)
    return table
  }
}

extension OperatorClient.Reply {
  /// Prints the answer: as a table, or as the JSON that was received.
  func show<L: Listing>(as type: L.Type, json: Bool, quiet: Bool) throws {
    if json { return Terminal.show(json: data) }
    let listing = try decode(L.self)
    var table = listing.table
    if !table.isEmpty { Terminal.show(&table) } else if !quiet { Terminal.say(listing.notice ?? L.emptyText) }
    if listing.hasMore, !quiet { Terminal.say("There are more rows. Narrow the search or raise --limit.") }
  }
}

/// How much of a long list a command prints, and in which form.
struct ListOptions: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("Maximum number of rows. Default: 100.", valueName: "number")) var limit: Int?
  @Flag(help: "Print all rows, however many there are.") var all = false
  @Flag(help: "Print all rows as CSV.") var csv = false

  func validate() throws {
    if limit != nil, all || csv { throw ValidationError("--limit cannot be combined with --all or --csv.") }
  }

  /// Checks `--limit` against the largest page of a list.
  func checkLimit(_ maximum: Int) throws(ValidationError) {
    guard let limit else { return }
    try TapedeckApp.checkLimit(limit, maximum)
  }

  /// Prints all rows of a list, page by page, as a table or as one JSON object per line.
  ///
  /// - Parameter rows: the member of the answer that holds the rows.
  func showAll<L: Listing>(
    _ path: String, _ query: [String: String?], as type: L.Type, rows: String, pageSize: Int, json: Bool, quiet: Bool,
    _ connection: OperatorClient
  ) async throws {
    var table = L.emptyTable
    var cursor: String?
    var isEmpty = true
    var notice: String?
    repeat {
      let reply = try await connection.get(
        path, query.merging(["limit": "\(pageSize)", "cursor": cursor]) { $1 })
      let page = try reply.decode(L.self)
      if json { try Terminal.show(jsonLines: reply.data, of: rows) }
      page.fill(&table)
      if !table.isEmpty {
        isEmpty = false
        if json { _ = table.takeLines(width: nil) } else { Terminal.show(&table) }
      }
      notice = page.notice
      cursor = page.nextCursor
    } while cursor != nil && Terminal.hasOutput
    if isEmpty, !quiet { Terminal.say(notice ?? L.emptyText) }
  }
}
