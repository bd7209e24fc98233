package import Model

extension Catalog {
  /// Starts the job of a recording, joins the unfinished one, or restarts an ended one. A recording has one row.
  ///
  /// A `ready` job is left as it is, unless its recording is not in the archive any more. A caller who may have a
  /// restricted recording archived releases a job that waits for one, any caller one that waits for space on the disk.
  /// A job that a caller waits for loses its back-fill priority.
  /// The entry is committed together with the job.
  package func requestIngest(
    of key: RecordingKey, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      try db.insert(entry)
      let existing = try db.job(of: key)
      let isLost = try existing?.runState == .done && !db.isWhole(key)
      switch existing?.runState {
      case nil:
        try db.execute(
          """
          INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, requested_by, due_at)
          VALUES ('ingest', \(key.source), \(key.id), \(Stage.queued), \(RunState.idle), \(clearance),
            tapedeck_now_ms(), \(requester), tapedeck_now_ms())
          """)
      case .failed, .cancelled,
        .done where isLost:
        if let existing { try db.restart(existing.id, clearance: clearance, by: requester) }
      case .waiting where clearance == .restricted && existing?.dueAt == nil:
        try db.execute(
          """
          UPDATE job SET clearance = \(clearance), run_state = \(RunState.idle), due_at = tapedeck_now_ms()
          WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
          """)
      case .waiting where existing?.failure?.code == .diskFull && existing?.dueAt != nil:
        // A request checks the disk again at once, also before the job is due.
        try db.execute(
          """
          UPDATE job SET run_state = \(RunState.idle), due_at = tapedeck_now_ms(),
            clearance = \(max(clearance, existing?.clearance ?? .standard))
          WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
          """)
      case .idle, .waiting, .leased, .done: break
      }
      try db.execute(
        """
        UPDATE job SET clearance = CASE \(clearance) WHEN 'restricted' THEN 'restricted' ELSE clearance END,
          priority = \(Priority.fresh)
        WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
          AND run_state IN ('idle', 'waiting', 'leased')
          AND (priority <> \(Priority.fresh) OR clearance <> \(clearance))
        """)
      guard let job = try db.job(of: key) else { throw TapedeckError(.catalogFailed, detail: "job row vanished") }
      if existing?.runState != job.runState { try db.refreshListedStatus(of: key) }
      db.notify(.workDue)
      db.notify(.job(job.id))
      return job
    }
  }

  package func job(_ id: Int64) async throws(TapedeckError) -> JobRow? {
    try await database.read { db in try db.job(id) }
  }

  /// A job, and who its recording is for as far as that is known, in one view.
  package func standing(ofJob id: Int64) async throws(TapedeckError) -> (job: JobRow, privacy: Privacy?)? {
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

  /// How many jobs there are in each stage and run state.
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

  // MARK: Workers

  /// Takes the job whose turn it is, with a new fence and a lease; nil when none is due. Counts an attempt.
  ///
  /// Of each priority the one that is due for longest may be next; of these the one whose turn comes first, back-fill
  /// as if it had fallen due later by `headStartOfOthers`. So fresh calls go first and neither starves.
  ///
  /// - Parameter sources: whose jobs are taken; nil for everybody's. Those of others are left to who knows their source.
  package func claimJob(
    in lane: Lane, of sources: [SourceID]? = nil, lease: Duration
  ) async throws(TapedeckError) -> JobRow? {
    try await database.write(.readCommitted) { db in
      let row = try db.row(
        """
        UPDATE job SET run_state = \(RunState.leased), lease_until = tapedeck_now_ms() + \(lease.milliseconds),
          fence = fence + 1, attempts = attempts + 1
        WHERE id = (
          SELECT id FROM (\(firstDue(in: lane, of: sources, "AND due_at <= tapedeck_now_ms()", db.dialect.forUpdateSkippingLocked))) due
          ORDER BY turn, id LIMIT 1)
        RETURNING *
        """)
      guard let row, let job = try db.jobs([row]).first else { return nil }
      db.notify(.job(job.id))
      return job
    }
  }

  /// When the next job of a lane falls due; nil when nothing waits for a time. `sources` as for a claim.
  package func nextDue(in lane: Lane, of sources: [SourceID]? = nil) async throws(TapedeckError) -> Instant? {
    try await database.read { db in
      try db.row("SELECT min(due_at) AS due_at FROM (\(firstDue(in: lane, of: sources))) due")?
        .optionalInstant("due_at")
    }
  }

  /// The jobs that are neither ready nor ended: what lies in the spool for them is still wanted.
  package func unfinishedJobs() async throws(TapedeckError) -> Set<Int64> {
    try await database.read { db in
      Set(try db.rows("SELECT id FROM job WHERE run_state IN ('idle', 'leased', 'waiting')").map { try $0.int("id") })
    }
  }

  /// Prolongs leases that are still held.
  ///
  /// - Returns: those that are not.
  @discardableResult
  package func heartbeat(_ leases: [JobLease], lease: Duration) async throws(TapedeckError) -> [JobLease] {
    try await database.write(.readCommitted) { db in
      // In order, so that two processes never wait for each other.
      try leases.sorted { $0.jobID < $1.jobID }.filter { held in
        try db.execute(
          """
          UPDATE job SET lease_until = tapedeck_now_ms() + \(lease.milliseconds)
          WHERE id = \(held.jobID) AND fence = \(held.fence) AND run_state = 'leased'
          """) == 0
      }
    }
  }

  /// Frees the jobs of workers that are gone: those whose lease lapsed, or every leased one where the caller knows that
  /// no other worker can be alive. Their attempts become deaths of a worker, which are counted apart: most jobs that die
  /// with one have done nothing to it.
  ///
  /// - Returns: how many there were.
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

  /// Stores how far the download of a part is, and what a restart needs to resume it. With `stage` the job also advances
  /// to it.
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

  /// Notes that the bytes of a job were refused and are fetched once more.
  package func recordRefusal(of lease: JobLease) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.updateJob(lease, "refusals = refusals + 1")
      try db.removeParts(ofJobs: [lease.jobID])
    }
  }

  /// Moves a leased job on to its next stage without letting it go.
  package func advance(_ lease: JobLease, to stage: Stage) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.updateJob(lease, "stage = \(stage), worker_deaths = 0")
      db.notify(.job(lease.jobID))
    }
  }

  package func recordStep(_ time: StepTime, of jobID: Int64) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in try db.insert(time, of: jobID) }
  }

  /// Lets a job go. Writes of an older fence change nothing and throw `leaseLost`.
  package func release(_ lease: JobLease, _ release: JobRelease) async throws(TapedeckError) {
    // Giving up also writes what lists show of the recording, which must not miss what another says of it meanwhile.
    let isolation: Isolation = if case .giveUp = release { .serializable } else { .readCommitted }
    try await database.write(isolation) { db in
      let now: SQL = "tapedeck_now_ms()"
      let noFailure: SQL = "failure_code = NULL, failure_message = NULL, retry_after_ms = NULL"
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
        // A caller with the clearance may have come between our look at the row and this write.
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
          run_state = 'waiting', lease_until = NULL, due_at = \(at), failure_code = \(error.code),
          failure_message = \(error.message), retry_after_ms = \(error.retryAfter?.milliseconds)
          """)
        db.notify(.workDue)
      case .postpone(let until, let error):
        try db.updateJob(
          lease,
          """
          run_state = 'waiting', lease_until = NULL, attempts = \(oneLess), due_at = \(until),
          failure_code = \(error.code), failure_message = \(error.message),
          retry_after_ms = \(error.retryAfter?.milliseconds)
          """)
        db.notify(.workDue)
      case .giveUp(let error):
        try db.updateJob(
          lease,
          """
          run_state = 'failed', lease_until = NULL, due_at = NULL, failure_code = \(error.code),
          failure_message = \(error.message), retry_after_ms = \(error.retryAfter?.milliseconds), ended_at = \(now)
          """)
        try db.removeParts(ofJobs: [lease.jobID])
        try db.noteFailedRepair(lease, because: error)
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

/// Of each priority the job of a lane that has been due for longest, with the moment by which its turn is reckoned.
///
/// One look into the index for each: an order over all of them would walk past what waits.
private func firstDue(
  in lane: Lane, of sources: [SourceID]?, _ condition: SQL = "", _ locking: SQL = ""
) -> SQL {
  let condition = sources.map { "\(condition) AND \(SQL.any($0.map { "source = \($0)" }))" as SQL } ?? condition
  var union: SQL = ""
  for priority in Priority.allCases {
    if priority != Priority.allCases.first { union += " UNION ALL " }
    // In a subquery of its own, since PostgreSQL locks nothing in a part of a union.
    union += """
      SELECT * FROM (
        SELECT id, due_at, due_at + \(priority.headStartOfOthers.milliseconds) AS turn FROM job
        WHERE lane = \(lane) AND priority = \(priority) \(condition) ORDER BY due_at, id LIMIT 1 \(locking)) candidate
      """
  }
  return union
}

extension Connection {
  func job(of key: RecordingKey) throws(TapedeckError) -> JobRow? {
    try jobs(
      try rows("SELECT * FROM job WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)")
    ).first
  }

  /// Changes a job whose lease is still held; anything else is `leaseLost`.
  func updateJob(_ lease: JobLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      "UPDATE job SET \(assignments) WHERE id = \(lease.jobID) AND fence = \(lease.fence) AND run_state = 'leased'")
    guard count == 1 else { throw TapedeckError(.leaseLost) }
  }

  /// Writes down how far a recording is, as lists show it: from its own row and from its job's. Called whenever one of
  /// them changes that, in a serializable transaction.
  func refreshListedStatus(of key: RecordingKey) throws(TapedeckError) {
    try refreshListedStatus(of: [key.id], in: key.source)
  }

  /// The same for several recordings of one source, at least one.
  func refreshListedStatus(of ids: [RecordingID], in source: SourceID) throws(TapedeckError) {
    try execute(
      """
      UPDATE recording SET listed_status = CASE WHEN archived_at IS NOT NULL THEN 'ready' ELSE coalesce((
        SELECT CASE WHEN run_state IN ('idle', 'leased', 'waiting') THEN 'under_way'
          WHEN run_state IN ('failed', 'cancelled') THEN 'failed' END
        FROM job j WHERE j.kind = 'ingest' AND j.source = recording.source AND j.platform_id = recording.platform_id),
        'known') END
      WHERE source = \(source) AND platform_id IN \(SQL.list(ids))
      """)
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
