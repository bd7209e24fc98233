package import Model

/// One step from an older schema to a newer one. Steps are only ever added; one that was released is never edited.
struct Migration {
  let name: String
  let statements: [SQL]

  /// All steps in order; their number is the schema's version.
  static let all: [Migration] = [
    Migration(name: "first schema", statements: firstSchema),
    Migration(name: "verification", statements: verificationSchema),
  ]
}

extension Catalog {
  /// Brings the schema to this program's version, all steps in one transaction.
  ///
  /// - Throws: `catalogFailed` when the database is newer than the program: an older program must not write to it.
  package func migrate() async throws(TapedeckError) {
    try await database.write { db in
      try db.execute(
        "CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
      )
      let version = Int(try db.row("SELECT coalesce(max(version), 0) AS version FROM migration")?.int("version") ?? 0)
      guard version <= Migration.all.count else {
        throw TapedeckError(
          .catalogFailed,
          "The catalog was written by a newer Tapedeck (schema \(version), this program knows \(Migration.all.count)). Install that version or a newer one."
        )
      }
      for (index, step) in Migration.all.enumerated().dropFirst(version) {
        for statement in step.statements { try db.execute(statement) }
        try db.execute(
          "INSERT INTO migration (version, name, applied_at) VALUES (\(index + 1), \(step.name), tapedeck_now_ms())")
      }
    }
  }
}
