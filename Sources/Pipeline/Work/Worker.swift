import Catalog
import Logging
import Model
import ServiceLifecycle
import Synchronization

/// Claims jobs when they are due and has them walked, a bounded number at a time in each lane.
package struct Worker: Service {
  /// How many jobs are worked on at a time, and how leases are kept.
  package struct Limits: Sendable {
    /// Questions to the platform at a time.
    package var polling: Int
    /// Transfers and conversions at a time; the rest waits in the catalog and costs nothing.
    package var moving: Int
    /// How long a job is left to a worker that gives no sign of life.
    package var lease: Duration

    package init(polling: Int = 8, moving: Int = 8, lease: Duration = .seconds(30)) {
      self.polling = polling
      self.moving = moving
      self.lease = lease
    }

    /// How often leases are prolonged, and those of others looked at that lapsed.
    package var heartbeat: Duration { lease / 3 }

    /// Work stops so long after the last sign of life that arrived: early enough to be over when the lease lapses.
    var safe: Duration { lease * 5 / 6 }
  }

  let ingest: Ingest
  let limits: Limits
  let held = HeldLeases()
  let parked = ParkedJobs()
  /// How long to wait before the catalog is tried again.
  private let patience: Duration = .seconds(1)
  private let failures: FailureReporter
  /// Jobs of other sources are left to nodes that know these: here they could only fail.
  private let sources: [SourceID]

  package init(ingest: Ingest, limits: Limits = Limits()) {
    self.ingest = ingest
    self.limits = limits
    failures = FailureReporter(of: "claiming jobs", logger: ingest.logger)
    sources = ingest.sources.keys.sorted { $0.rawValue < $1.rawValue }
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await keepLeases() }
        group.addTask { await clearEndedJobs() }
        for lane in Lane.allCases { group.addTask { await work(in: lane) } }
      }
    }
  }

  // MARK: Claiming

  private func work(in lane: Lane) async {
    let places = lane == .polling ? limits.polling : limits.moving
    let (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let running = Running()
    // Before the first claim, so that a job that comes right after it is heard.
    let changes = ingest.catalog.changes()
    await withDiscardingTaskGroup { group in
      group.addTask {
        for await change in changes where change == .workDue { bell.yield() }
      }
      bell.yield()
      var alarm: Task<Void, Never>?
      for await _ in wakes {
        alarm?.cancel()
        // With all places taken there is nothing to look for: the next one that becomes free rings.
        guard running.count < places else { continue }
        let pause: Duration
        do throws(TapedeckError) {
          pause = try await claimWhatIsDue(in: lane, places: places, running) { job, safeUntil in
            group.addTask {
              await work(on: job, safeUntil: safeUntil)
              running.end()
              bell.yield()
            }
          }
          failures.worked()
        } catch {
          failures.failed(error)
          pause = patience
        }
        guard pause > .zero || running.count < places else { continue }
        // Unstructured, so that one alarm replaces the other; it ends by itself, and holds nothing.
        alarm = Task {
          if (try? await ingest.system.sleep(max(pause, .milliseconds(100)))) != nil { bell.yield() }
        }
      }
      alarm?.cancel()
      group.cancelAll()
    }
  }

  /// Claims jobs of a lane until none is due, or every place is taken.
  ///
  /// - Returns: how long there is nothing to look for; zero when a job is due, but no place is free.
  private func claimWhatIsDue(
    in lane: Lane, places: Int, _ running: Running, begin: (JobRow, Duration) -> Void
  ) async throws(TapedeckError) -> Duration {
    while true {
      let pause = try await pauseUntilNext(in: lane)
      guard pause == .zero, running.count < places, !Task.isCancelled else { return pause }
      if lane == .moving, let shortage = await ingest.diskSpace.shortage() {
        // Callers that wait for one of them are informed; requests to the platform continue.
        try await ingest.catalog.holdTransfers(because: shortage)
        return ingest.diskSpace.checkInterval
      }
      let asked = ingest.system.uptime()
      guard let job = try await ingest.catalog.claimJob(in: lane, of: sources, lease: limits.lease) else {
        return .milliseconds(100)
      }
      running.begin()
      begin(job, asked + limits.safe)
    }
  }

  /// How long nothing falls due, zero when something is; looked at again at least every 30 s, for the sake of lost
  /// wake-ups. A read, so that an idle lane costs no write.
  private func pauseUntilNext(in lane: Lane) async throws(TapedeckError) -> Duration {
    guard let due = try await ingest.catalog.nextDue(in: lane, of: sources) else { return .seconds(30) }
    return min(max(due - ingest.system.now(), .zero), .seconds(30))
  }

  // MARK: Working

  private func work(on job: JobRow, safeUntil: Duration) async {
    let lease = JobLease(jobID: job.id, fence: job.fence)
    parked.remove(job.id)
    let loss = held.insert(lease, safeUntil: safeUntil)
    defer { held.remove(lease) }
    guard let release = await attempt(job, unless: loss) else {
      ingest.diskSpace.succeeded()
      return IngestMetrics.recordEnd("ready")
    }
    // Before the job is let go: from then on its spool may be another claim's.
    if case .giveUp = release { await clearSpool(of: job, lease) }
    if job.stage == .fetching || job.stage == .processing { parked.insert(job.id) }
    await self.release(job, lease, release)
  }

  /// Releases a job, however long the catalog is unavailable: until the lease expires, no other worker could continue it.
  private func release(_ job: JobRow, _ lease: JobLease, _ outcome: JobRelease) async {
    let failures = FailureReporter(of: "letting go of \(job.key)", logger: ingest.logger)
    while true {
      do throws(TapedeckError) {
        try await ingest.catalog.release(lease, outcome)
        return failures.worked()
      } catch {
        if error.code == .leaseLost { return await clearIfEnded(job.id) }
        failures.failed(error)
      }
      // Cancelled: the next start frees every job.
      do { try await ingest.system.sleep(patience) } catch { return }
    }
  }

  private func clearSpool(of job: JobRow, _ lease: JobLease) async {
    do throws(TapedeckError) { try await ingest.spool.clear(lease) } catch {
      ingest.logger.warning(
        "what a job left in the spool cannot be removed; the next start tries again",
        metadata: ["recording": "\(job.key)", "detail": "\(error.detail ?? "")"])
    }
  }

  /// Works on a job until it has to be let go, or its lease is lost: then the work is broken off.
  private func attempt(_ job: JobRow, unless loss: AsyncStream<Void>) async -> JobRelease? {
    await withTaskGroup(of: Attempt.self) { group in
      group.addTask { .over(await Priority.$current.withValue(job.priority) { await attempt(job) }) }
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
    // A job that takes its worker down each time must end too.
    guard job.workerDeaths < ingest.settings.retry.workerDeaths else {
      return giveUp(
        job,
        with:
          TapedeckError(
            .internalError,
            "The program ended \(job.workerDeaths) times while it worked on this recording. See the log."))
    }
    do throws(TapedeckError) {
      return try await ingest.walk(job)
    } catch {
      return end(job, with: error)
    }
  }

  /// What becomes of a job whose attempt failed.
  private func end(_ job: JobRow, with error: TapedeckError) -> JobRelease {
    if Task.isCancelled || error.code == .interrupted { return .interrupted }
    let now = ingest.system.now()
    let delay = ingest.settings.retry.delay(attempt: job.attempts - 1, random: ingest.system.random())
    switch (error.code, error.code.remedy) {
    case (.leaseLost, _):
      // Another claim is alive in the spool though this one has the row: at once it would be so again.
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
      // What it is tried again after says more than that it has to wait.
      return .postpone(until: now + pause, because: job.failure?.error ?? error)
    case (_, .retry) where job.attempts < ingest.settings.retry.attempts:
      report(error, of: job)
      return .retry(at: now + max(delay, error.retryAfter ?? .zero), because: error)
    default: return giveUp(job, with: error)
    }
  }

  private func giveUp(_ job: JobRow, with error: TapedeckError) -> JobRelease {
    report(error, of: job)
    IngestMetrics.recordEnd(error.code.rawValue)
    return .giveUp(error)
  }

  private func report(_ error: TapedeckError, of job: JobRow, level: Logger.Level? = nil) {
    ingest.logger.log(
      level: level ?? self.level(error.code.severity), "a recording could not be brought on",
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

/// How many jobs of a lane are being worked on.
private final class Running: Sendable {
  private let number = Mutex(0)

  var count: Int { number.withLock { $0 } }
  func begin() { number.withLock { $0 += 1 } }
  func end() { number.withLock { $0 -= 1 } }
}
