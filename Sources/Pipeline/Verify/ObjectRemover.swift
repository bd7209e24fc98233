package import Catalog
import CoreMetrics
package import Logging
package import Model
package import ObjectStorage
import ServiceLifecycle

/// Deletes the files of objects that no recording refers to any more, once their grace period is over.
///
/// One node at a time does it. A crash at any point leaves the removal in the catalog, and the next run repeats it.
package struct ObjectRemover: Service {
  private let catalog: Catalog
  private let store: any ObjectStore
  private let logger: Logger
  private let task: RecurringTask

  package init(catalog: Catalog, store: any ObjectStore, system: SystemServices, logger: Logger) {
    self.catalog = catalog
    self.store = store
    self.logger = logger
    task = RecurringTask(
      key: .removal, catalog: catalog, system: system, logger: logger,
      failure: "removing unused objects failed; it is retried", interval: .seconds(3600))
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await task.run { row, _ throws(TapedeckError) in
        try await task.renewingLease(row) { () async throws(TapedeckError) in _ = try await removeDue() }
      }
    }
  }

  /// Deletes what is due.
  ///
  /// - Returns: the number of deleted objects.
  /// - Throws: `storageFailed`, `catalogFailed`, `interrupted`; what is left is deleted by a later call.
  package func removeDue() async throws(TapedeckError) -> Int {
    var removed = 0
    while case let names = try await catalog.dueRemovals(limit: 100), !names.isEmpty {
      for name in names {
        if Task.isCancelled { throw TapedeckError(.interrupted) }
        guard try await catalog.beginRemoval(name) else { continue }
        try await store.remove(name)
        try await catalog.endRemoval(name)
        removed += 1
        VerificationMetrics.removed.increment()
        logger.notice("an object that no recording refers to was removed", metadata: ["object": "\(name)"])
      }
    }
    return removed
  }
}
