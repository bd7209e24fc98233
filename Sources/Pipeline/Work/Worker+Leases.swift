import Catalog
import Logging
import Model
import Synchronization

/// Renews a worker's leases, stops work whose lease is lost, and removes spool files of jobs that ended elsewhere.
extension Worker {
  // MARK: Leases

  func renewLeases() async {
    var seen = try? await ingest.catalog.correctDueTimes(since: nil)
    var heartbeats = 0
    while true {
      let uptime = ingest.system.uptime()
      let untilFirstEnd = held.firstEnd.map { max(.milliseconds(1), $0 - uptime) } ?? limits.heartbeat
      guard (try? await ingest.system.sleep(min(limits.heartbeat, untilFirstEnd))) != nil else { return }
      heartbeats += 1
      seen = await withTaskGroup(of: Instant?.self) { [seen, checksSpooled = heartbeats.isMultiple(of: 6)] group in
        group.addTask { await sendHeartbeat(since: seen, checksSpooled: checksSpooled) }
        // Concurrently, because a heartbeat may wait long for an unavailable database.
        group.addTask {
          await loseUnsafeLeases()
          return seen
        }
        let first = await group.next() ?? seen
        group.cancelAll()
        return first
      }
    }
  }

  /// - Parameters:
  ///   - seen: the database's time at the last heartbeat.
  ///   - checksSpooled: whether to check jobs that have files in the spool and are not being worked on.
  /// - Returns: the database's time now, or `seen` when it did not answer.
  private func sendHeartbeat(since seen: Instant?, checksSpooled: Bool) async -> Instant? {
    let leases = held.all
    let sent = ingest.system.uptime()
    do throws(TapedeckError) {
      let time = try await ingest.catalog.correctDueTimes(since: seen, lease: limits.lease)
      // Before other leases are reclaimed: leases that expired while the catalog was unavailable may still be in use
      // here.
      if !leases.isEmpty {
        for lease in try await ingest.catalog.heartbeat(leases, lease: limits.lease) { held.remove(lease) }
        held.renew(leases, safeUntil: sent + limits.safe)
      }
      try await ingest.catalog.reclaimJobs(everyLease: false)
      // Jobs that ended while the connection to the database was lost sent no notification.
      if checksSpooled { for id in spooled.all { await clearIfEnded(id) } }
      return time
    } catch {
      // The claim loop reports this.
      return seen
    }
  }

  private func loseUnsafeLeases() async {
    repeat {
      let count = held.loseUnsafe(uptime: ingest.system.uptime())
      if count > 0 {
        ingest.logger.error(
          "leases could not be renewed in time; the work on their jobs is stopped", metadata: ["jobs": "\(count)"])
      }
      let end = held.firstEnd.map { max(.milliseconds(1), $0 - ingest.system.uptime()) }
      guard (try? await ingest.system.sleep(end ?? limits.lease)) != nil else { return }
    } while !Task.isCancelled
  }

  // MARK: Jobs that ended elsewhere

  /// Removes this machine's spool files of jobs that were cancelled or that another node finished.
  func clearEndedJobs() async {
    // Before the first query, so that no change after it is missed.
    let changes = ingest.catalog.changes()
    spooled.insert(contentsOf: (try? await ingest.spool.jobs()) ?? [])
    for await change in changes {
      if case .job(let id) = change, spooled.contains(id) { await clearIfEnded(id) }
    }
  }

  func clearIfEnded(_ id: Int64) async {
    guard let job = try? await ingest.catalog.job(id) else { return }
    guard [.cancelled, .failed, .done].contains(job.runState) else { return }
    spooled.remove(id)
    try? await ingest.spool.clear(JobLease(jobID: id, fence: job.fence))
  }
}

/// The jobs that no worker holds and that may have files in this machine's spool.
final class SpooledJobs: Sendable {
  private let ids = Mutex<Set<Int64>>([])

  var all: Set<Int64> { ids.withLock { $0 } }
  func contains(_ id: Int64) -> Bool { ids.withLock { $0.contains(id) } }
  func insert(_ id: Int64) { ids.withLock { _ = $0.insert(id) } }
  func insert(contentsOf more: Set<Int64>) { ids.withLock { $0.formUnion(more) } }
  func remove(_ id: Int64) { ids.withLock { _ = $0.remove(id) } }
}
