package import Model

/// Claims of workers and the writes under their leases.
extension Catalog {
  /// Claims the next due job of a lane, with a new fence and a lease; nil when none is due. Counts an attempt.
  ///
  /// Jobs are ordered by due time; a back-fill job counts as due later by `headStartOfOthers`. So fresh calls come first,
  /// and neither priority starves. Of the fresh jobs, one of the requester with the fewest leased jobs comes first, so
  /// that a requester with thousands of jobs does not delay others.
  ///
  /// - Parameter sources: only jobs of these sources; nil for all. A node claims no jobs of sources it does not know.
  package func claimJob(
    in lane: Lane, of sources: [SourceID]? = nil, lease: Duration
  ) async throws(TapedeckError) -> JobRow? {
    try await database.write(.readCommitted) { db in
      let requester = try db.nextRequester(in: lane, of: sources)
      let due = firstDue(
        in: lane, of: sources, "AND due_at <= tapedeck_now_ms()", freshOf: requester,
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

  /// When the next job of a lane becomes due; nil when no job has a due time. `sources` is as in `claimJob`.
  package func nextDue(in lane: Lane, of sources: [SourceID]? = nil) async throws(TapedeckError) -> Instant? {
    try await database.read { db in
      try db.row("SELECT min(due_at) AS due_at FROM (\(firstDue(in: lane, of: sources))) due")?
        .optionalInstant("due_at")
    }
  }

  /// Renews the leases that are still held.
  ///
  /// - Returns: the lost ones.
  @discardableResult
  package func heartbeat(_ leases: [JobLease], lease: Duration) async throws(TapedeckError) -> [JobLease] {
    try await database.write(.readCommitted) { db in
      // Rows are locked in the order of ids, so that two processes cannot deadlock.
      try leases.sorted { $0.jobID < $1.jobID }.filter { held in
        try db.execute(
          """
          UPDATE job SET lease_until = tapedeck_now_ms() + \(lease.milliseconds)
          WHERE id = \(held.jobID) AND fence = \(held.fence) AND run_state = 'leased'
          """) == 0
      }
    }
  }

  /// Makes the jobs of dead workers claimable. They count as worker deaths instead of attempts, since a job seldom
  /// causes the death of its worker.
  ///
  /// - Parameter everyLease: whether to reclaim all leased jobs, because no other worker can be running; otherwise those
  ///   whose lease has expired.
  /// - Returns: the number of reclaimed jobs.
  @discardableResult
  package func reclaimJobs(everyLease: Bool) async throws(TapedeckError) -> Int {
    try await database.write(.readCommitted) { db in
      let condition: SQL = everyLease ? "1 = 1" : "lease_until < tapedeck_now_ms()"
      let count = try db.execute(
        """
        UPDATE job SET run_state = \(RunState.idle), lease_until = NULL, due_at = tapedeck_now_ms(),
          attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, worker_deaths = worker_deaths + 1
        WHERE run_state = 'leased' AND \(condition)
        """)
      if count > 0 { db.notify(.workDue) }
      return count
    }
  }

  /// Stores the progress of the download of a part, with what is needed to resume it after a restart. With `stage`, the
  /// job also advances to that stage.
  package func recordProgress(
    of lease: JobLease, _ part: JobPart, resumes: Int, stage: Stage? = nil
  ) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.updateJob(
        lease,
        """
        resumes = \(resumes),
        stage = coalesce(\(stage), stage), worker_deaths = CASE WHEN stage = coalesce(\(stage), stage) THEN worker_deaths ELSE 0 END
        """)
      try db.store(part, of: lease.jobID)
      db.notify(.job(lease.jobID))
    }
  }

  /// Counts a failed integrity check and deletes the download state, so that the audio is downloaded again.
  package func recordRefusal(of lease: JobLease) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.updateJob(lease, "refusals = refusals + 1")
      try db.removeParts(ofJobs: [lease.jobID])
    }
  }

  /// Advances a leased job to its next stage and keeps the lease.
  package func advance(_ lease: JobLease, to stage: Stage) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.updateJob(lease, "stage = \(stage), worker_deaths = 0")
      db.notify(.job(lease.jobID))
    }
  }

  package func recordStep(_ time: StepTime, of jobID: Int64) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in try db.insert(time, of: jobID) }
  }

  /// Releases a job.
  ///
  /// - Throws: `leaseLost` when the lease is no longer held; the job is then unchanged.
  package func release(_ lease: JobLease, _ release: JobRelease) async throws(TapedeckError) {
    // Giving up also updates the listed status of the recording, which depends on rows that others may change.
    let isolation: Isolation = if case .giveUp = release { .serializable } else { .readCommitted }
    try await database.write(isolation) { db in
      let now: SQL = "tapedeck_now_ms()"
      let noFailure = failureColumns(nil)
      let oneLess: SQL = "CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END"
      switch release {
      case .handOver(let stage):
        try db.updateJob(
          lease,
          "run_state = 'idle', lease_until = NULL, stage = \(stage), attempts = 0, worker_deaths = 0, due_at = \(now), \(noFailure)"
        )
        db.notify(.workDue)
      case .snooze(let until):
        try db.updateJob(
          lease,
          """
          run_state = 'waiting', stage = 'awaiting', lease_until = NULL, attempts = 0, worker_deaths = 0,
          polls = polls + 1, due_at = \(until), \(noFailure)
          """)
        db.notify(.workDue)
      case .awaitClearance:
        // The clearance may have been extended since the worker read the row.
        try db.updateJob(
          lease,
          """
          run_state = CASE clearance WHEN 'restricted' THEN 'idle' ELSE 'waiting' END,
          due_at = CASE clearance WHEN 'restricted' THEN \(now) END, lease_until = NULL, attempts = 0,
          \(noFailure)
          """)
        db.notify(.workDue)
      case .retry(let at, let error):
        try db.updateJob(
          lease,
          """
          run_state = 'waiting', lease_until = NULL, due_at = \(at), \(failureColumns(error))
          """)
        db.notify(.workDue)
      case .postpone(let until, let error):
        try db.updateJob(
          lease,
          """
          run_state = 'waiting', lease_until = NULL, attempts = \(oneLess), due_at = \(until),
          \(failureColumns(error))
          """)
        db.notify(.workDue)
      case .giveUp(let error):
        try db.updateJob(
          lease,
          """
          run_state = 'failed', lease_until = NULL, due_at = NULL, ended_at = \(now), \(failureColumns(error))
          """)
        try db.removeParts(ofJobs: [lease.jobID])
        try db.recordFailedRepair(lease, because: error)
        if let job = try db.row("SELECT source, platform_id FROM job WHERE id = \(lease.jobID)") {
          try db.refreshListedStatus(of: try job.recordingKey())
        }
      case .interrupted:
        try db.updateJob(
          lease,
          "run_state = 'idle', lease_until = NULL, attempts = \(oneLess), due_at = \(now)")
      }
      db.notify(.job(lease.jobID))
    }
  }
}

/// The job of each priority that has been due for longest, with the time by which a claim orders them.
///
/// Each priority has its own query that reads one index entry; one query over all priorities would sort every due job.
private func firstDue(
  in lane: Lane, of sources: [SourceID]?, _ condition: SQL = "", freshOf requester: String? = nil, _ locking: SQL = ""
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
        SELECT id, due_at, due_at + \(priority.headStartOfOthers.milliseconds) AS turn FROM job
        WHERE lane = \(lane) AND priority = \(priority) \(condition) ORDER BY due_at, id LIMIT 1 \(locking)) candidate
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
  fileprivate func nextRequester(in lane: Lane, of sources: [SourceID]?) throws(TapedeckError) -> String? {
    let fresh: SQL = "lane = \(lane) AND priority = \(Priority.fresh)"
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
          (SELECT count(*) FROM job WHERE run_state = 'leased' AND requested_by = name) AS leased
        FROM requester WHERE name IS NOT NULL
      )
      SELECT name FROM turn WHERE due_at IS NOT NULL ORDER BY leased, due_at, name LIMIT 1
      """)?.optionalText("name")
  }

  /// Changes a leased job.
  ///
  /// - Throws: `leaseLost` when the lease is no longer held.
  func updateJob(_ lease: JobLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      "UPDATE job SET \(assignments) WHERE id = \(lease.jobID) AND fence = \(lease.fence) AND run_state = 'leased'")
    guard count == 1 else { throw TapedeckError(.leaseLost) }
  }
}

/// The assignments of a job's failure; nil clears it.
func failureColumns(_ error: TapedeckError?) -> SQL {
  """
  failure_code = \(error?.code), failure_message = \(error?.message),
  retry_after_ms = \(error?.retryAfter?.milliseconds)
  """
}
