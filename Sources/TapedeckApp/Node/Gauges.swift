import Catalog
import CoreMetrics
import Metrics
import Model
import Pipeline

/// Metrics that are read from the catalog, refreshed for each scrape.
struct Gauges: Sendable {
  let catalog: Catalog
  let diskSpace: DiskSpaceMonitor
  let rateLimits: @Sendable () async throws(TapedeckError) -> [RateLimitStatus]

  func refresh() async {
    await diskSpace.recordMetrics()
    await refreshPlatform()
    if let counts = try? await catalog.jobCounts() {
      // Combinations without jobs must be reset to 0.
      var numbers: [[String]: Int64] = [:]
      for stage in Stage.allCases {
        for state in RunState.allCases { numbers[[stage.rawValue, state.rawValue]] = 0 }
      }
      for entry in counts { numbers[[entry.stage.rawValue, entry.state.rawValue]] = entry.count }
      for (key, count) in numbers {
        Gauge(label: "tapedeck_jobs", dimensions: [("stage", key[0]), ("state", key[1])]).record(count)
      }
    }
    if let count = try? await catalog.damagedCount() { Gauge(label: "tapedeck_damaged_recordings").record(count) }
    if let count = try? await catalog.partialCount() { Gauge(label: "tapedeck_partial_recordings").record(count) }
    await refreshRecurringTasks()
    if let counts = try? await catalog.messageCounts() {
      for state in ["pending", "delivered", "dead"] {
        Gauge(label: "tapedeck_webhook_messages", dimensions: [("state", state)]).record(counts[state] ?? 0)
      }
    }
  }

  private func refreshPlatform() async {
    guard let rateLimits = try? await rateLimits(), let now = try? await catalog.now() else { return }
    for status in rateLimits {
      let source = ("source", status.source.rawValue)
      func record(_ label: String, _ value: Double) { Gauge(label: label, dimensions: [source]).record(value) }
      // As in the settings, 0 means no limit.
      record("tapedeck_platform_rate_configured", status.limits.rate)
      record("tapedeck_platform_rate_effective", status.rate ?? 0)
      record("tapedeck_platform_budget_used_ratio", status.usedFraction ?? 0)
      record("tapedeck_platform_paused_seconds", status.pausedUntil.map { max(0, ($0 - now).inSeconds) } ?? 0)
      record("tapedeck_platform_retry_ratio", status.retryFraction)
    }
  }

  private func refreshRecurringTasks() async {
    guard let tasks = try? await catalog.recurringTasks(), let now = try? await catalog.now() else { return }
    for task in tasks {
      let source = ("source", task.key.source.rawValue)
      if let success = task.lastSuccessAt {
        Gauge(
          label: "tapedeck_task_last_success_timestamp_seconds",
          dimensions: [("task", task.key.name.rawValue), source]
        ).record(success.milliseconds / 1000)
      }
      if task.key.name == .sync, let watermark = SyncState(task.state).watermark {
        Gauge(label: "tapedeck_sync_lag_seconds", dimensions: [source])
          .record((now - Instant(milliseconds: watermark)).inSeconds)
      }
      if task.key.name == .backfill, let backfills = try? await catalog.backfills() {
        let running = backfills.filter { $0.source == task.key.source && $0.state == .running }
        Gauge(label: "tapedeck_backfill_remaining", dimensions: [source])
          .record(running.reduce(Int64(0)) { $0 + ($1.remaining ?? $1.open) })
      }
    }
  }
}
