import Model

/// Every statement that Tapedeck sends to its database, grouped by what it is about in `Catalog+….swift`.
package struct Catalog: Sendable {
  package let database: any Database

  package init(database: any Database) { self.database = database }

  /// What was committed from now on; see `Database.changes()`.
  package func changes() -> AsyncStream<Change> { database.changes() }
}
