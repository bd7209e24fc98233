package import Model

/// All statements that Tapedeck sends to its database, grouped by topic in `Catalog+….swift`.
package struct Catalog: Sendable {
  package let database: any Database

  package init(database: any Database) { self.database = database }

  /// The changes that are committed from now on; see `Database.changes()`.
  package func changes() -> AsyncStream<Change> { database.changes() }
}

extension Catalog {
  /// The time of the database, which dates all rows.
  package func now() async throws(TapedeckError) -> Instant {
    try await database.read { db in try db.now() }
  }

  /// The time of the database, and the estimated uptime at that moment: the mean of the uptimes before and after the
  /// query. Both are taken inside the transaction, so waiting for a connection does not affect them.
  package func now(
    by uptime: @escaping @Sendable () -> Duration
  ) async throws(TapedeckError) -> (now: Instant, uptime: Duration) {
    try await database.read { db in
      let asked = uptime()
      let now = try db.now()
      return (now, asked + (uptime() - asked) / 2)
    }
  }
}

extension Connection {
  func now() throws(TapedeckError) -> Instant {
    guard let row = try row("SELECT tapedeck_now_ms() AS now") else { throw TapedeckError(.catalogFailed) }
    return try row.instant("now")
  }
}
