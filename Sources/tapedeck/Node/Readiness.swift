import Catalog
import CoreMetrics
import Metrics
import Model
import Pipeline

/// What keeps a node from doing its work.
struct Readiness: Sendable {
  let catalog: Catalog
  let admission: Admission

  func problems() async -> [String] {
    var problems: [String] = []
    do { _ = try await catalog.hasAccounts() } catch { problems.append("The catalog cannot be read.") }
    for (disk, free) in await admission.look() {
      guard let free else {
        problems.append("The disk that holds the \(disk.holds) cannot be looked at.")
        continue
      }
      if free < admission.minimumFreeBytes {
        problems.append(
          "The disk that holds the \(disk.holds) is nearly full: new downloads wait until there is space.")
      }
    }
    if problems.isEmpty, await admission.shortage() != nil {
      problems.append("A disk was found full: new downloads wait until there is space.")
    }
    return problems
  }
}

/// What is counted in the catalog rather than as it happens; refreshed when somebody looks.
struct Gauges: Sendable {
  let catalog: Catalog
  let admission: Admission
  let standings: @Sendable () async throws(TapedeckError) -> [SourceStanding]

  func refresh() async {
    await admission.recordMetrics()
    await refreshPlatform()
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
    if let count = try? await catalog.damagedCount() { Gauge(label: "tapedeck_damaged_recordings").record(count) }
    await refreshDuties()
    if let counts = try? await catalog.messageCounts() {
      for state in ["pending", "delivered", "dead"] {
        Gauge(label: "tapedeck_webhook_messages", dimensions: [("state", state)]).record(counts[state] ?? 0)
      }
    }
  }

  private func refreshPlatform() async {
    guard let standings = try? await standings(), let now = try? await catalog.now() else { return }
    for standing in standings {
      let source = ("source", standing.source.rawValue)
      func record(_ label: String, _ value: Double) { Gauge(label: label, dimensions: [source]).record(value) }
      // No limit is written as 0, as in the settings.
      record("tapedeck_platform_rate_configured", standing.limits.rate)
      record("tapedeck_platform_rate_effective", standing.rate ?? 0)
      record("tapedeck_platform_budget_used_ratio", standing.usedPart ?? 0)
      record("tapedeck_platform_paused_seconds", standing.pausedUntil.map { max(0, ($0 - now).inSeconds) } ?? 0)
      record("tapedeck_platform_retry_ratio", standing.retryPart)
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
