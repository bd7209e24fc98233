package import Catalog
package import Logging
package import Model
import ServiceLifecycle

/// Does the duties that are due: looks for new calls, looks through the last days again, brings back-fills on.
///
/// Runs in every node that works; the catalog gives each duty to one of them at a time. A duty that fails is tried
/// again with backoff, and its row says why. At a shutdown it is handed back, and goes on elsewhere where it was.
package struct Scheduler: Service {
  /// How leases are kept, and how much of a back-fill is under way at a time.
  package struct Limits: Sendable {
    package var lease: Duration
    /// How long after a look back the next one begins.
    package var lookBackInterval: Duration
    /// A back-fill queues nothing while as many of its jobs are open, so that fresh calls do not stand behind them.
    package var openBackfillJobs: Int64
    /// How long a back-fill waits then, or for the last of its jobs to end.
    package var backfillPause: Duration
    package var retry: RetrySchedule

    package init(
      lease: Duration = .seconds(30), lookBackInterval: Duration = .seconds(3600), openBackfillJobs: Int64 = 500,
      backfillPause: Duration = .seconds(5),
      retry: RetrySchedule = RetrySchedule(base: .seconds(5), cap: .seconds(900))
    ) {
      self.lease = lease
      self.lookBackInterval = lookBackInterval
      self.openBackfillJobs = openBackfillJobs
      self.backfillPause = backfillPause
      self.retry = retry
    }
  }

  let catalog: Catalog
  let discoveries: [SourceID: Discovery]
  let limits: Limits
  let system: SystemServices
  let logger: Logger
  private let keys: [TaskKey]

  /// - Parameter syncs: whether new calls are looked for at all; without, there are back-fills alone.
  package init(
    catalog: Catalog, discoveries: [Discovery], syncs: Bool, limits: Limits = Limits(), system: SystemServices,
    logger: Logger
  ) {
    self.catalog = catalog
    self.discoveries = Dictionary(discoveries.map { ($0.plan.source, $0) }) { first, _ in first }
    self.limits = limits
    self.system = system
    self.logger = logger
    let names: [TaskKey.Name] = syncs ? [.sync, .lookBack, .backfill] : [.backfill]
    keys = discoveries.flatMap { discovery in names.map { TaskKey($0, of: discovery.plan.source) } }
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      let (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
      // Before the first look, so that what is asked for right after it is heard.
      let changes = catalog.changes()
      await withDiscardingTaskGroup { group in
        group.addTask {
          for await change in changes where change == .dutyDue { bell.yield() }
        }
        bell.yield()
        var alarm: Task<Void, Never>?
        for await _ in wakes {
          alarm?.cancel()
          for duty in await claimDue() {
            group.addTask {
              await perform(duty)
              bell.yield()
            }
          }
          let pause = await pauseUntilNext()
          // Unstructured, so that one alarm replaces the other; it ends by itself, and holds nothing.
          alarm = Task {
            if (try? await system.sleep(pause)) != nil { bell.yield() }
          }
        }
        alarm?.cancel()
        group.cancelAll()
      }
    }
    // A service that returns takes the whole program down.
    try? await gracefulShutdown()
  }

  // MARK: Claiming

  private func claimDue() async -> [TaskRow] {
    do throws(TapedeckError) {
      try await catalog.ensureDuties(try await missingDuties())
      let now = system.now()
      var claimed: [TaskRow] = []
      for duty in try await catalog.duties() where keys.contains(duty.key) {
        // A look at the row first, so that an idle scheduler writes nothing.
        guard let free = duty.leaseUntil ?? duty.dueAt, free <= now else { continue }
        if let row = try await catalog.claimDuty(duty.key, lease: limits.lease) { claimed.append(row) }
      }
      return claimed
    } catch {
      logger.error("cannot look for duties", metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
      return []
    }
  }

  private func missingDuties() async throws(TapedeckError) -> [TaskKey] {
    let known = Set(try await catalog.duties().map(\.key))
    return keys.filter { !known.contains($0) }
  }

  /// How long nothing falls due; looked at again at least every 30 s, for the sake of lost wake-ups.
  private func pauseUntilNext() async -> Duration {
    guard let next = try? await catalog.nextDuty(among: keys) else { return .seconds(30) }
    return min(max(next - system.now(), .milliseconds(100)), .seconds(30))
  }

  // MARK: Doing

  /// Does a claimed duty and lets it go.
  private func perform(_ duty: TaskRow) async {
    let outcome: TaskRelease
    do throws(TapedeckError) {
      outcome = .done(
        next: try await keepingLease(duty.lease) { () async throws(TapedeckError) in try await act(duty) })
    } catch {
      outcome = Task.isCancelled || error.code == .interrupted ? .interrupted : failure(of: duty, error)
    }
    await release(duty, outcome)
  }

  func release(_ duty: TaskRow, _ outcome: TaskRelease) async {
    do throws(TapedeckError) {
      try await catalog.release(duty.lease, outcome)
    } catch {
      if error.code != .leaseLost {
        logger.error(
          "cannot let a duty go; its lease will lapse",
          metadata: ["duty": "\(duty.key.name)", "source": "\(duty.key.source)", "error": "\(error)"])
      }
    }
  }

  /// - Returns: when it runs next; nil for when it is requested.
  private func act(_ duty: TaskRow) async throws(TapedeckError) -> Instant? {
    guard let discovery = discoveries[duty.key.source] else { return nil }
    switch duty.key.name {
    case .sync:
      let startedAt = system.now()
      try await sync(duty, discovery)
      return startedAt + discovery.plan.interval
    case .lookBack:
      try await lookBack(duty, discovery)
      return system.now() + limits.lookBackInterval
    case .backfill:
      return try await advance(duty, discovery)
    case .verification, .removal: return nil  // `Scrubber` and `ObjectRemover` run them.
    }
  }

  func failure(of duty: TaskRow, _ error: TapedeckError) -> TaskRelease {
    let delay = limits.retry.delay(attempt: duty.failures, random: system.random())
    let next = system.now() + max(delay, error.retryAfter ?? .zero, .seconds(1))
    logger.warning(
      "a duty failed and is tried again",
      metadata: [
        "duty": "\(duty.key.name.rawValue)", "source": "\(duty.key.source)", "code": "\(error.code.rawValue)",
        "reason": "\(error.message)", "detail": "\(error.detail ?? "")", "next": "\(next.iso8601)",
      ])
    return .failed(next: next, because: error)
  }

  func keepingLease<T: Sendable>(
    _ held: TaskLease, _ body: @escaping @Sendable () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    try await catalog.keeping(held, for: limits.lease, system: system, body)
  }
}
