import Catalog
import Logging
package import Model
import ServiceLifecycle

/// Verifies the archive continuously: compares catalog and objects at the start and daily, and reads back a share of
/// the bytes every hour.
///
/// One node at a time does it.
package struct Scrubber: Service {
  private let verifier: Verifier
  private let reconciliation: Reconciliation
  private let settings: ScrubSettings
  private let privacy: PrivacyReview?
  private let task: RecurringTask
  private let reconciliationInterval = Duration.seconds(86_400)

  /// - Parameter privacy: called for each recording that is verified.
  package init(verifier: Verifier, settings: ScrubSettings, privacy: PrivacyReview? = nil) {
    self.verifier = verifier
    reconciliation = Reconciliation(verifier: verifier)
    self.settings = settings
    self.privacy = privacy
    task = RecurringTask(
      key: .verification, catalog: verifier.catalog, system: verifier.system, logger: verifier.logger,
      failure: "the archive cannot be verified; it is tried again later", interval: .seconds(3600))
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await task.run(startsEarly: true) { row, isFirst throws(TapedeckError) in
        try await perform(row, isFirst: &isFirst)
      }
    }
  }

  private func perform(_ row: TaskRow, isFirst: inout Bool) async throws(TapedeckError) {
    let reconciledAt = Int64(row.state).map(Instant.init(milliseconds:))
    if isFirst || reconciledAt?.isWithin(reconciliationInterval, before: verifier.system.now()) != true {
      try await task.renewingLease(row) { () async throws(TapedeckError) in try await reconcile(row) }
      // Even if the rest of the run fails and is retried: comparing all names every few minutes is too much work.
      isFirst = false
    }
    try await task.renewingLease(row) { () async throws(TapedeckError) in
      _ = try await verifier.scrub(within: task.interval, settings) { key in await privacy?.review(key) }
    }
  }

  private func reconcile(_ row: TaskRow) async throws(TapedeckError) {
    let begin = verifier.system.now()
    let report = try await reconciliation.run()
    try await verifier.resume()
    // With young objects left the comparison is repeated in the next run.
    try await verifier.catalog.recordState(report.young == 0 ? "\(begin.milliseconds)" : "{}", of: row.lease)
  }
}

extension Verifier {
  /// Verifies again what is marked as damaged and has no unfinished job: what a crashed process left, and repairs that
  /// failed for a reason that may have passed.
  ///
  /// - Throws: `storageFailed`, `catalogFailed`, `interrupted`.
  package func resume() async throws(TapedeckError) {
    var last: Int64 = 0
    while true {
      let page = try await catalog.damagedRecordings(after: last, limit: 64)
      for (recording, failure) in page where failure?.remedy != .newRequest {
        try await note([try await verify(recording.key, .repair())])
      }
      guard let end = page.last else { return }
      last = end.recording.id
    }
  }
}
