package import Model

/// How workers claim jobs.
extension Catalog {
  /// Claims due jobs of a queue in one transaction, each with a new fence and a lease, and counts an attempt of each.
  ///
  /// Jobs are ordered by due time; a backfill job counts as due later by `orderingDelay`. So fresh calls come first,
  /// and neither priority starves. Of the fresh jobs, one of the requester with the fewest leased jobs comes first, so
  /// that a requester with thousands of jobs does not delay others. The result is that of `limit` successive claims of
  /// one job each.
  ///
  /// - Parameters:
  ///   - sources: only jobs of these sources, and repairs of other sources that need no platform; nil for all.
  ///   - limit: the largest number of jobs.
  package func claimJobs(
    in queue: JobQueue, of sources: [SourceID]? = nil, lease: Duration, limit: Int
  ) async throws(TapedeckError) -> [JobRow] {
    try await database.write(.readCommitted) { db in
      let leased = try db.leasedJobs(in: queue, of: sources, limit: limit)
      let ids = try db.candidates(in: queue, of: sources, leased.map(\.requester), limit: limit)
        .inTurn(leased, limit: limit)
      if ids.isEmpty { return [] }
      let rows = try db.rows(
        """
        UPDATE job SET run_state = \(RunState.leased), lease_until = tapedeck_now_ms() + \(lease.milliseconds),
          fence = fence + 1, attempts = attempts + 1
        WHERE id IN \(SQL.list(ids)) RETURNING *
        """)
      let jobs = Dictionary(uniqueKeysWithValues: try db.jobs(rows).map { ($0.id, $0) })
      for id in ids { db.notify(.job(id)) }
      return ids.compactMap { jobs[$0] }
    }
  }

  /// When the next job of a queue becomes due; nil when no job has a due time. `sources` is as in `claimJobs`.
  package func nextDue(in queue: JobQueue, of sources: [SourceID]? = nil) async throws(TapedeckError) -> Instant? {
    try await database.read { db in
      var union: SQL = ""
      for priority in Priority.allCases {
        if priority != Priority.allCases.first { union += " UNION ALL " }
        union += due(in: queue, priority, isOf(sources, in: queue), limit: 1)
      }
      return try db.row("SELECT min(due_at) AS due_at FROM (\(union)) due")?.optionalInstant("due_at")
    }
  }
}

/// The jobs of a priority that have been due the longest.
///
/// Each priority, and each requester, has its own query that reads one part of an index; one query over all would sort
/// every due job.
private func due(
  in queue: JobQueue, _ priority: Priority, _ condition: SQL, limit: Int, _ locking: SQL = ""
) -> SQL {
  // In a subquery, since PostgreSQL does not lock rows in the branches of a union.
  """
  SELECT * FROM (
    SELECT id, due_at, priority, requested_by FROM job
    WHERE queue = \(queue) AND priority = \(priority) \(condition) ORDER BY due_at, id LIMIT \(limit) \(locking)) candidate
  """
}

/// A job that begins with the conversion and has downloaded nothing uses the kept original, so any node can run it.
private func isOf(_ sources: [SourceID]?, in queue: JobQueue) -> SQL {
  guard let sources else { return "" }
  var conditions = sources.map { "source = \($0)" as SQL }
  if queue == .transfer {
    // Not NOT EXISTS, for which PostgreSQL may read the whole table.
    conditions.append(
      """
      (stage = \(literal: Stage.processing) AND (SELECT count(*) FROM job_part p WHERE p.job_id = job.id) = 0)
      """)
  }
  return " AND \(SQL.any(conditions))"
}

extension Connection {
  /// The requesters with a fresh job that is due and the numbers of their leased jobs, in the order in which they get
  /// their next job: the one with the fewest leased jobs first, and of these the one whose job has been due the
  /// longest.
  fileprivate func leasedJobs(
    in queue: JobQueue, of sources: [SourceID]?, limit: Int
  ) throws(TapedeckError) -> [(requester: String, count: Int64)] {
    let fresh: SQL = "queue = \(queue) AND priority = \(Priority.fresh)"
    // One lookup in the index for each requester, however many jobs there are.
    let rows = try rows(
      """
      WITH RECURSIVE requester (name) AS (
        SELECT min(requested_by) FROM job WHERE \(fresh)
        UNION ALL
        SELECT (SELECT min(requested_by) FROM job WHERE \(fresh) AND requested_by > requester.name)
        FROM requester WHERE name IS NOT NULL
      ), turn AS (
        SELECT name,
          (SELECT min(due_at) FROM job
            WHERE \(fresh) AND requested_by = name AND due_at <= tapedeck_now_ms() \(isOf(sources, in: queue))) AS due_at,
          (SELECT count(*) FROM job WHERE run_state = \(literal: RunState.leased) AND requested_by = name) AS leased
        FROM requester WHERE name IS NOT NULL
      )
      SELECT name, leased FROM turn WHERE due_at IS NOT NULL ORDER BY leased, due_at, name LIMIT \(limit)
      """)
    var leased: [(requester: String, count: Int64)] = []
    for row in rows { leased.append((try row.text("name"), try row.int("leased"))) }
    return leased
  }

  /// The jobs from which `limit` claims choose, locked: the first jobs of each requester, the first without a
  /// requester, and the first of backfills.
  fileprivate func candidates(
    in queue: JobQueue, of sources: [SourceID]?, _ requesters: [String], limit: Int
  ) throws(TapedeckError) -> ClaimCandidates {
    let isDue: SQL = " AND due_at <= tapedeck_now_ms() \(isOf(sources, in: queue))"
    let locking = dialect.forUpdateSkippingLocked
    var union = due(in: queue, .backfill, isDue, limit: limit, locking)
    union += " UNION ALL "
    union += due(in: queue, .fresh, isDue + " AND requested_by IS NULL", limit: limit, locking)
    for (place, requester) in requesters.enumerated() {
      union += " UNION ALL "
      // Each requester before this one gets a job first.
      union += due(in: queue, .fresh, isDue + " AND requested_by = \(requester)", limit: limit - place, locking)
    }
    var candidates = ClaimCandidates()
    for row in try rows(union) { try candidates.append(row) }
    return candidates
  }
}
