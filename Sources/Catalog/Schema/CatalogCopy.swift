package import Model

/// Copies a whole catalog into an empty one, for example from SQLite to PostgreSQL, in one transaction.
///
/// The source is read from one snapshot while nodes may continue to write to it; to move permanently, stop them
/// first. A few hundred rows are in memory at a time. The copy is read back and compared before it is committed.
package struct CatalogCopy: Sendable {
  /// The progress within one table.
  package struct Progress: Sendable, Equatable {
    package var table: String
    package var copied: Int64
    package var total: Int64
  }

  private let source: any Database
  private let target: any Database
  private let batch: Int

  /// - Parameter batch: the number of rows that are read and written at a time; at most 500.
  package init(from source: any Database, to target: any Database, batch: Int = 200) {
    self.source = source
    self.target = target
    self.batch = max(1, min(batch, 500))
  }

  /// Runs the copy.
  ///
  /// - Parameter progress: called after each batch, on a thread of the target.
  /// - Returns: the number of rows of each table, in the order of copying.
  /// - Throws: `alreadyExists` when the target has rows; `catalogFailed` when the source has another schema version,
  ///   the copy differs, or a database fails. The target then has the schema, but no copied rows.
  @discardableResult
  package func run(
    progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws(TapedeckError) -> [(table: String, rows: Int64)] {
    let known = try await Catalog(database: source).migrationStatus()
    guard known.count == Migration.all.count, known.allSatisfy({ $0.appliedAt != nil }) else {
      throw TapedeckError(
        .catalogFailed,
        "The catalog to copy has another schema version. Start this version of Tapedeck on it once, then copy.")
    }
    try await Catalog(database: target).migrate()

    let createdAt = try await Catalog(database: source).createdAt()
    let pipe = BlockingBatchQueue()
    async let sent = send(to: pipe)
    let received = await receive(from: pipe, createdAt: createdAt, progress)
    pipe.abandon()
    // If the source failed, the target's error is only a consequence.
    if case .failure(let error) = await sent, error.code != .interrupted || Task.isCancelled { throw error }
    return try received.get()
  }

  private func send(to pipe: BlockingBatchQueue) async -> Result<Void, TapedeckError> {
    do throws(TapedeckError) {
      try await source.read { [batch] db in
        for table in CatalogTable.all {
          let columns = try table.columns(db)
          pipe.send(.begin(table, columns: columns, rows: try table.count(db)))
          var content = TableContent()
          try table.forEachBatch(of: batch, columns: columns, db) { rows throws(TapedeckError) in
            content.add(rows)
            guard pipe.send(.rows(rows)) else { throw TapedeckError(.interrupted) }
          }
          pipe.send(.end(content))
        }
      }
      pipe.finish(nil)
      return .success(())
    } catch {
      pipe.finish(error)
      return .failure(error)
    }
  }

  private func receive(
    from pipe: BlockingBatchQueue, createdAt: Instant, _ progress: @escaping @Sendable (Progress) -> Void
  ) async -> Result<[(table: String, rows: Int64)], TapedeckError> {
    do throws(TapedeckError) {
      return .success(
        try await target.write(.readCommitted) { [batch] db in
          // The rows received so far are gone, so this transaction cannot be repeated.
          guard pipe.beginReceiving() else {
            throw TapedeckError(.catalogFailed, "The connection to the database was lost. Start the copy again.")
          }
          for statement in db.dialect.exclusively { try db.execute(statement) }
          for table in CatalogTable.all where try table.count(db) > 0 {
            throw TapedeckError(
              .alreadyExists, "The target database already has a catalog. Use an empty database.")
          }
          var copied: [(table: String, rows: Int64)] = []
          while case .begin(let table, let columns, let total)? = try pipe.receive() {
            let rows = try Self.copy(table, columns, total, from: pipe, to: db, batch: batch, progress)
            copied.append((table.name, rows))
          }
          // Objects that are older than their catalog are not treated as its own.
          try db.execute("UPDATE migration SET applied_at = \(createdAt) WHERE version = 1")
          return copied
        })
    } catch { return .failure(error) }
  }

  /// Writes one table, reads it back and compares.
  private static func copy(
    _ table: CatalogTable, _ columns: [String], _ total: Int64, from pipe: BlockingBatchQueue, to db: any Connection,
    batch: Int, _ progress: (Progress) -> Void
  ) throws(TapedeckError) -> Int64 {
    guard try table.columns(db) == columns else {
      throw TapedeckError(.catalogFailed, detail: "table \(table.name) has other columns in the target")
    }
    var copied: Int64 = 0
    while let item = try pipe.receive() {
      switch item {
      case .begin: throw TapedeckError(.internalError, detail: "a table began before the previous one ended")
      case .rows(let rows):
        try table.insert(rows, columns: columns, db)
        copied += Int64(rows.count)
        progress(Progress(table: table.name, copied: copied, total: total))
      case .end(let sent):
        var arrived = TableContent()
        try table.forEachBatch(of: batch, columns: columns, db) { rows throws(TapedeckError) in arrived.add(rows) }
        guard arrived == sent, try table.count(db) == sent.rows else {
          throw TapedeckError(
            .catalogFailed, "The copy differs from the original, so it was discarded. Please report this.",
            detail: "table \(table.name): sent \(sent.rows) rows, received \(arrived.rows), or the contents differ")
        }
        try table.resumeNumbering(db)
        return copied
      }
    }
    throw TapedeckError(.internalError, detail: "table \(table.name) did not end")
  }
}
