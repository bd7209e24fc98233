/// Rows of text in columns as wide as their widest cell, two spaces apart.
package struct Table: Sendable {
  private var rows: [[String]]

  package init(_ headings: [String]) { rows = [headings] }

  /// A table without headings: a name and a value in each row. Facts without a value are left out.
  package init(facts: [(name: String, value: String?)]) {
    rows = facts.compactMap { name, value in value.flatMap { $0.isEmpty ? nil : [name, $0] } }
  }

  package init(rows: [[String]]) { self.rows = rows }

  package mutating func add(_ row: [String]) { rows.append(row) }

  /// One line per row, whatever the cells contain.
  package var lines: [String] {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        line += String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 })
        line += String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }
}

/// A JSON answer of the server that a command prints as a table.
package protocol Listing: Decodable {
  var table: Table { get }
  /// Whether the server has more entries than it returned.
  var hasMore: Bool { get }
}

extension Listing {
  package var hasMore: Bool { false }
}

extension OperatorClient.Reply {
  /// Prints the answer: as a table, or as the JSON that was received.
  func show<L: Listing>(as type: L.Type, json: Bool, quiet: Bool) throws {
    if json { return Terminal.show(json: data) }
    let listing = try decode(L.self)
    Terminal.show(listing.table)
    if listing.hasMore, !quiet { Terminal.say("There are more. Narrow the search or raise --limit.") }
  }
}
