package import Model

/// The jobs that a list is narrowed to.
package struct JobFilter: Sendable, Equatable {
  package var state: RunState?
  /// The code of the failure that ended the job or that delays its next attempt.
  package var code: TapedeckError.Code?
  package var source: SourceID?
  package var recording: RecordingID?

  package init() {}

  /// Whether it compares facts that a closed row does not show: a match would disclose them.
  fileprivate var comparesFacts: Bool { code != nil }
}

/// A job in a list.
package struct ListedJob: Sendable {
  package var job: JobRow
  /// Of the recording; nil while the catalog does not know the recording.
  package var privacy: Privacy?

  package init(job: JobRow, privacy: Privacy?) {
    self.job = job
    self.privacy = privacy
  }
}

extension Catalog {
  /// The jobs of visible recordings, newest first. Closed rows are included only where the filter compares no facts.
  ///
  /// A recording that the catalog does not know yet counts as standard, without an agent and a team.
  ///
  /// - Parameters:
  ///   - before: only jobs with a smaller ID.
  ///   - limit: the maximum number of rows; request one more to learn whether there are older ones.
  package func jobs(
    matching filter: JobFilter, visibleTo visibility: Visibility, before: Int64?, limit: Int
  ) async throws(TapedeckError) -> [ListedJob] {
    try await database.read { db in
      // Without a condition on the kind: there is only one, and SQLite would choose its index and sort all jobs.
      var conditions = visibility.jobConditions(showing: filter.comparesFacts ? .facts : .existence)
      if let state = filter.state { conditions.append("j.run_state = \(state)") }
      if let code = filter.code { conditions.append("j.failure_code = \(code)") }
      if let source = filter.source { conditions.append("j.source = \(source)") }
      if let recording = filter.recording { conditions.append("j.platform_id = \(recording)") }
      if let before { conditions.append("j.id < \(before)") }
      let rows = try db.rows(
        """
        SELECT j.*, r.privacy AS recording_privacy
        FROM \(jobsWithRecordings) WHERE \(SQL.all(conditions)) ORDER BY j.id DESC LIMIT \(limit)
        """)
      return zip(try db.jobs(rows), rows).map { job, row in
        ListedJob(job: job, privacy: row.optionalValue("recording_privacy", as: Privacy.self))
      }
    }
  }

  /// The number of unfinished jobs of visible recordings, by source and stage.
  package func unfinishedJobCounts(
    visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> [(source: SourceID, stage: Stage, count: Int64)] {
    try await database.read { db in
      let isUnfinished: SQL = "j.run_state IN \(literals: RunState.unfinished)"
      let conditions = [isUnfinished] + visibility.jobConditions(showing: .existence)
      return try db.rows(
        """
        SELECT j.source, j.stage, count(*) AS count FROM \(jobsWithRecordings)
        WHERE \(SQL.all(conditions)) GROUP BY j.source, j.stage
        """
      ).map { row in (try row.source(), try row.value("stage", as: Stage.self), try row.int("count")) }
    }
  }
}

private let jobsWithRecordings: SQL = """
  job j LEFT JOIN recording r ON r.platform_id = j.platform_id AND r.source = j.source
  """

extension Visibility {
  fileprivate func jobConditions(showing extent: Extent) -> [SQL] {
    conditions(showing: extent, source: "j.source", privacy: "coalesce(r.privacy, 'standard')")
  }
}
