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
    package var lease: Duration
    package var heartbeat: Duration

    package init(
      polling: Int = 8, moving: Int = 8, lease: Duration = .seconds(30), heartbeat: Duration = .seconds(10)
    ) {
      self.polling = polling
      self.moving = moving
      self.lease = lease
      self.heartbeat = heartbeat
    }
  }

  private let ingest: Ingest
  private let limits: Limits
  private let held = Held()

  package init(ingest: Ingest, limits: Limits = Limits()) {
    self.ingest = ingest
    self.limits = limits
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await withDiscardingTaskGroup { group in
        group.addTask { await keepLeases() }
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
        var pause = await pauseUntilNext(in: lane)
        while pause == .zero, running.count < places, !Task.isCancelled, let job = await claim(in: lane) {
          running.begin()
          group.addTask {
            await work(on: job)
            running.end()
            bell.yield()
          }
          pause = await pauseUntilNext(in: lane)
        }
        guard pause > .zero || running.count < places else { continue }
        // Unstructured, so that one alarm replaces the other; it ends by itself, and holds nothing.
        alarm = Task {
          if (try? await ingest.surroundings.sleep(max(pause, .milliseconds(100)))) != nil { bell.yield() }
        }
      }
      alarm?.cancel()
      group.cancelAll()
    }
  }

  private func claim(in lane: Lane) async -> JobRow? {
    do {
      return try await ingest.catalog.claimJob(in: lane, lease: limits.lease)
    } catch {
      ingest.logger.error("cannot claim a job", metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
      return nil
    }
  }

  /// How long nothing falls due, zero when something is; looked at again at least every 30 s, for the sake of lost
  /// wake-ups. A read, so that an idle lane costs no write.
  private func pauseUntilNext(in lane: Lane) async -> Duration {
    guard let due = try? await ingest.catalog.nextDue(in: lane) else { return .seconds(30) }
    return min(max(due - ingest.surroundings.now(), .zero), .seconds(30))
  }

  // MARK: Working

  private func work(on job: JobRow) async {
    let lease = JobLease(jobID: job.id, fence: job.fence)
    held.insert(lease)
    defer { held.remove(lease) }
    do throws(TapedeckError) {
      guard let release = await attempt(job) else { return IngestMetrics.recordEnd("ready") }
      // Before the job is let go: from then on its spool may be another claim's.
      if case .giveUp = release { try await ingest.spool.clear(lease) }
      try await ingest.catalog.release(lease, release)
    } catch {
      if error.code != .leaseLost {
        ingest.logger.error(
          "cannot let a job go; its lease will lapse",
          metadata: ["recording": "\(job.key)", "error": "\(error)", "detail": "\(error.detail ?? "")"])
      }
    }
  }

  private func attempt(_ job: JobRow) async -> JobRelease? {
    // Counted at the claim: a job that takes its worker down each time must end too.
    guard job.attempts <= ingest.settings.retry.attempts else {
      return giveUp(
        job,
        with:
          TapedeckError(
            .internalError, "The program ended \(job.attempts) times while it worked on this recording. See the log."))
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
    let now = ingest.surroundings.now()
    let delay = ingest.settings.retry.delay(attempt: job.attempts - 1, random: ingest.surroundings.random())
    switch (error.code, error.code.remedy) {
    case (.leaseLost, _):
      // Another claim is alive in the spool though this one has the row: at once it would be so again.
      return .postpone(until: now + .seconds(1), because: error)
    case (.platformRateLimited, _), (.diskFull, _):
      report(error, of: job)
      let pause = max(error.retryAfter ?? .seconds(error.code == .diskFull ? 15 : 1), delay)
      return .postpone(until: now + pause, because: error)
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

  private func report(_ error: TapedeckError, of job: JobRow) {
    ingest.logger.log(
      level: level(error.code.severity), "a recording could not be brought on",
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

  // MARK: Leases

  private func keepLeases() async {
    while (try? await ingest.surroundings.sleep(limits.heartbeat)) != nil {
      try? await ingest.catalog.heartbeat(held.all, lease: limits.lease)
      _ = try? await ingest.catalog.reclaimJobs(everyLease: false)
    }
  }
}

/// The leases that this process holds.
private final class Held: Sendable {
  private let leases = Mutex<Set<JobLease>>([])

  var all: [JobLease] { leases.withLock { Array($0) } }
  func insert(_ lease: JobLease) { leases.withLock { _ = $0.insert(lease) } }
  func remove(_ lease: JobLease) { leases.withLock { _ = $0.remove(lease) } }
}

/// How many jobs of a lane are being worked on.
private final class Running: Sendable {
  private let number = Mutex(0)

  var count: Int { number.withLock { $0 } }
  func begin() { number.withLock { $0 += 1 } }
  func end() { number.withLock { $0 -= 1 } }
}
