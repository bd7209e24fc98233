import Catalog
import CoreMetrics
import Metrics
import Model
import Pipeline

/// What keeps a node from doing its work.
struct Readiness: Sendable {
  let catalog: Catalog
  let spool: Spool
  let settings: Settings

  func problems() async -> [String] {
    var problems: [String] = []
    do { _ = try await catalog.hasAccounts() } catch { problems.append("The catalog cannot be read.") }
    do {
      if try await spool.freeBytes() < settings.ingest.minimumFreeBytes {
        problems.append("The disk is nearly full: new downloads wait until there is space.")
      }
    } catch { problems.append("The disk cannot be looked at.") }
    return problems
  }
}

/// What is counted in the catalog rather than as it happens; refreshed when somebody looks.
struct Gauges: Sendable {
  let catalog: Catalog

  func refresh() async {
    if let counts = try? await catalog.jobCounts() {
      // States that are empty now must not keep their last figure.
      var numbers: [[String]: Int64] = [:]
      for stage in Stage.allCases {
        for state in RunState.allCases { numbers[[stage.rawValue, state.rawValue]] = 0 }
      }
      for entry in counts { numbers[[entry.stage.rawValue, entry.state.rawValue]] = entry.count }
      for (key, count) in numbers {
        Gauge(label: "tapedeck_jobs", dimensions: [("stage", key[0]), ("state", key[1])]).record(count)
      }
    }
    await refreshDuties()
    if let counts = try? await catalog.messageCounts() {
      for state in ["pending", "delivered", "dead"] {
        Gauge(label: "tapedeck_webhook_messages", dimensions: [("state", state)]).record(counts[state] ?? 0)
      }
    }
  }

  private func refreshDuties() async {
    guard let duties = try? await catalog.duties(), let now = try? await catalog.now() else { return }
    for duty in duties {
      let source = ("source", duty.key.source.rawValue)
      if let success = duty.lastSuccessAt {
        Gauge(
          label: "tapedeck_duty_last_success_timestamp_seconds",
          dimensions: [("duty", duty.key.name.rawValue), source]
        ).record(success.milliseconds / 1000)
      }
      if duty.key.name == .sync, let watermark = SyncState(duty.state).watermark {
        Gauge(label: "tapedeck_sync_lag_seconds", dimensions: [source])
          .record((now - Instant(milliseconds: watermark)).inSeconds)
      }
      if duty.key.name == .backfill, let backfills = try? await catalog.backfills() {
        let running = backfills.filter { $0.source == duty.key.source && $0.state == .running }
        Gauge(label: "tapedeck_backfill_remaining", dimensions: [source])
          .record(running.reduce(Int64(0)) { $0 + ($1.remaining ?? $1.open) })
      }
    }
  }
}
