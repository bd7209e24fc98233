package import Model

/// Copies a whole catalog into an empty one, from SQLite to PostgreSQL for example: all of it or nothing.
///
/// The source is read in one consistent view while others may go on writing to it, so whoever moves for good stops them
/// first. Some hundred rows are in memory at a time. What arrived is read back and compared before it is committed.
package struct CatalogCopy: Sendable {
  /// How far it is.
  package struct Progress: Sendable, Equatable {
    package var table: String
    package var copied: Int64
    package var total: Int64
  }

  private let source: any Database
  private let target: any Database
  private let batch: Int

  /// - Parameter batch: how many rows are read and written at a time.
  package init(from source: any Database, to target: any Database, batch: Int = 200) {
    self.source = source
    self.target = target
    self.batch = max(1, min(batch, 500))
  }

  /// - Parameter progress: is called after each batch, from a thread of the target.
  /// - Returns: how many rows each table has, in the order in which they were copied.
  /// - Throws: `alreadyExists` when the target holds rows, `catalogFailed` when the source's schema is not this program's,
  ///   what arrived differs, or a database fails; the target then has the schema, and no rows that it did not have.
  @discardableResult
  package func run(
    progress: @escaping @Sendable (Progress) -> Void = { _ in }
  ) async throws(TapedeckError) -> [(table: String, rows: Int64)] {
    let known = try await Catalog(database: source).migrationStatus()
    guard known.count == Migration.all.count, known.allSatisfy({ $0.appliedAt != nil }) else {
      throw TapedeckError(
        .catalogFailed,
        "The catalog to copy has another schema than this program. Start this version once on it, then copy.")
    }
    try await Catalog(database: target).migrate()

    let pipe = BatchPipe()
    async let sent = send(to: pipe)
    let received = await receive(from: pipe, progress)
    pipe.abandon()
    // Of two failures the source's is the first; the target only hears of it.
    if case .failure(let error) = await sent, error.code != .interrupted || Task.isCancelled { throw error }
    return try received.get()
  }

  private func send(to pipe: BatchPipe) async -> Result<Void, TapedeckError> {
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
    from pipe: BatchPipe, _ progress: @escaping @Sendable (Progress) -> Void
  ) async -> Result<[(table: String, rows: Int64)], TapedeckError> {
    do throws(TapedeckError) {
      return .success(
        try await target.write(.readCommitted) { [batch] db in
          // What went through the pipe is gone, so this cannot be repeated as other transactions are.
          guard pipe.beginReceiving() else {
            throw TapedeckError(.catalogFailed, "The connection to the database was lost. Start the copy again.")
          }
          for statement in db.dialect.exclusively { try db.execute(statement) }
          for table in CatalogTable.all where try table.count(db) > 0 {
            throw TapedeckError(
              .alreadyExists, "The database to copy into holds a catalog already. Give it an empty one.")
          }
          var copied: [(table: String, rows: Int64)] = []
          while case .begin(let table, let columns, let total)? = try pipe.receive() {
            let rows = try Self.copy(table, columns, total, from: pipe, to: db, batch: batch, progress)
            copied.append((table.name, rows))
          }
          return copied
        })
    } catch { return .failure(error) }
  }

  /// Writes one table and reads it back.
  private static func copy(
    _ table: CatalogTable, _ columns: [String], _ total: Int64, from pipe: BatchPipe, to db: any Connection,
    batch: Int, _ progress: (Progress) -> Void
  ) throws(TapedeckError) -> Int64 {
    guard try table.columns(db) == columns else {
      throw TapedeckError(.catalogFailed, detail: "table \(table.name) has other columns in the database to copy into")
    }
    var copied: Int64 = 0
    while let item = try pipe.receive() {
      switch item {
      case .begin: throw TapedeckError(.internalError, detail: "a table began in the middle of another")
      case .rows(let rows):
        try table.insert(rows, columns: columns, db)
        copied += Int64(rows.count)
        progress(Progress(table: table.name, copied: copied, total: total))
      case .end(let sent):
        var arrived = TableContent()
        try table.forEachBatch(of: batch, columns: columns, db) { rows throws(TapedeckError) in arrived.add(rows) }
        guard arrived == sent, try table.count(db) == sent.rows else {
          throw TapedeckError(
            .catalogFailed, "What arrived is not what was sent, so nothing was kept. Tell us.",
            detail: "table \(table.name): sent \(sent.rows) rows, arrived \(arrived.rows), or other bytes")
        }
        try table.resumeNumbering(db)
        return copied
      }
    }
    throw TapedeckError(.internalError, detail: "table \(table.name) did not end")
  }
}
