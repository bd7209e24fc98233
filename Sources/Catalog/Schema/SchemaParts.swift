import Model

/// The parts of the schema without which statements fail or rows become wrong, by name: `table.column`, unique indexes,
/// triggers, and tables of other modules.
package enum SchemaParts {
  /// The parts that migrations create.
  static func expected(_ dialect: Dialect) -> Set<String> {
    expected(after: Migration.all.flatMap { $0.statements(dialect) }.map { $0.text { _ in "?" } })
  }

  /// The parts that exist after statements in this order.
  package static func expected(after statements: [String]) -> Set<String> {
    var parts: Set<String> = []
    for statement in statements {
      let text = withoutComments(statement)
      if let table = text.firstMatch(of: /^CREATE TABLE (\w+) \((.*)\)\s*$/.dotMatchesNewlines()) {
        for column in columns(of: table.2) { parts.insert("\(table.1).\(column)") }
      } else if let column = text.firstMatch(of: /^ALTER TABLE (\w+) ADD COLUMN (\w+)/) {
        parts.insert("\(column.1).\(column.2)")
      } else if let other = text.firstMatch(of: /^CREATE (?:UNIQUE INDEX|TRIGGER|VIRTUAL TABLE) (\w+)/) {
        parts.insert(String(other.1))
      }
    }
    return parts
  }

  /// The parts that a database has, and others.
  static func found(_ db: any Connection) throws(TapedeckError) -> Set<String> {
    let queries: [SQL] =
      switch db.dialect {
      case .sqlite:
        [
          """
          SELECT t.name || '.' || c.name AS name FROM sqlite_schema t, pragma_table_xinfo(t.name) c
          WHERE t.type = 'table' AND t.sql LIKE 'CREATE TABLE%'
          """,
          "SELECT name FROM sqlite_schema",
        ]
      case .postgresql:
        [
          """
          SELECT table_name || '.' || column_name AS name FROM information_schema.columns
          WHERE table_schema = current_schema()
          """,
          "SELECT indexname AS name FROM pg_indexes WHERE schemaname = current_schema()",
        ]
      }
    var parts: Set<String> = []
    for query in queries {
      for row in try db.rows(query) { parts.insert(try row.text("name")) }
    }
    return parts
  }

  private static func withoutComments(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in line.firstRange(of: "--").map { line[..<$0.lowerBound] } ?? line }
      .joined(separator: "\n")
  }

  /// The names of columns in the body of a `CREATE TABLE`, without the constraints of the table.
  private static func columns(of body: Substring) -> [Substring] {
    var depth = 0
    let definitions = body.split { character in
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      return character == "," && depth == 0
    }
    return definitions.compactMap { $0.split(whereSeparator: \.isWhitespace).first }
      .filter { !["UNIQUE", "PRIMARY", "FOREIGN", "CHECK"].contains($0) }
  }
}

/// Checks that a database with the current version of the schema has all of its parts. Takes a few milliseconds.
///
/// - Throws: `catalogFailed` with the missing parts.
func requireWholeSchema(_ db: any Connection) throws(TapedeckError) {
  let missing = SchemaParts.expected(db.dialect).subtracting(try SchemaParts.found(db))
  guard missing.isEmpty else { throw incompleteCatalog(missing.sorted()) }
}
