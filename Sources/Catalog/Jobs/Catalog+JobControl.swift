package import Model

/// Actions of users on jobs.
extension Catalog {
  /// Restarts a failed or cancelled job, and makes a waiting one due now. A job that waits for clearance stays so
  /// unless `clearance` is restricted; other unfinished jobs are left unchanged.
  ///
  /// - Throws: `notFound`; `jobEnded` when the recording is archived.
  package func retryJob(
    _ id: Int64, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      let job = try db.requireJob(id)
      let clearance = max(job.clearance, clearance)
      switch job.runState {
      case .failed, .cancelled: try db.restart(id, clearance: clearance, by: requester, priority: .fresh)
      case .waiting where job.dueAt != nil || clearance == .restricted:
        try db.resume(id, clearance: clearance)
      case .waiting, .idle, .leased: break
      case .done: throw TapedeckError(.jobEnded, "The recording of this job is archived.")
      }
      try db.refreshListedStatus(of: job.key)
      try db.insert(entry)
      db.notify(.workDue)
      db.notify(.job(id))
      return try db.requireJob(id)
    }
  }

  /// Cancels a job. Its worker loses the lease. A failed job can be cancelled too, so that the look-back does not
  /// restart it; it keeps its failure, which coverage gives as the reason.
  ///
  /// - Throws: `notFound`; `jobEnded` when it is done or already cancelled.
  package func cancelJob(_ id: Int64, entry: LogEntry) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      switch try db.requireJob(id).runState {
      case .failed:
        try db.execute("UPDATE job SET run_state = \(RunState.cancelled), fence = fence + 1 WHERE id = \(id)")
      case .idle, .leased, .waiting:
        try db.execute(
          """
          UPDATE job SET run_state = \(RunState.cancelled), fence = fence + 1, lease_until = NULL, due_at = NULL,
            \(failureColumns(TapedeckError(.jobCancelled))), ended_at = tapedeck_now_ms()
          WHERE id = \(id)
          """)
      case .cancelled, .done: throw TapedeckError(.jobEnded)
      }
      try db.removeParts(ofJobs: [id])
      let job = try db.requireJob(id)
      try db.refreshListedStatus(of: job.key)
      try db.insert(entry)
      db.notify(.job(id))
      return job
    }
  }
}

extension Connection {
  fileprivate func requireJob(_ id: Int64) throws(TapedeckError) -> JobRow {
    guard let job = try job(id) else { throw TapedeckError.unknownJob }
    return job
  }

  /// Restarts a job at a stage and resets its counters. Its worker, if it has one, loses the lease.
  ///
  /// - Parameter priority: nil to keep the current one.
  func restart(
    _ id: Int64, at stage: Stage = .queued, clearance: Privacy, by requester: String, priority: Priority? = nil
  ) throws(TapedeckError) {
    try execute(
      """
      UPDATE job SET \(restartColumns(stage, clearance: clearance, by: requester)),
        priority = coalesce(\(priority), priority)
      WHERE id = \(id)
      """)
    try removeParts(ofJobs: [id])
  }

  /// Makes a waiting job claimable now, with the priority of a user's request.
  func resume(_ id: Int64, clearance: Privacy) throws(TapedeckError) {
    try execute(
      """
      UPDATE job SET clearance = \(clearance), run_state = \(RunState.idle), priority = \(Priority.fresh),
        due_at = tapedeck_now_ms()
      WHERE id = \(id)
      """)
  }
}

/// The assignments that restart a job, except its priority; its parts must be removed too.
func restartColumns(_ stage: Stage, clearance: Privacy, by requester: String) -> SQL {
  """
  stage = \(stage), run_state = \(RunState.idle), clearance = \(clearance), requested_at = tapedeck_now_ms(),
  requested_by = \(requester), due_at = tapedeck_now_ms(), lease_until = NULL, polls = 0, attempts = 0,
  worker_deaths = 0, resumes = 0, refusals = 0, \(failureColumns(nil)), ended_at = NULL, fence = fence + 1
  """
}
