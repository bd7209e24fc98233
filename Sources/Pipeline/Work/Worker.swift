import CXone
import Catalog
import Logging
import Model
import ServiceLifecycle
import Synchronization

/// Claims due jobs and runs them, a limited number at a time in each queue.
package struct Worker: Service {
  /// The numbers of concurrent jobs, and the length of leases.
  package struct Limits: Sendable {
    /// The number of concurrent polls of the platform.
    package var polling: Int
    /// The number of concurrent transfers and conversions; other jobs wait in the catalog.
    package var transfers: Int
    /// How long a job stays with a worker that sends no heartbeat.
    package var lease: Duration

    package init(polling: Int = 8, transfers: Int = 8, lease: Duration = .seconds(30)) {
      self.polling = polling
      self.transfers = transfers
      self.lease = lease
    }

    /// How often leases are renewed and expired leases of others reclaimed.
    package var heartbeat: Duration { lease / 3 }

    /// How long work continues after the last successful heartbeat: it must stop before the lease expires.
    var safe: Duration { lease * 5 / 6 }
  }

  let ingest: Ingest
  let limits: Limits
  let held = HeldLeases()
  let spooled = SpooledJobs()
  /// The pause before a failed catalog call is retried.
  private let catalogRetryInterval: Duration = .seconds(1)
  /// Of other sources, only repairs that need no platform are claimed; other jobs would fail on this node.
  private let sources: [SourceID]

  package init(ingest: Ingest, limits: Limits = Limits()) {
    self.ingest = ingest
    self.limits = limits
    sources = ingest.sources.keys.sorted { $0.rawValue < $1.rawValue }
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await renewLeases() }
        group.addTask { await clearEndedJobs() }
        for queue in JobQueue.allCases { group.addTask { await work(in: queue) } }
      }
    }
  }

  // MARK: Claiming

  private func work(in queue: JobQueue) async {
    let limit = queue == .polling ? limits.polling : limits.transfers
    let wakeUps = WakeUps(system: ingest.system)
    // Each queue has its own: a call of one may succeed after a later one of the other has failed.
    let failures = FailureReporter(of: "claiming jobs of the queue '\(queue.rawValue)'", logger: ingest.logger)
    let running = Running()
    // Before the first query, so that no change after it is missed.
    let changes = ingest.catalog.changes()
    await withDiscardingTaskGroup { group in
      group.addTask {
        for await change in changes where change == .workDue { wakeUps.notify() }
      }
      await wakeUps.run {
        // The end of a running job notifies this loop.
        guard running.count < limit else { return .whenNotified }
        let pause: Duration
        do throws(TapedeckError) {
          pause = try await claimDue(in: queue, limit: limit, running) { job, safeUntil in
            group.addTask {
              await work(on: job, safeUntil: safeUntil)
              running.end()
              wakeUps.notify()
            }
          }
          failures.worked()
        } catch {
          failures.failed(error)
          pause = catalogRetryInterval
        }
        guard pause > .zero || running.count < limit else { return .whenNotified }
        return .within(max(pause, .milliseconds(100)))
      }
      group.cancelAll()
    }
  }

  /// Claims jobs of a queue until none is due or the limit is reached.
  ///
  /// - Returns: the pause until the next query; zero when a job is due but the limit is reached.
  private func claimDue(
    in queue: JobQueue, limit: Int, _ running: Running, begin: (JobRow, Duration) -> Void
  ) async throws(TapedeckError) -> Duration {
    while true {
      let pause = try await pauseUntilNext(in: queue)
      guard pause == .zero, running.count < limit, !Task.isCancelled else { return pause }
      if queue == .transfer, let shortage = await ingest.diskSpace.shortage() {
        // Callers that wait for one of them are informed; requests to the platform continue.
        try await ingest.catalog.postponeTransfers(because: shortage)
        return ingest.diskSpace.checkInterval
      }
      let asked = ingest.system.uptime()
      // Transfers are claimed one by one, so that the nodes that share a catalog share them.
      let count = queue == .transfer ? 1 : limit - running.count
      let jobs = try await ingest.catalog.claimJobs(in: queue, of: sources, lease: limits.lease, limit: count)
      guard !jobs.isEmpty else { return .milliseconds(100) }
      for job in jobs {
        running.begin()
        begin(job, asked + limits.safe)
      }
    }
  }

  /// The time until the next job is due, zero when one is; at most 30 s, in case a notification is lost. A read, so
  /// that an idle queue writes nothing.
  private func pauseUntilNext(in queue: JobQueue) async throws(TapedeckError) -> Duration {
    guard let due = try await ingest.catalog.nextDue(in: queue, of: sources) else { return .seconds(30) }
    return min(max(due - ingest.system.now(), .zero), .seconds(30))
  }

  // MARK: Working

  private func work(on job: JobRow, safeUntil: Duration) async {
    let lease = JobLease(jobID: job.id, fence: job.fence)
    spooled.remove(job.id)
    let loss = held.insert(lease, safeUntil: safeUntil)
    defer { held.remove(lease) }
    guard let release = await attempt(job, unless: loss) else {
      ingest.diskSpace.succeeded()
      return IngestMetrics.recordEnd("ready")
    }
    // Before the release: afterwards another claim may use the spool.
    if case .fail = release { await clearSpool(of: job, lease) }
    if job.stage == .fetching || job.stage == .processing { spooled.insert(job.id) }
    await self.release(job, lease, release)
  }

  /// Releases a job, however long the catalog is unavailable: until the lease expires, no other worker could continue
  /// it.
  private func release(_ job: JobRow, _ lease: JobLease, _ outcome: JobRelease) async {
    let failures = FailureReporter(of: "releasing \(job.key)", logger: ingest.logger)
    while true {
      do throws(TapedeckError) {
        try await ingest.catalog.release(lease, outcome)
        return failures.worked()
      } catch {
        if error.code == .leaseLost { return await clearIfEnded(job.id) }
        failures.failed(error)
      }
      // Cancelled: the next start frees every job.
      do { try await ingest.system.sleep(catalogRetryInterval) } catch { return }
    }
  }

  private func clearSpool(of job: JobRow, _ lease: JobLease) async {
    do throws(TapedeckError) { try await ingest.spool.clear(lease) } catch {
      ingest.logger.warning(
        "spool files of a job cannot be removed; the next start tries again",
        metadata: ["recording": "\(job.key)", "detail": "\(error.detail ?? "")"])
    }
  }

  /// Works on a job until it must be released. Stops when its lease is lost.
  private func attempt(_ job: JobRow, unless loss: AsyncStream<Void>) async -> JobRelease? {
    await withTaskGroup(of: Attempt.self) { group in
      group.addTask {
        .over(
          await Requester.$current.withValue(job.requestedBy) {
            await Priority.$current.withValue(job.priority) { await attempt(job) }
          })
      }
      group.addTask {
        for await _ in loss {}
        return .lost
      }
      while true {
        switch await group.next() {
        case .over(let release):
          group.cancelAll()
          return release
        case .lost: group.cancelAll()
        case nil: return .interrupted
        }
      }
    }
  }

  private enum Attempt: Sendable {
    case over(JobRelease?)
    case lost
  }

  private func attempt(_ job: JobRow) async -> JobRelease? {
    // A job that crashes its worker each time must not be claimed forever.
    guard job.workerDeaths < ingest.settings.retry.workerDeaths else {
      return fail(
        job,
        with:
          TapedeckError(
            .internalError,
            "The program ended \(job.workerDeaths) times while it worked on this recording. See the log."))
    }
    do throws(TapedeckError) {
      return try await ingest.run(job)
    } catch {
      return end(job, with: error)
    }
  }

  /// How to release a job whose attempt failed.
  private func end(_ job: JobRow, with error: TapedeckError) -> JobRelease {
    if Task.isCancelled || error.code == .interrupted { return .interrupted }
    let now = ingest.system.now()
    let delay = ingest.settings.retry.delay(attempt: job.attempts - 1, random: ingest.system.random())
    let hasAttempts = job.attempts < ingest.settings.retry.attempts
    switch (error.code, error.code.remedy) {
    case (.leaseLost, _):
      // An earlier claim still has the spool file locked, so an immediate retry would fail too.
      return .postpone(until: now + .seconds(1), because: error)
    case (.diskFull, _):
      ingest.diskSpace.failed(with: error)
      report(error, of: job, level: .debug)
      return .postpone(until: now + ingest.diskSpace.retryInterval, because: error)
    case (.platformRateLimited, _):
      report(error, of: job)
      return .postpone(until: now + max(error.retryAfter ?? .seconds(1), delay), because: error)
    case (.retryBudgetSpent, _):
      let pause = (error.retryAfter ?? .seconds(60)) * (0.5 + ingest.system.random())
      // The failure that is being retried is more useful than the reason for the wait.
      return .postpone(until: now + pause, because: job.failure?.error ?? error)
    // A token that was just issued and is refused may be followed by one that is accepted.
    case (.platformCredentialsRefused, _) where error.isTokenRefusal && hasAttempts, (_, .retry) where hasAttempts:
      report(error, of: job)
      return .retry(at: now + max(delay, error.retryAfter ?? .zero), because: error)
    default: return fail(job, with: error)
    }
  }

  private func fail(_ job: JobRow, with error: TapedeckError) -> JobRelease {
    report(error, of: job)
    IngestMetrics.recordEnd(error.code.rawValue)
    return .fail(error)
  }

  private func report(_ error: TapedeckError, of job: JobRow, level: Logger.Level? = nil) {
    ingest.logger.log(
      level: level ?? self.level(error.code.severity), "a recording could not be processed",
      metadata: [
        "recording": "\(job.key)", "stage": "\(job.stage)", "code": "\(error.code.rawValue)",
        "reason": "\(error.message)", "detail": "\(error.detail ?? "")", "attempt": "\(job.attempts)",
      ])
  }

  private func level(_ severity: TapedeckError.Severity) -> Logger.Level {
    switch severity {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    case .critical: .critical
    }
  }
}

/// The number of running jobs of a queue.
private final class Running: Sendable {
  private let number = Mutex(0)

  var count: Int { number.withLock { $0 } }
  func begin() { number.withLock { $0 += 1 } }
  func end() { number.withLock { $0 -= 1 } }
}
