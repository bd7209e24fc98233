package import Catalog
package import Logging
package import Model

/// What must be put right before work begins: jobs of a process that died are freed, files of the spool that belong to
/// none are removed. The archive itself is looked at by `Scrubber`, beside the work.
package struct Recovery: Sendable {
  private let catalog: Catalog
  private let spool: Spool
  private let logger: Logger

  package init(catalog: Catalog, spool: Spool, logger: Logger) {
    self.catalog = catalog
    self.spool = spool
    self.logger = logger
  }

  /// - Parameter isAlone: whether no other node can be alive; leases are left to lapse where one may be.
  /// - Throws: `catalogFailed`, `storageFailed`.
  package func run(isAlone: Bool) async throws(TapedeckError) {
    let freed = try await catalog.reclaimJobs(everyLease: isAlone)
    if isAlone { try await catalog.freeDuties() }
    let orphans = try await spool.removeOrphans(keeping: try await catalog.unfinishedJobs())
    guard freed + orphans > 0 else { return }
    logger.notice(
      "put right what the last process left",
      metadata: ["jobs_freed": "\(freed)", "spool_files_removed": "\(orphans)"])
  }
}
