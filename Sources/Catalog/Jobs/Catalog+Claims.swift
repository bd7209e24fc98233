package import Model

/// How workers claim jobs.
extension Catalog {
  /// Claims the next due job of a queue, with a new fence and a lease; nil when none is due. Counts an attempt.
  ///
  /// Jobs are ordered by due time; a back-fill job counts as due later by `orderingDelay`. So fresh calls come first,
  /// and neither priority starves. Of the fresh jobs, one of the requester with the fewest leased jobs comes first, so
  /// that a requester with thousands of jobs does not delay others.
  ///
  /// - Parameter sources: only jobs of these sources; nil for all. A node claims no jobs of sources it does not know.
  package func claimJob(
    in queue: JobQueue, of sources: [SourceID]? = nil, lease: Duration
  ) async throws(TapedeckError) -> JobRow? {
    try await database.write(.readCommitted) { db in
      let requester = try db.nextRequester(in: queue, of: sources)
      let due = firstDue(
        in: queue, of: sources, "AND due_at <= tapedeck_now_ms()", freshOf: requester,
        db.dialect.forUpdateSkippingLocked)
      let row = try db.row(
        """
        UPDATE job SET run_state = \(RunState.leased), lease_until = tapedeck_now_ms() + \(lease.milliseconds),
          fence = fence + 1, attempts = attempts + 1
        WHERE id = (
          SELECT id FROM (\(due)) due
          ORDER BY turn, id LIMIT 1)
        RETURNING *
        """)
      guard let row, let job = try db.jobs([row]).first else { return nil }
      db.notify(.job(job.id))
      return job
    }
  }

  /// When the next job of a queue becomes due; nil when no job has a due time. `sources` is as in `claimJob`.
  package func nextDue(in queue: JobQueue, of sources: [SourceID]? = nil) async throws(TapedeckError) -> Instant? {
    try await database.read { db in
      try db.row("SELECT min(due_at) AS due_at FROM (\(firstDue(in: queue, of: sources))) due")?
        .optionalInstant("due_at")
    }
  }
}

/// The job of each priority that has been due for longest, with the time by which a claim orders them.
///
/// Each priority has its own query that reads one index entry; one query over all priorities would sort every due job.
private func firstDue(
  in queue: JobQueue, of sources: [SourceID]?, _ condition: SQL = "", freshOf requester: String? = nil,
  _ locking: SQL = ""
) -> SQL {
  let condition = condition + isOf(sources)
  var union: SQL = ""
  for priority in Priority.allCases {
    var condition = condition
    if priority == .fresh, let requester { condition += " AND requested_by = \(requester)" }
    if priority != Priority.allCases.first { union += " UNION ALL " }
    // In a subquery, since PostgreSQL does not lock rows in the branches of a union.
    union += """
      SELECT * FROM (
        SELECT id, due_at, due_at + \(priority.orderingDelay.milliseconds) AS turn FROM job
        WHERE queue = \(queue) AND priority = \(priority) \(condition) ORDER BY due_at, id LIMIT 1 \(locking)) candidate
      """
  }
  return union
}

private func isOf(_ sources: [SourceID]?) -> SQL {
  sources.map { " AND \(SQL.any($0.map { "source = \($0)" }))" } ?? ""
}

extension Connection {
  /// The requester whose fresh job is claimed next: of those with a job that is due, the one with the fewest leased jobs,
  /// and of these the one whose job has been due for longest. Nil when no requester is known.
  fileprivate func nextRequester(in queue: JobQueue, of sources: [SourceID]?) throws(TapedeckError) -> String? {
    let fresh: SQL = "queue = \(queue) AND priority = \(Priority.fresh)"
    // One look into the index for each requester, however many jobs there are.
    return try row(
      """
      WITH RECURSIVE requester (name) AS (
        SELECT min(requested_by) FROM job WHERE \(fresh)
        UNION ALL
        SELECT (SELECT min(requested_by) FROM job WHERE \(fresh) AND requested_by > requester.name)
        FROM requester WHERE name IS NOT NULL
      ), turn AS (
        SELECT name,
          (SELECT min(due_at) FROM job
            WHERE \(fresh) AND requested_by = name AND due_at <= tapedeck_now_ms() \(isOf(sources))) AS due_at,
          (SELECT count(*) FROM job WHERE run_state = \(literal: RunState.leased) AND requested_by = name) AS leased
        FROM requester WHERE name IS NOT NULL
      )
      SELECT name FROM turn WHERE due_at IS NOT NULL ORDER BY leased, due_at, name LIMIT 1
      """)?.optionalText("name")
  }
}
