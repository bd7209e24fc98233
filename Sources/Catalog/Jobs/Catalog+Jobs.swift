package import Model

extension Catalog {
  /// Creates the job of a recording, joins the unfinished one, or restarts an ended one. The log entry is committed in
  /// the same transaction. A recording has one job.
  ///
  /// A finished job is restarted only if its recording is no longer in the archive. A job that waits for clearance is
  /// resumed if `clearance` is restricted, and one that waits for disk space is always resumed. An unfinished job loses
  /// its backfill priority.
  package func requestIngest(
    of key: RecordingKey, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      try db.insert(entry)
      let existing = try db.job(of: key)
      if let existing {
        switch existing.runState {
        case .failed, .cancelled: try db.restart(existing.id, clearance: clearance, by: requester, priority: .fresh)
        case .done:
          if try !db.isWhole(key) {
            try db.restart(existing.id, clearance: clearance, by: requester, priority: .fresh)
          }
        // Without a due time it waits for clearance. A full disk is checked again at once, before the job is due.
        case .waiting where existing.dueAt == nil ? clearance == .restricted : existing.failure?.code == .diskFull:
          try db.resume(existing.id, clearance: max(clearance, existing.clearance))
        case .idle, .waiting, .leased: break
        }
      } else {
        try db.insertJob(of: key, clearance: clearance, by: requester)
      }
      try db.execute(
        """
        UPDATE job SET clearance = CASE \(clearance) WHEN 'restricted' THEN 'restricted' ELSE clearance END,
          priority = \(Priority.fresh)
        WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
          AND run_state IN \(literals: RunState.unfinished)
          AND (priority <> \(Priority.fresh) OR clearance <> \(clearance))
        """)
      guard let job = try db.job(of: key) else { throw TapedeckError(.catalogFailed, detail: "job row vanished") }
      if existing?.runState != job.runState { try db.refreshListedStatus(of: key) }
      db.notify(.workDue)
      db.notify(.job(job.id))
      return job
    }
  }

  /// How many jobs of a requester are due or leased, at most `limit`; 0 when a request for this recording would begin
  /// none. Jobs that wait for clearance do not count.
  ///
  /// Requests on several nodes at the same moment may exceed a limit by the number of nodes: the count is not part of
  /// their transactions, which would conflict with each other otherwise.
  package func openJobs(
    of requester: String, before key: RecordingKey, limit: Int
  ) async throws(TapedeckError) -> Int {
    try await database.read { db in
      if let job = try db.job(of: key) {
        switch job.runState {
        case .idle, .waiting, .leased: return 0
        case .done: if try db.isWhole(key) { return 0 }
        case .failed, .cancelled: break
        }
      }
      var open: SQL = """
        SELECT 1 AS one FROM job WHERE run_state = \(literal: RunState.leased) AND requested_by = \(requester)
        """
      for queue in JobQueue.allCases {
        for priority in Priority.allCases {
          // Each branch reads one part of an index, and no more rows than are of interest.
          open += """
             UNION ALL SELECT one FROM (SELECT 1 AS one FROM job WHERE queue = \(queue) AND priority = \(priority)
              AND requested_by = \(requester) LIMIT \(limit)) own
            """
        }
      }
      return min(limit, Int(try db.row("SELECT count(*) AS n FROM (\(open)) jobs")?.int("n") ?? 0))
    }
  }

  package func job(_ id: Int64) async throws(TapedeckError) -> JobRow? {
    try await database.read { db in try db.job(id) }
  }

  /// A job and the privacy of its recording, from one snapshot. The privacy is nil while the catalog does not know the
  /// recording.
  package func jobAndPrivacy(_ id: Int64) async throws(TapedeckError) -> (job: JobRow, privacy: Privacy?)? {
    try await database.read { db in
      guard let job = try db.job(id) else { return nil }
      return (job, try db.recording(job.key)?.facts.privacy)
    }
  }

  package func job(of key: RecordingKey) async throws(TapedeckError) -> JobRow? {
    try await database.read { db in try db.job(of: key) }
  }

  package func steps(of jobID: Int64) async throws(TapedeckError) -> [StepTime] {
    try await database.read { db in
      try db.rows("SELECT * FROM job_step WHERE job_id = \(jobID) ORDER BY started_at").map { row in
        StepTime(
          step: try row.value("step", as: Step.self), startedAt: try row.instant("started_at"),
          duration: .microseconds(try row.int("duration_us")))
      }
    }
  }

  /// The number of jobs in each stage and run state.
  package func jobCounts() async throws(TapedeckError) -> [(stage: Stage, state: RunState, count: Int64)] {
    try await database.read { db in
      try db.rows("SELECT stage, run_state, count(*) AS count FROM job GROUP BY stage, run_state").map { row in
        (
          try row.value("stage", as: Stage.self), try row.value("run_state", as: RunState.self),
          try row.int("count")
        )
      }
    }
  }

  /// The IDs of all unfinished jobs, whose spool files are still needed.
  package func unfinishedJobs() async throws(TapedeckError) -> Set<Int64> {
    try await database.read { db in
      let rows = try db.rows("SELECT id FROM job WHERE run_state IN \(literals: RunState.unfinished)")
      return Set(try rows.map { try $0.int("id") })
    }
  }
}

extension Connection {
  func job(of key: RecordingKey) throws(TapedeckError) -> JobRow? {
    try jobs(
      try rows("SELECT * FROM job WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)")
    ).first
  }

  /// Updates the status that lists show for a recording, which depends on its row and its job. Every serializable
  /// transaction that changes one of them calls it.
  func refreshListedStatus(of key: RecordingKey) throws(TapedeckError) {
    try refreshListedStatus(of: [key.id], in: key.source)
  }

  /// The same for several recordings of one source, at least one.
  func refreshListedStatus(of ids: [RecordingID], in source: SourceID) throws(TapedeckError) {
    try execute(
      """
      UPDATE recording SET listed_status = CASE WHEN archived_at IS NOT NULL THEN 'ready' ELSE coalesce((
        SELECT CASE WHEN run_state IN \(literals: RunState.unfinished) THEN 'under_way'
          WHEN run_state IN \(literals: RunState.unsuccessful) THEN 'failed' END
        FROM job j WHERE j.kind = 'ingest' AND j.source = recording.source AND j.platform_id = recording.platform_id),
        'known') END
      WHERE source = \(source) AND platform_id IN \(SQL.list(ids))
      """)
  }

  /// Creates the job of a recording, due now; does nothing if it exists.
  ///
  /// - Returns: whether the job was created.
  @discardableResult
  func insertJob(
    of key: RecordingKey, at stage: Stage = .queued, clearance: Privacy, by requester: String,
    priority: Priority = .fresh, backfill: String? = nil
  ) throws(TapedeckError) -> Bool {
    try execute(
      """
      INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, requested_by, due_at,
        priority, backfill)
      VALUES ('ingest', \(key.source), \(key.id), \(stage), \(RunState.idle), \(clearance), tapedeck_now_ms(),
        \(requester), tapedeck_now_ms(), \(priority), \(backfill))
      ON CONFLICT (kind, source, platform_id) DO NOTHING
      """) == 1
  }

  func insert(_ time: StepTime, of jobID: Int64) throws(TapedeckError) {
    let (seconds, attoseconds) = time.duration.components
    try execute(
      """
      INSERT INTO job_step (job_id, step, started_at, duration_us)
      VALUES (\(jobID), \(time.step), \(time.startedAt), \(seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
      ON CONFLICT (job_id, step) DO UPDATE SET started_at = excluded.started_at, duration_us = excluded.duration_us
      """)
  }
}
