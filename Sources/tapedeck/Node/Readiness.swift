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
    if let count = try? await catalog.damagedCount() { Gauge(label: "tapedeck_damaged_recordings").record(count) }
    if let counts = try? await catalog.messageCounts() {
      for state in ["pending", "delivered", "dead"] {
        Gauge(label: "tapedeck_webhook_messages", dimensions: [("state", state)]).record(counts[state] ?? 0)
      }
    }
  }
}
