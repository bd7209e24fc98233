package import Model

/// A change of the schema. Released migrations are never edited or removed.
struct Migration: Sendable {
  let name: String
  let statements: @Sendable (Dialect) -> [SQL]

  /// All migrations in order; their number is the version of the schema.
  static let all: [Migration] = [Migration(name: "first schema", statements: firstSchema)]
}

/// A migration, and whether it was applied to this database.
package struct MigrationStatus: Sendable, Equatable {
  /// Counted from 1.
  package var version: Int
  package var name: String
  /// Nil before it is applied, at the next start.
  package var appliedAt: Instant?
}

extension Catalog {
  /// Applies the missing migrations in one transaction. If several processes start at once, one applies them and the
  /// others wait.
  ///
  /// - Throws: `catalogFailed` when the database has a newer version or unknown migrations, or lacks a part of the
  ///   schema.
  package func migrate() async throws(TapedeckError) {
    // Read committed, so that statements after the lock see what its previous holder committed.
    try await database.write(.readCommitted) { db in
      for statement in db.dialect.exclusively { try db.execute(statement) }
      let (integer, text) = (db.dialect.integer, db.dialect.text)
      try db.execute(
        """
        CREATE TABLE IF NOT EXISTS migration (
          version \(integer) PRIMARY KEY, name \(text) NOT NULL, applied_at \(integer) NOT NULL)
        """)
      let version = try requireKnownSchema(db)
      for (index, step) in Migration.all.enumerated().dropFirst(version) {
        for statement in step.statements(db.dialect) { try db.execute(statement) }
        try db.execute(
          "INSERT INTO migration (version, name, applied_at) VALUES (\(index + 1), \(step.name), tapedeck_now_ms())")
      }
      try requireWholeSchema(db)
    }
  }

  /// Checks that this version of Tapedeck supports the schema, and that no table or column is missing. Changes nothing.
  ///
  /// - Parameters:
  ///   - mayBeEmpty: whether a database without any migration is supported.
  ///   - tablesOnly: whether columns, indexes and triggers are left out, for a check that is repeated often.
  /// - Throws: `catalogFailed`.
  package func checkSchema(mayBeEmpty: Bool = true, tablesOnly: Bool = false) async throws(TapedeckError) {
    try await database.read { db in
      if try db.row(db.dialect.table(named: "migration")) != nil {
        let version = try requireKnownSchema(db)
        if version == Migration.all.count, !tablesOnly { try requireWholeSchema(db) }
      } else if !mayBeEmpty {
        throw incompleteCatalog(["migration"])
      }
    }
  }

  /// The known and the applied migrations, in order. Changes nothing.
  package func migrationStatus() async throws(TapedeckError) -> [MigrationStatus] {
    try await database.read { db in
      var steps = Migration.all.enumerated().map { MigrationStatus(version: $0.offset + 1, name: $0.element.name) }
      guard try db.row(db.dialect.table(named: "migration")) != nil else { return steps }
      for row in try db.rows("SELECT version, name, applied_at FROM migration ORDER BY version") {
        let applied = MigrationStatus(
          version: Int(try row.int("version")), name: try row.text("name"), appliedAt: try row.instant("applied_at"))
        steps.removeAll { $0.version == applied.version }
        steps.append(applied)
      }
      return steps.sorted { $0.version < $1.version }
    }
  }
}

/// Checks that this version of Tapedeck supports the schema. The table `migration` must exist.
///
/// - Returns: the number of applied migrations.
/// - Throws: `catalogFailed` when the database has a newer version or unknown migrations, or lacks a table.
func requireKnownSchema(_ db: any Connection) throws(TapedeckError) -> Int {
  let version = Int(try db.row("SELECT coalesce(max(version), 0) AS version FROM migration")?.int("version") ?? 0)
  guard version <= Migration.all.count else {
    throw TapedeckError(
      .catalogFailed,
      "The catalog was written by a newer version of Tapedeck (schema \(version), this version supports \(Migration.all.count)). Install that version or a newer one."
    )
  }
  for row in try db.rows("SELECT version, name FROM migration ORDER BY version") {
    let (number, name) = (Int(try row.int("version")), try row.text("name"))
    guard Migration.all.indices.contains(number - 1), Migration.all[number - 1].name == name else {
      throw TapedeckError(
        .catalogFailed,
        "The catalog was written by an unreleased version of Tapedeck (schema \(number) is '\(name)'). Start with an empty database or data directory."
      )
    }
  }
  guard version == Migration.all.count else { return version }
  let names = Set(try db.rows(db.dialect.tableNames).map { row throws(TapedeckError) in try row.text("name") })
  let missing = CatalogTable.all.map(\.name).filter { !names.contains($0) }
  guard missing.isEmpty else { throw incompleteCatalog(missing) }
  return version
}

func incompleteCatalog(_ missing: [String]) -> TapedeckError {
  TapedeckError(
    .catalogFailed,
    "The catalog is incomplete (missing: \(missing.joined(separator: ", "))). Stop Tapedeck and restore the catalog from a backup (docs/operations.md)."
  )
}
