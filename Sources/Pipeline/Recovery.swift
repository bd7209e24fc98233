package import Catalog
package import Logging
package import Model
package import ObjectStorage

/// What is put right before work begins, when this process alone holds the data directory: jobs of a process that died
/// are freed, files that belong to nothing are removed.
package struct Recovery: Sendable {
  private let catalog: Catalog
  private let spool: Spool
  private let store: any ObjectStore
  private let logger: Logger

  package init(catalog: Catalog, spool: Spool, store: any ObjectStore, logger: Logger) {
    self.catalog = catalog
    self.spool = spool
    self.store = store
    self.logger = logger
  }

  /// - Throws: `catalogFailed`, `storageFailed`.
  package func run(now: Instant) async throws(TapedeckError) {
    let freed = try await catalog.reclaimJobs(everyLease: true)
    let orphans = try await spool.removeOrphans(keeping: try await catalog.unfinishedJobs())
    // Young ones may be of a transaction that another process is about to commit.
    var unreferenced = 0
    for folder in ObjectFolder.all {
      for object in try await store.objects(in: folder) where object.changedAt < now + .seconds(-3600) {
        if try await !catalog.refers(toObject: object.key.description) {
          try await store.remove(object.key)
          unreferenced += 1
        }
      }
    }
    guard freed + orphans + unreferenced > 0 else { return }
    logger.notice(
      "put right what the last process left",
      metadata: [
        "jobs_freed": "\(freed)", "spool_files_removed": "\(orphans)", "objects_removed": "\(unreferenced)",
      ])
  }
}
