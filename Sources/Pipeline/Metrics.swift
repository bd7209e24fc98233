import Catalog
import Metrics
import Model

/// The metrics of ingests; `docs/operations.md` lists the names of all metrics.
enum IngestMetrics {
  static let resumes = Counter(label: "tapedeck_download_resumes_total")
  static let archivedBytes = Counter(label: "tapedeck_archived_bytes_total")
  /// Seconds from the platform's first "available" until the recording can be played.
  static let readyDelay = Recorder(label: "tapedeck_ready_delay_seconds")

  static func record(_ time: StepTime) {
    Recorder(label: "tapedeck_step_seconds", dimensions: [("step", time.step.rawValue)])
      .record(time.duration.inSeconds)
  }

  static func recordEnd(_ outcome: String) {
    Counter(label: "tapedeck_jobs_ended_total", dimensions: [("outcome", outcome)]).increment()
  }
}

/// The metrics of discovery.
enum SyncMetrics {
  static func recordQueued(_ count: Int, of source: SourceID, for reason: DiscoveryReason) {
    let name: String
    switch reason {
    case .backfill: name = TaskKey.Name.backfill.rawValue
    case .sync, .lookBack, .check: name = reason.name
    }
    Counter(label: "tapedeck_sync_queued_total", dimensions: [("source", source.rawValue), ("by", name)])
      .increment(by: count)
  }
}

/// The metrics of verification and removal.
enum VerificationMetrics {
  private static let bytes = Counter(label: "tapedeck_verified_bytes_total")

  /// - Parameter outcome: `whole`, `damaged`, `missing` or `unreadable`.
  static func record(_ outcome: String, bytes count: Int64) {
    bytes.increment(by: count)
    Counter(label: "tapedeck_verified_objects_total", dimensions: [("outcome", outcome)]).increment()
  }

  /// Objects that no recording refers to, found by the reconciliation.
  static let orphans = Counter(label: "tapedeck_stray_objects_total")

  /// Objects that were deleted after their last reference was dropped.
  static let removed = Counter(label: "tapedeck_removed_objects_total")
}
