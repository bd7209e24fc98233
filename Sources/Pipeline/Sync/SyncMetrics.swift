import Catalog
import Metrics
import Model

/// What discovery counts; the names are listed in `docs/operations.md`.
enum SyncMetrics {
  static func recordQueued(_ count: Int, of source: SourceID, for reason: DiscoveryReason) {
    let word: String
    switch reason {
    case .backfill: word = TaskKey.Name.backfill.rawValue
    case .sync, .lookBack, .check: word = reason.name
    }
    Counter(label: "tapedeck_sync_queued_total", dimensions: [("source", source.rawValue), ("by", word)])
      .increment(by: count)
  }
}
