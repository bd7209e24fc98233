import ArgumentParser
import Foundation
import Model

/// A JSON response of the server that a command prints as a table.
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

  /// What is said when there are more rows than were printed.
  ///
  /// - Parameter hasAll: whether the command has the option `--all`.
  package static func moreText(hasAll: Bool) -> String {
    "There are more rows. Narrow the search\(hasAll ? ", raise --limit or use --all" : " or raise --limit")."
  }

  package var table: Table {
    var table = Self.emptyTable
    fill(&table)
    return table
  }
}

extension OperatorClient.Reply {
  /// Prints the response: as a table, or as the JSON that was received.
  ///
  /// - Parameter hasAll: whether the command has the option `--all`.
  func show<L: Listing>(as type: L.Type, json: Bool, quiet: Bool, hasAll: Bool = false) throws {
    if json { return Terminal.show(json: data) }
    let listing = try decode(L.self)
    var table = listing.table
    if !table.isEmpty { Terminal.show(&table) } else if !quiet { Terminal.say(listing.notice ?? L.emptyText) }
    if listing.hasMore, !quiet { Terminal.say(L.moreText(hasAll: hasAll)) }
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

  /// Checks `--limit` against the largest page of a list, and that only one format is selected.
  func check(json: Bool, maximum: Int) throws(ValidationError) {
    if csv, json { throw ValidationError("--json and --csv cannot be combined.") }
    guard let limit else { return }
    try checkLimit(limit, maximum)
  }

  /// Prints a list as CSV, with all rows, or up to `--limit`.
  ///
  /// - Parameters:
  ///   - rows: the member of the response that holds the rows.
  ///   - pageSize: the largest page of the list.
  ///   - showPage: prints the one page that `--limit` asks for.
  func show<L: Listing>(
    _ path: String, _ query: [String: String?], as type: L.Type, rows: String, pageSize: Int, json: Bool, quiet: Bool,
    _ connection: OperatorClient, showPage: (OperatorClient.Reply) throws -> Void
  ) async throws {
    if csv {
      try await connection.stream("\(path).csv", query) { Terminal.show(bytes: $0) }
    } else if all {
      try await showAll(
        path, query, as: type, rows: rows, pageSize: pageSize, json: json, quiet: quiet, connection)
    } else {
      try showPage(try await connection.get(path, query.merging(["limit": "\(limit ?? 100)"]) { $1 }))
    }
  }

  /// Prints all rows of a list, page by page, as a table or as one JSON object per line.
  private func showAll<L: Listing>(
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
