package import Catalog
package import Logging
package import Model
import ServiceLifecycle

/// Runs the recurring tasks of sources that are due: sync, look-back and backfill.
///
/// Every node has one; a lease in the catalog lets one node at a time run a task. A task that fails is retried with
/// backoff, and its row has the reason. A shutdown releases the task, and another node resumes it.
package struct Scheduler: Service {
  /// The leases of tasks, and how many jobs of a backfill are open at a time.
  package struct Limits: Sendable {
    package var lease: Duration
    /// The time from the end of a look-back to the next one.
    package var lookBackInterval: Duration
    /// The number of open jobs at which a backfill stops queuing, so that new calls do not wait behind them.
    package var openBackfillJobs: Int64
    /// How long a backfill then waits before it continues; also how often it checks whether its last jobs have ended.
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

  /// - Parameter syncs: whether sync and look-back run; otherwise only backfills do.
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
      let wakeUps = WakeUps(system: system)
      // Before the first query, so that no change after it is missed.
      let changes = catalog.changes()
      await withDiscardingTaskGroup { group in
        group.addTask {
          for await change in changes where change == .taskDue { wakeUps.notify() }
        }
        await wakeUps.run {
          for task in await claimDue() {
            group.addTask {
              await perform(task)
              wakeUps.notify()
            }
          }
          return .within(await pauseUntilNext())
        }
        group.cancelAll()
      }
    }
    // A service that returns ends the whole program.
    try? await gracefulShutdown()
  }

  // MARK: Claiming

  private func claimDue() async -> [TaskRow] {
    do throws(TapedeckError) {
      try await catalog.ensureTasks(try await missingTasks())
      let now = system.now()
      var claimed: [TaskRow] = []
      for task in try await catalog.recurringTasks() where keys.contains(task.key) {
        // A read first, so that an idle scheduler writes nothing.
        guard let free = task.leaseUntil ?? task.dueAt, free <= now else { continue }
        if let row = try await catalog.claimTask(task.key, lease: limits.lease) { claimed.append(row) }
      }
      return claimed
    } catch {
      // A shutdown interrupts the query.
      if error.code == .interrupted { return [] }
      logger.error("cannot query the due tasks", metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
      return []
    }
  }

  private func missingTasks() async throws(TapedeckError) -> [TaskKey] {
    let known = Set(try await catalog.recurringTasks().map(\.key))
    return keys.filter { !known.contains($0) }
  }

  /// The time until the next task is due; at most 30 s, in case a notification is lost.
  private func pauseUntilNext() async -> Duration {
    guard let next = try? await catalog.nextTaskTime(among: keys) else { return .seconds(30) }
    return min(max(next - system.now(), .milliseconds(100)), .seconds(30))
  }

  // MARK: Running

  /// Runs a claimed task and releases it.
  private func perform(_ task: TaskRow) async {
    let outcome: TaskRelease
    do throws(TapedeckError) {
      outcome = .done(
        next: try await renewingLease(task.lease) { () async throws(TapedeckError) in try await act(task) })
    } catch {
      outcome = Task.isCancelled || error.code == .interrupted ? .interrupted : failure(of: task, error)
    }
    await release(task, outcome)
  }

  func release(_ task: TaskRow, _ outcome: TaskRelease) async {
    do throws(TapedeckError) {
      try await catalog.release(task.lease, outcome)
    } catch {
      if error.code != .leaseLost {
        logger.error(
          "cannot release a task; its lease will expire",
          metadata: ["task": "\(task.key.name)", "source": "\(task.key.source)", "error": "\(error)"])
      }
    }
  }

  /// - Returns: the next due time; nil when the task next runs on request.
  private func act(_ task: TaskRow) async throws(TapedeckError) -> Instant? {
    guard let discovery = discoveries[task.key.source] else { return nil }
    switch task.key.name {
    case .sync:
      let startedAt = system.now()
      try await sync(task, discovery)
      return startedAt + discovery.plan.interval
    case .lookBack:
      try await lookBack(task, discovery)
      return system.now() + limits.lookBackInterval
    case .backfill:
      return try await advance(task, discovery)
    case .verification, .removal: return nil  // `Scrubber` and `ObjectRemover` run them.
    }
  }

  func failure(of task: TaskRow, _ error: TapedeckError) -> TaskRelease {
    let delay = limits.retry.delay(attempt: task.failures, random: system.random())
    let next = system.now() + max(delay, error.retryAfter ?? .zero, .seconds(1))
    logger.warning(
      "a task failed and is retried",
      metadata: [
        "task": "\(task.key.name.rawValue)", "source": "\(task.key.source)", "code": "\(error.code.rawValue)",
        "reason": "\(error.message)", "detail": "\(error.detail ?? "")", "next": "\(next.iso8601)",
      ])
    return .failed(next: next, because: error)
  }

  func renewingLease<T: Sendable>(
    _ held: TaskLease, _ body: @escaping @Sendable () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    try await catalog.renewing(held, for: limits.lease, system: system, body)
  }
}
