package import Model

/// The condition that a recording `r` is in the archive with its files.
let recordingIsWhole: SQL = """
  (r.archived_at IS NOT NULL AND r.damage IS NULL AND EXISTS (SELECT 1 FROM media_part p WHERE p.recording_id = r.id))
  """

/// The `CoverageStatus` of a recording `r` with its job `j`.
private let coverageStatus: SQL = """
  CASE WHEN \(recordingIsWhole) THEN 'ready'
    WHEN j.run_state IN \(literals: RunState.unfinished) THEN 'waiting'
    WHEN j.run_state IN \(literals: RunState.unsuccessful) AND j.failure_code IN ('not_a_whole_recording', 'unsupported_audio') THEN 'refused'
    WHEN j.run_state IN \(literals: RunState.unsuccessful) THEN 'failed'
    WHEN j.id IS NULL AND r.platform_status = 'failed' THEN 'failed'
    ELSE 'missing' END
  """

/// The recordings that are expected in the archive, with their jobs.
private let expectedRecordings: SQL = """
  recording r \(withJob)
  WHERE r.wanted = 1 AND r.tombstoned_at IS NULL
  """

extension Catalog {
  /// Whether any day of a source was checked, or a recording of it is expected.
  package func hasCoverage(of source: SourceID) async throws(TapedeckError) -> Bool {
    try await database.read { db in
      for condition in ["coverage_day WHERE source = \(source)", "recording WHERE wanted = 1 AND source = \(source)"]
        as [SQL]
      where try db.row("SELECT 1 AS found FROM \(condition) LIMIT 1") != nil {
        return true
      }
      return false
    }
  }

  /// The coverage of a source on each of these days, from one snapshot. Counts only what is visible; a recording that
  /// is listed without its facts counts too.
  package func coverage(
    of plan: SyncPlan, on days: [CalendarDay], visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> [CoverageDay] {
    try await database.read { db in try days.map { try db.coverage(of: plan, on: $0, visibleTo: visibility) } }
  }

  /// The expected recordings of a period that are not in the archive, the oldest call first. Only those whose facts are
  /// visible, since a gap states facts.
  ///
  /// - Parameter after: the ID of the last gap of the previous page; an unknown one is ignored.
  package func coverageGaps(
    of source: SourceID, in period: Period, visibleTo visibility: Visibility, after: Int64?, limit: Int
  ) async throws(TapedeckError) -> [CoverageGap] {
    try await database.read { db in
      let inPeriod: SQL = "r.source = \(source) AND r.counted_at >= \(period.start) AND r.counted_at < \(period.end)"
      var condition = SQL.all([inPeriod] + visibility.conditions(showing: .facts))
      if let after, let last = try db.row("SELECT counted_at FROM recording WHERE id = \(after)") {
        condition += " AND (r.counted_at, r.id) > (\(try last.instant("counted_at")), \(after))"
      }
      // A recording is unlisted when a later check of a day that contains it did not list it.
      return try db.rows(
        """
        SELECT r.id, r.source, r.platform_id, r.privacy, r.platform_status, r.counted_at, r.archived_at, j.run_state,
          j.stage, j.due_at, j.failure_code, j.failure_message, \(coverageStatus) AS status,
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

  /// How many unidentified rows are stored for a day; the others are only counted.
  package static let maxUnidentifiedRows = 1000

  /// How many calls at the edge of a day are stored; others are counted toward each day that lists them.
  private static let maxEdgeCalls = 1000

  /// Records that the platform was asked for a whole day, how many recordings it listed that are not expected, and the
  /// unidentified rows. Forgets checks in the future, which were made while the clock was wrong.
  ///
  /// - Parameters:
  ///   - plan: of the source; its filter decided which recordings are expected.
  ///   - edge: those of the recordings that are not expected that began within a second of the start or end of the day.
  ///     A neighbouring day may list them too; they count toward the day that listed them last, as expected ones do.
  ///   - startedAt: when the first page was requested, by `now()`. Recordings last listed before are no longer listed.
  package func recordCheck(
    of day: CalendarDay, by plan: SyncPlan, unwanted: Int, edge: Set<RecordingID> = [],
    unidentified: [UnidentifiedRow] = [], startedAt: Instant
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
        INSERT INTO coverage_day (source, day, from_at, to_at, filter, reported, expected, unidentified,
          checked_at)
        VALUES (\(plan.source), \(day.description), \(day.start), \(day.end), \(plan.filter.canonical),
          \(expected + Int64(unwanted)), \(expected), \(unidentified.count), \(startedAt))
        ON CONFLICT (source, day) DO UPDATE SET from_at = excluded.from_at, to_at = excluded.to_at,
          filter = excluded.filter, reported = excluded.reported, expected = excluded.expected,
          unidentified = excluded.unidentified, checked_at = excluded.checked_at
        """)
      try db.count(
        edge.sorted { $0.rawValue < $1.rawValue }.prefix(Self.maxEdgeCalls), toward: day, of: plan.source)
      // They would count as soon as the clock reaches them.
      try db.execute("DELETE FROM coverage_day WHERE checked_at > tapedeck_now_ms() AND checked_at > \(startedAt)")
      try db.execute(
        "DELETE FROM unidentified_row WHERE source = \(plan.source) AND day = \(day.description)")
      for row in unidentified.prefix(Self.maxUnidentifiedRows) {
        try db.execute(
          """
          INSERT INTO unidentified_row (source, day, position, reason)
          VALUES (\(plan.source), \(day.description), \(row.position), \(row.reason))
          """)
      }
    }
  }
}

extension Connection {
  /// Counts listed calls toward a day, and no longer toward the days that listed them before.
  fileprivate func count(
    _ edge: some Collection<RecordingID>, toward day: CalendarDay, of source: SourceID
  ) throws(TapedeckError) {
    try execute("DELETE FROM edge_call WHERE source = \(source) AND day = \(day.description)")
    guard !edge.isEmpty else { return }
    let earlier = try rows(
      """
      SELECT day, count(*) AS number FROM edge_call
      WHERE source = \(source) AND platform_id IN \(SQL.list(edge)) GROUP BY day ORDER BY day
      """)
    for row in earlier {
      try execute(
        """
        UPDATE coverage_day SET reported = reported - \(try row.int("number"))
        WHERE source = \(source) AND day = \(try row.text("day"))
        """)
    }
    for id in edge {
      try execute(
        """
        INSERT INTO edge_call (source, platform_id, day) VALUES (\(source), \(id), \(day.description))
        ON CONFLICT (source, platform_id) DO UPDATE SET day = excluded.day
        """)
    }
  }

  /// Whether a recording is in the archive with its files.
  func isWhole(_ key: RecordingKey) throws(TapedeckError) -> Bool {
    try row(
      "SELECT 1 AS found FROM recording r WHERE r.source = \(key.source) AND r.platform_id = \(key.id) AND \(recordingIsWhole)"
    ) != nil
  }

  fileprivate func coverage(
    of plan: SyncPlan, on day: CalendarDay, visibleTo visibility: Visibility
  ) throws(TapedeckError) -> CoverageDay {
    // A check does not count if the source had another time zone or another filter then.
    let check = try row(
      """
      SELECT * FROM coverage_day
      WHERE source = \(plan.source) AND day = \(day.description) AND from_at = \(day.start) AND to_at = \(day.end)
        AND filter = \(plan.filter.canonical)
      """)
    let checkedAt = check?.optionalInstant("checked_at")
    // Calls are listed by their start, but only after their end.
    let (now, earliest) = (try now(), day.end + plan.overlap)
    let isChecked = day.period.isEmpty || checkedAt.map { earliest <= $0 && $0 <= now } ?? false
    var result = CoverageDay(
      day: day, checkedAt: checkedAt, isChecked: isChecked, reported: nil, counts: [:], unlisted: 0, unidentified: [])
    let since = checkedAt ?? Instant(milliseconds: 0)
    let onDay: SQL =
      "r.source = \(plan.source) AND r.counted_at >= \(day.start) AND r.counted_at < \(day.end)"
    for row in try rows(
      """
      SELECT status, count(*) AS number, CAST(sum(is_unlisted) AS BIGINT) AS unlisted,
        CAST(sum(is_accepted) AS BIGINT) AS accepted, count(missing_parts) AS partial, count(verified_at) AS verified, min(verified_at) AS oldest FROM (
        SELECT \(coverageStatus) AS status, r.verified_at, r.missing_parts,
          CASE WHEN r.listed_at < \(since) THEN 1 ELSE 0 END AS is_unlisted,
          CASE WHEN \(recordingIsAccepted) THEN 1 ELSE 0 END AS is_accepted
        FROM \(expectedRecordings) AND \(SQL.all([onDay] + visibility.conditions(showing: .existence)))
      ) AS expected GROUP BY status
      """)
    {
      let status = try row.value("status", as: CoverageStatus.self)
      result.counts[status] = try row.int("number")
      if status == .ready {
        result.accepted = try row.int("accepted")
        result.partial = try row.int("partial")
        if try row.int("verified") == row.int("number") { result.verifiedAt = row.optionalInstant("oldest") }
      }
      result.unlisted += try row.int("unlisted")
    }
    if let number = try check?.int("unidentified"), number > 0 {
      result.counts[.unidentified] = number
      for row in try rows(
        """
        SELECT position, reason FROM unidentified_row
        WHERE source = \(plan.source) AND day = \(day.description) ORDER BY position
        """)
      {
        result.unidentified.append(
          UnidentifiedRow(position: Int(try row.int("position")), reason: try row.text("reason")))
      }
    }
    if let check, visibility.listsAll(of: plan.source) {
      // Recordings that sync found since the check are listed too.
      let unwanted = try check.int("reported") - check.int("expected")
      result.reported = max(unwanted, 0) + result.expected - result.unlisted
    }
    return result
  }
}
