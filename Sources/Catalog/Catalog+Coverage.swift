package import Model

/// What makes a recording `r` one that is in the archive, not only once was.
let recordingIsWhole: SQL = """
  (r.archived_at IS NOT NULL AND r.damage IS NULL AND EXISTS (SELECT 1 FROM media_part p WHERE p.recording_id = r.id))
  """

/// The standing of a recording `r` with its job `j`.
private let standingInArchive: SQL = """
  CASE WHEN \(recordingIsWhole) THEN 'ready'
    WHEN j.run_state IN ('idle', 'leased', 'waiting') THEN 'waiting'
    WHEN j.run_state = 'failed' AND j.failure_code = 'not_a_whole_recording' THEN 'refused'
    WHEN j.run_state IN ('failed', 'cancelled') THEN 'failed'
    WHEN j.id IS NULL AND r.platform_status = 'failed' THEN 'failed'
    ELSE 'missing' END
  """

/// The recordings of a source that must be in the archive, with their jobs.
private let expectedRecordings: SQL = """
  recording r LEFT JOIN job j ON j.kind = 'ingest' AND j.source = r.source AND j.platform_id = r.platform_id
  WHERE r.wanted = 1 AND r.tombstoned_at IS NULL
  """

extension Catalog {
  /// What each of these days holds, against what it must hold by a source's plan; in one view.
  package func coverage(
    of plan: SyncPlan, on days: [CalendarDay]
  ) async throws(TapedeckError) -> [CoverageDay] {
    try await database.read { db in try days.map { try db.coverage(of: plan, on: $0) } }
  }

  /// The expected recordings of a span of time that are not in the archive, in the order of their calls.
  ///
  /// - Parameters:
  ///   - strictest: leaves out recordings that are for fewer people.
  ///   - after: the last one of the page before; an unknown one is none.
  package func coverageGaps(
    of source: SourceID, in period: Period, strictest: Privacy, after: Int64?, limit: Int
  ) async throws(TapedeckError) -> [CoverageGap] {
    try await database.read { db in
      var condition: SQL = "r.source = \(source) AND r.counted_at >= \(period.start) AND r.counted_at < \(period.end)"
      if strictest == .standard { condition += " AND r.privacy = 'standard'" }
      if let after, let last = try db.row("SELECT counted_at FROM recording WHERE id = \(after)") {
        condition += " AND (r.counted_at, r.id) > (\(try last.instant("counted_at")), \(after))"
      }
      // The day that a recording counts to is the one of the last check whose span it lies in.
      return try db.rows(
        """
        SELECT r.id, r.source, r.platform_id, r.privacy, r.platform_status, r.counted_at, r.archived_at, j.run_state,
          j.stage, j.due_at, j.failure_code, j.failure_message, \(standingInArchive) AS standing,
          CASE WHEN r.listed_at < (
            SELECT max(c.checked_at) FROM coverage_day c
            WHERE c.source = r.source AND c.from_at <= r.counted_at AND c.to_at > r.counted_at)
          THEN 1 ELSE 0 END AS is_unlisted
        FROM \(expectedRecordings) AND \(condition) AND NOT \(recordingIsWhole)
        ORDER BY r.counted_at, r.id LIMIT \(limit)
        """
      ).map(CoverageGap.init)
    }
  }

  /// Notes that the platform was asked for all of a day, and how many recordings it listed that are not wanted.
  ///
  /// - Parameters:
  ///   - plan: of the source, whose filter said what is wanted.
  ///   - startedAt: when the first page was asked for, by `now()`: what was last listed before is not listed any more.
  package func recordCheck(
    of day: CalendarDay, by plan: SyncPlan, unwanted: Int, startedAt: Instant
  ) async throws(TapedeckError) {
    try await database.write { db in
      let listed = try db.row(
        """
        SELECT count(*) AS listed FROM recording r
        WHERE r.wanted = 1 AND r.source = \(plan.source) AND r.counted_at >= \(day.start) AND r.counted_at < \(day.end)
          AND r.listed_at >= \(startedAt)
        """)
      let expected = try listed?.int("listed") ?? 0
      try db.execute(
        """
        INSERT INTO coverage_day (source, day, from_at, to_at, filter, reported, expected, checked_at)
        VALUES (\(plan.source), \(day.description), \(day.start), \(day.end), \(plan.filter.canonical),
          \(expected + Int64(unwanted)), \(expected), \(startedAt))
        ON CONFLICT (source, day) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at,
          filter = excluded.filter, reported = excluded.reported, expected = excluded.expected,
          checked_at = excluded.checked_at
        """)
    }
  }
}

extension Connection {
  /// Whether a recording is in the archive with its files.
  func isWhole(_ key: RecordingKey) throws(TapedeckError) -> Bool {
    try row(
      "SELECT 1 AS found FROM recording r WHERE r.source = \(key.source) AND r.platform_id = \(key.id) AND \(recordingIsWhole)"
    ) != nil
  }

  fileprivate func coverage(of plan: SyncPlan, on day: CalendarDay) throws(TapedeckError) -> CoverageDay {
    // Of a day that was another span when it was checked, since the source's time zone has changed, nothing is known; nor
    // of one whose calls were wanted by another filter.
    let check = try row(
      """
      SELECT * FROM coverage_day
      WHERE source = \(plan.source) AND day = \(day.description) AND from_at = \(day.start) AND to_at = \(day.end)
        AND filter = \(plan.filter.canonical)
      """)
    let checkedAt = check?.optionalInstant("checked_at")
    var result = CoverageDay(day: day, checkedAt: checkedAt, reported: nil, standings: [:], unlisted: 0)
    let since = checkedAt ?? Instant(milliseconds: 0)
    for row in try rows(
      """
      SELECT standing, count(*) AS number, CAST(sum(is_unlisted) AS BIGINT) AS unlisted FROM (
        SELECT \(standingInArchive) AS standing, CASE WHEN r.listed_at < \(since) THEN 1 ELSE 0 END AS is_unlisted
        FROM \(expectedRecordings) AND r.source = \(plan.source) AND r.counted_at >= \(day.start)
          AND r.counted_at < \(day.end)
      ) AS stood GROUP BY standing
      """)
    {
      result.standings[try row.value("standing", as: CoverageStanding.self)] = try row.int("number")
      result.unlisted += try row.int("unlisted")
    }
    if let check {
      // Calls that sync found since the check are listed too.
      let unwanted = try check.int("reported") - check.int("expected")
      result.reported = max(unwanted, 0) + result.expected - result.unlisted
    }
    return result
  }
}
