package import Catalog
package import Logging
package import Model

/// Recovers from a crash before work begins: frees the jobs of the last process, and removes spool files that belong to
/// no unfinished job. `Scrubber` verifies the archive itself, concurrently with the work.
package struct Recovery: Sendable {
  private let catalog: Catalog
  private let spool: Spool
  private let logger: Logger

  package init(catalog: Catalog, spool: Spool, logger: Logger) {
    self.catalog = catalog
    self.spool = spool
    self.logger = logger
  }

  /// - Parameter isAlone: whether no other node can be running; otherwise leases are left to expire.
  /// - Throws: `catalogFailed`, `storageFailed`.
  package func run(isAlone: Bool) async throws(TapedeckError) {
    let freed = try await catalog.reclaimJobs(everyLease: isAlone)
    if isAlone { try await catalog.releaseAllTasks() }
    let orphans = try await spool.removeOrphans(keeping: try await catalog.unfinishedJobs())
    // A crash can come between a decision and the removal of its file.
    let decided = try await catalog.decidedQuarantine(try await spool.quarantinedNames(), spoolID: spool.id)
    var removed = 0
    for name in decided {
      do {
        try await spool.removeQuarantined(name)
        removed += 1
      } catch {
        logger.warning(
          "a quarantined file that was accepted or discarded cannot be removed",
          metadata: ["file": "\(name)", "reason": "\(error.message)"])
      }
    }
    guard freed + orphans + removed > 0 else { return }
    logger.notice(
      "recovered what the last process left unfinished",
      metadata: [
        "jobs_freed": "\(freed)", "spool_files_removed": "\(orphans)",
        "quarantined_files_removed": "\(removed)",
      ])
  }
}
