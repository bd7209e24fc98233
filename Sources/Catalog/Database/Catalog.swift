import Model

/// All statements that Tapedeck sends to its database, grouped by topic in `Catalog+….swift`.
package struct Catalog: Sendable {
  package let database: any Database

  package init(database: any Database) { self.database = database }

  /// The changes that are committed from now on; see `Database.changes()`.
  package func changes() -> AsyncStream<Change> { database.changes() }
}
