package import Model

/// What workers write under their leases.
extension Catalog {
  /// Renews the leases that are still held.
  ///
  /// - Returns: the lost ones.
  @discardableResult
  package func heartbeat(_ leases: [JobLease], lease: Duration) async throws(TapedeckError) -> [JobLease] {
    try await database.write(.readCommitted) { db in
      // Rows are locked in the order of IDs, so that two processes cannot deadlock.
      try leases.sorted { $0.jobID < $1.jobID }.filter { held in
        try db.execute(
          """
          UPDATE job SET lease_until = tapedeck_now_ms() + \(lease.milliseconds)
          WHERE id = \(held.jobID) AND fence = \(held.fence) AND run_state = \(literal: RunState.leased)
          """) == 0
      }
    }
  }

  /// Makes the jobs of dead workers claimable. They count as worker deaths instead of attempts, since a job seldom
  /// causes the death of its worker.
  ///
  /// - Parameter everyLease: whether to reclaim all leased jobs, because no other worker can be running; otherwise
  ///   those whose lease has expired.
  /// - Returns: the number of reclaimed jobs.
  @discardableResult
  package func reclaimJobs(everyLease: Bool) async throws(TapedeckError) -> Int {
    try await database.write(.readCommitted) { db in
      let condition: SQL = everyLease ? "1 = 1" : "lease_until < tapedeck_now_ms()"
      let count = try db.execute(
        """
        UPDATE job SET run_state = \(RunState.idle), lease_until = NULL, due_at = tapedeck_now_ms(),
          attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END, worker_deaths = worker_deaths + 1
        WHERE run_state = \(literal: RunState.leased) AND \(condition)
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

  /// Stores which media the platform named for the recording of a job.
  package func recordMedia(_ media: PlannedMedia, of lease: JobLease) async throws(TapedeckError) {
    let text = try storedJSON(media)
    try await database.write(.readCommitted) { db in try db.updateJob(lease, "media = \(text)") }
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
    let isolation: Isolation = if case .fail = release { .serializable } else { .readCommitted }
    try await database.write(isolation) { db in
      let now: SQL = "tapedeck_now_ms()"
      let noFailure = failureColumns(nil)
      let oneLess: SQL = "CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END"
      switch release {
      case .advance(let stage):
        try db.updateJob(
          lease,
          "run_state = \(RunState.idle), lease_until = NULL, stage = \(stage), attempts = 0, worker_deaths = 0, due_at = \(now), \(noFailure)"
        )
        db.notify(.workDue)
      case .pollAgain(let at):
        try db.updateJob(
          lease,
          """
          run_state = \(RunState.waiting), stage = \(Stage.awaiting), lease_until = NULL, attempts = 0, worker_deaths = 0,
          polls = polls + 1, due_at = \(at), \(noFailure)
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
          run_state = \(RunState.waiting), lease_until = NULL, due_at = \(at), \(failureColumns(error))
          """)
        db.notify(.workDue)
      case .postpone(let until, let error):
        try db.updateJob(
          lease,
          """
          run_state = \(RunState.waiting), lease_until = NULL, attempts = \(oneLess), due_at = \(until),
          \(failureColumns(error))
          """)
        db.notify(.workDue)
      case .fail(let error):
        try db.updateJob(
          lease,
          """
          run_state = \(RunState.failed), lease_until = NULL, due_at = NULL, ended_at = \(now), \(failureColumns(error))
          """)
        try db.removeParts(ofJobs: [lease.jobID])
        try db.recordFailedRepair(lease, because: error)
        if let job = try db.row("SELECT source, platform_id FROM job WHERE id = \(lease.jobID)") {
          try db.refreshListedStatus(of: try job.recordingKey())
        }
      case .interrupted:
        try db.updateJob(
          lease,
          "run_state = \(RunState.idle), lease_until = NULL, attempts = \(oneLess), due_at = \(now)")
      }
      db.notify(.job(lease.jobID))
    }
  }
}

extension Connection {
  /// Changes a leased job.
  ///
  /// - Throws: `leaseLost` when the lease is no longer held.
  func updateJob(_ lease: JobLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      """
      UPDATE job SET \(assignments)
      WHERE id = \(lease.jobID) AND fence = \(lease.fence) AND run_state = \(literal: RunState.leased)
      """)
    guard count == 1 else { throw TapedeckError(.leaseLost) }
  }
}

/// The assignments of a job's failure; nil clears it.
func failureColumns(_ error: TapedeckError?) -> SQL {
  """
  failure_code = \(error?.code), failure_message = \(error?.storedMessage),
  retry_after_ms = \(error?.retryAfter?.milliseconds)
  """
}

extension TapedeckError {
  /// The message without secrets: a platform may repeat a token in its answer.
  var storedMessage: String { Redactor.shared.redactSecrets(message) }
}
