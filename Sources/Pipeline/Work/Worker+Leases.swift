import Catalog
import Logging
import Model
import Synchronization

/// How a worker keeps its leases, notices that one is lost, and leaves nothing of a job that ended elsewhere.
extension Worker {
  // MARK: Leases

  func keepLeases() async {
    var seen = try? await ingest.catalog.catchUp(since: nil)
    var beats = 0
    while true {
      let uptime = ingest.system.uptime()
      let untilFirstEnd = held.firstEnd.map { max(.milliseconds(1), $0 - uptime) } ?? limits.heartbeat
      guard (try? await ingest.system.sleep(min(limits.heartbeat, untilFirstEnd))) != nil else { return }
      beats += 1
      seen = await withTaskGroup(of: Instant?.self) { [seen, looksAtParked = beats.isMultiple(of: 6)] group in
        group.addTask { await giveSignOfLife(since: seen, looksAtParked: looksAtParked) }
        // Beside it, since a database that is gone may leave it without an answer for long.
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
  ///   - seen: the database's time at the last sign of life.
  ///   - looksAtParked: whether it is time to look at the jobs that have something in the spool.
  /// - Returns: its time now, or `seen` when it did not answer.
  private func giveSignOfLife(since seen: Instant?, looksAtParked: Bool) async -> Instant? {
    let leases = held.all
    let sent = ingest.system.uptime()
    do throws(TapedeckError) {
      let time = try await ingest.catalog.catchUp(since: seen, lease: limits.lease)
      // In this order, and not without the first: what lapsed while the catalog was away may be alive here.
      if !leases.isEmpty {
        for lease in try await ingest.catalog.heartbeat(leases, lease: limits.lease) { held.remove(lease) }
        held.prolong(leases, safeUntil: sent + limits.safe)
      }
      try await ingest.catalog.reclaimJobs(everyLease: false)
      // Jobs that ended while the connection to the database was lost sent no notification.
      if looksAtParked { for id in parked.all { await clearIfEnded(id) } }
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
          "leases could not be prolonged in time; the work on their jobs is broken off", metadata: ["jobs": "\(count)"])
      }
      let end = held.firstEnd.map { max(.milliseconds(1), $0 - ingest.system.uptime()) }
      guard (try? await ingest.system.sleep(end ?? limits.lease)) != nil else { return }
    } while !Task.isCancelled
  }

  // MARK: Jobs that ended elsewhere

  /// Removes this machine's spool files of jobs that were cancelled or that another node finished.
  func clearEndedJobs() async {
    // Before the first look, so that no job slips through between the two.
    let changes = ingest.catalog.changes()
    parked.insert(contentsOf: (try? await ingest.spool.jobs()) ?? [])
    for await change in changes {
      if case .job(let id) = change, parked.contains(id) { await clearIfEnded(id) }
    }
  }

  func clearIfEnded(_ id: Int64) async {
    guard let job = try? await ingest.catalog.job(id) else { return }
    guard [.cancelled, .failed, .done].contains(job.runState) else { return }
    parked.remove(id)
    try? await ingest.spool.clear(JobLease(jobID: id, fence: job.fence))
  }
}

/// The jobs that no worker holds and that may have files in this machine's spool.
final class ParkedJobs: Sendable {
  private let ids = Mutex<Set<Int64>>([])

  var all: Set<Int64> { ids.withLock { $0 } }
  func contains(_ id: Int64) -> Bool { ids.withLock { $0.contains(id) } }
  func insert(_ id: Int64) { ids.withLock { _ = $0.insert(id) } }
  func insert(contentsOf more: Set<Int64>) { ids.withLock { $0.formUnion(more) } }
  func remove(_ id: Int64) { ids.withLock { _ = $0.remove(id) } }
}
