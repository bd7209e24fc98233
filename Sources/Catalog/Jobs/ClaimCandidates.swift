import Model

/// Due jobs from which claims choose, each kind in the order of due times.
struct ClaimCandidates {
  struct Job: Equatable {
    var id: Int64
    var dueAt: Instant
    var requester: String?
  }

  var backfill: [Job] = []
  /// Fresh jobs; those without a requester are claimed when no requester has any.
  var fresh: [String?: [Job]] = [:]

  mutating func append(_ row: Row) throws(TapedeckError) {
    let job = Job(id: try row.int("id"), dueAt: try row.instant("due_at"), requester: row.optionalText("requested_by"))
    if try row.int("priority") == Priority.fresh.rawValue {
      fresh[job.requester, default: []].append(job)
    } else {
      backfill.append(job)
    }
  }

  /// The IDs of the jobs that consecutive claims take.
  ///
  /// - Parameter leased: the number of leased jobs of each requester.
  func inTurn(_ leased: [(requester: String, count: Int64)], limit: Int) -> [Int64] {
    var leased = Dictionary(leased.map { ($0.requester, $0.count) }) { first, _ in first }
    var fresh = fresh.mapValues { $0[...] }
    var backfill = backfill[...]
    var ids: [Int64] = []
    while ids.count < limit {
      let next = fresh.compactMap { requester, jobs in
        requester.flatMap { name in jobs.first.map { (leased[name, default: 0], $0.dueAt, name) } }
      }.min { $0 < $1 }
      // Nil: only jobs without a requester are left.
      let requester = next?.2
      let job: Job
      let delay = Priority.backfill.orderingDelay
      switch (fresh[requester]?.first, backfill.first) {
      case (let first?, let past?) where (past.dueAt + delay, past.id) < (first.dueAt, first.id):
        job = past
        backfill.removeFirst()
      case (let first?, _):
        job = first
        fresh[requester]?.removeFirst()
      case (nil, let past?):
        job = past
        backfill.removeFirst()
      case (nil, nil): return ids
      }
      ids.append(job.id)
      if let requester = job.requester { leased[requester, default: 0] += 1 }
    }
    return ids
  }
}
