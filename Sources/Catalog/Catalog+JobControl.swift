package import Model

/// Which jobs a list shows.
package struct JobFilter: Sendable, Equatable {
  package var state: RunState?
  /// Of the failure that ended a job, or that it is tried again after.
  package var code: TapedeckError.Code?
  /// Leaves out jobs of recordings that are stricter: a filter by what is hidden of them would tell it.
  package var strictest: Privacy = .restricted
  package var source: SourceID?
  package var recording: RecordingID?

  package init() {}
}

/// A job in a list, and who its recording is for as far as that is known.
package struct ListedJob: Sendable {
  package var job: JobRow
  package var privacy: Privacy?

  package init(job: JobRow, privacy: Privacy?) {
    self.job = job
    self.privacy = privacy
  }
}

/// What people do to jobs.
extension Catalog {
  /// Jobs, the newest first.
  ///
  /// - Parameters:
  ///   - before: only jobs with a smaller number.
  ///   - limit: at most this many; ask for one more to know whether there are older ones.
  package func jobs(
    matching filter: JobFilter, before: Int64?, limit: Int
  ) async throws(TapedeckError) -> [ListedJob] {
    try await database.read { db in
      // Not by kind: there is one, and SQLite would look it up and sort all of them.
      var conditions: [SQL] = []
      if let state = filter.state { conditions.append("j.run_state = \(state)") }
      if let code = filter.code { conditions.append("j.failure_code = \(code)") }
      if filter.strictest == .standard {
        conditions.append("coalesce(r.privacy, 'standard') = \(Privacy.standard)")
      }
      if let source = filter.source { conditions.append("j.source = \(source)") }
      if let recording = filter.recording { conditions.append("j.platform_id = \(recording)") }
      if let before { conditions.append("j.id < \(before)") }
      return try db.rows(
        """
        SELECT j.*, r.privacy AS recording_privacy
        FROM job j LEFT JOIN recording r ON r.platform_id = j.platform_id AND r.source = j.source
        WHERE \(SQL.all(conditions)) ORDER BY j.id DESC LIMIT \(limit)
        """
      ).map { row in
        ListedJob(job: try JobRow(row), privacy: row.optionalValue("recording_privacy", as: Privacy.self))
      }
    }
  }

  /// How many jobs of each source are under way, by stage.
  package func jobsUnderWay() async throws(TapedeckError) -> [(source: SourceID, stage: Stage, count: Int64)] {
    try await database.read { db in
      try db.rows(
        """
        SELECT source, stage, count(*) AS count FROM job
        WHERE run_state IN ('idle', 'leased', 'waiting') GROUP BY source, stage
        """
      ).compactMap { row in
        guard let source = SourceID(try row.text("source")) else { return nil }
        return (source, try row.value("stage", as: Stage.self), try row.int("count"))
      }
    }
  }

  /// Starts an ended job afresh, and has one that waits for its time tried now. Nothing happens to one that is about to
  /// be worked on, or to one that waits for a caller who may have a restricted recording, unless this is one.
  ///
  /// - Throws: `notFound`, `jobEnded` when the recording is in the archive.
  package func retryJob(
    _ id: Int64, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      let job = try db.requireJob(id)
      let clearance = max(job.clearance, clearance)
      switch job.runState {
      case .failed, .cancelled: try db.restart(id, clearance: clearance, by: requester)
      case .waiting where job.dueAt != nil || clearance == .restricted:
        try db.execute(
          """
          UPDATE job SET clearance = \(clearance), run_state = \(RunState.idle), priority = \(Priority.fresh),
            due_at = tapedeck_now_ms()
          WHERE id = \(id)
          """)
      case .waiting, .idle, .leased: break
      case .done: throw TapedeckError(.jobEnded, "The recording of this job is in the archive.")
      }
      try db.refreshListedStatus(of: job.key)
      try db.insert(entry)
      db.notify(.workDue)
      db.notify(.job(id))
      return try db.requireJob(id)
    }
  }

  /// Stops a job. A worker that has it loses its lease, and with it the right to write anything more. One that failed is
  /// not taken up again by a look back.
  ///
  /// - Throws: `notFound`, `jobEnded` when there is nothing to stop any more.
  package func cancelJob(_ id: Int64, entry: LogEntry) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      let reason = TapedeckError(.jobCancelled)
      let count = try db.execute(
        """
        UPDATE job SET run_state = \(RunState.cancelled), fence = fence + 1, lease_until = NULL, due_at = NULL,
          download = NULL, bytes = 0, total_bytes = NULL, failure_code = \(reason.code),
          failure_message = \(reason.message), retry_after_ms = NULL, ended_at = tapedeck_now_ms()
        WHERE id = \(id) AND run_state IN ('idle', 'leased', 'waiting', 'failed')
        """)
      let job = try db.requireJob(id)
      guard count == 1 else { throw TapedeckError(.jobEnded) }
      try db.refreshListedStatus(of: job.key)
      try db.insert(entry)
      db.notify(.job(id))
      return job
    }
  }
}

extension Connection {
  fileprivate func requireJob(_ id: Int64) throws(TapedeckError) -> JobRow {
    guard let row = try row("SELECT * FROM job WHERE id = \(id)") else {
      throw TapedeckError(.notFound, "There is no job of that number.")
    }
    return try JobRow(row)
  }

  /// Puts an ended job back to its beginning; what was counted of it is forgotten.
  func restart(_ id: Int64, clearance: Privacy, by requester: String) throws(TapedeckError) {
    try execute(
      """
      UPDATE job SET stage = \(Stage.queued), run_state = \(RunState.idle), clearance = \(clearance),
        requested_at = tapedeck_now_ms(), requested_by = \(requester), due_at = tapedeck_now_ms(),
        priority = \(Priority.fresh), polls = 0, attempts = 0, worker_deaths = 0, resumes = 0, refusals = 0,
        download = NULL, bytes = 0, total_bytes = NULL,
        failure_code = NULL, failure_message = NULL, retry_after_ms = NULL, ended_at = NULL, fence = fence + 1
      WHERE id = \(id)
      """)
  }
}
