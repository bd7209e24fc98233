package import Model

/// One step from an older schema to a newer one. Steps are only ever added; one that was released is never edited.
struct Migration: Sendable {
  let name: String
  let statements: @Sendable (Dialect) -> [SQL]

  /// All steps in order; their number is the schema's version.
  static let all: [Migration] = [
    Migration(name: "recordings, work and access", statements: firstSchema),
    Migration(name: "sync, back-fills and coverage", statements: syncSchema),
    Migration(name: "verification and damage", statements: verificationSchema),
    Migration(name: "budget of requests", statements: budgetSchema),
    Migration(name: "what nodes agree on", statements: nodeSchema),
  ]
}

/// A step of the schema, and whether this database has it.
package struct MigrationStatus: Sendable, Equatable {
  /// Counted from 1.
  package var version: Int
  package var name: String
  /// Nil while it is still to come; the next start applies it.
  package var appliedAt: Instant?
}

extension Catalog {
  /// Brings the schema to this program's version, all steps in one transaction. Of several processes that start at once
  /// one does the work and the others wait for it.
  ///
  /// - Throws: `catalogFailed` when the database is newer than the program, or has steps that no released program has:
  ///   this one must not write to it.
  package func migrate() async throws(TapedeckError) {
    // What the lock was waited for must be seen afterwards, so each statement looks for itself.
    try await database.write(.readCommitted) { db in
      for statement in db.dialect.exclusively { try db.execute(statement) }
      let (integer, text) = (db.dialect.integer, db.dialect.text)
      try db.execute(
        """
        CREATE TABLE IF NOT EXISTS migration (
          version \(integer) PRIMARY KEY, name \(text) NOT NULL, applied_at \(integer) NOT NULL)
        """)
      let version = Int(try db.row("SELECT coalesce(max(version), 0) AS version FROM migration")?.int("version") ?? 0)
      guard version <= Migration.all.count else {
        throw TapedeckError(
          .catalogFailed,
          "The catalog was written by a newer Tapedeck (schema \(version), this program knows \(Migration.all.count)). Install that version or a newer one."
        )
      }
      for row in try db.rows("SELECT version, name FROM migration ORDER BY version") {
        let (number, name) = (Int(try row.int("version")), try row.text("name"))
        guard Migration.all.indices.contains(number - 1), Migration.all[number - 1].name == name else {
          throw TapedeckError(
            .catalogFailed,
            "The catalog was written by a Tapedeck that was never released (schema \(number) is '\(name)'). Begin with an empty database or data directory."
          )
        }
      }
      for (index, step) in Migration.all.enumerated().dropFirst(version) {
        for statement in step.statements(db.dialect) { try db.execute(statement) }
        try db.execute(
          "INSERT INTO migration (version, name, applied_at) VALUES (\(index + 1), \(step.name), tapedeck_now_ms())")
      }
    }
  }

  /// All steps that this program knows or the database has, in order; changes nothing.
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
