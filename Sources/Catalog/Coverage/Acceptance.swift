package import Model

/// The condition that an original of a recording `r` was refused and a user accepted it.
let recordingIsAccepted: SQL = """
  r.id IN (
    SELECT p.recording_id FROM quarantine q
    JOIN recording a ON a.source = q.source AND a.platform_id = q.platform_id
    JOIN media_part p ON p.recording_id = a.id AND p.source_sha256 = q.sha256
    WHERE q.state = 'accepted')
  """

/// The column of `RecordingRow.isAccepted`, for a recording `r`. Reads only the rows of this recording, by indexes.
let isAcceptedColumn: SQL = """
  CASE WHEN EXISTS (
    SELECT 1 FROM quarantine q JOIN media_part p ON p.recording_id = r.id AND p.source_sha256 = q.sha256
    WHERE q.source = r.source AND q.platform_id = r.platform_id AND q.state = 'accepted')
  THEN 1 ELSE 0 END AS is_accepted
  """

/// A recording in the archive whose original was refused and then accepted by a user.
package struct Acceptance: Sendable {
  package var key: RecordingKey
  /// Decides the day that the recording counts toward.
  package var countedAt: Instant
  /// Why the file failed, as a sentence.
  package var finding: String
  package var failedAt: Instant
  package var acceptedAt: Instant
  /// The name of the account, token or operator; the ID of one that no longer exists.
  package var acceptedBy: String
  /// The reason that the user gave.
  package var reason: String

  fileprivate init(_ row: Row) throws(TapedeckError) {
    key = try row.recordingKey()
    countedAt = try row.instant("counted_at")
    finding = try row.text("reason")
    failedAt = try row.instant("quarantined_at")
    acceptedAt = try row.instant("decided_at")
    acceptedBy = try row.text("decided_by")
    reason = try row.text("decision")
  }
}

extension Catalog {
  /// The accepted recordings of a period that are in the archive and expected there, the oldest call first. Only those
  /// whose facts are visible.
  package func acceptances(
    of source: SourceID, in period: Period, visibleTo visibility: Visibility, limit: Int
  ) async throws(TapedeckError) -> [Acceptance] {
    try await database.read { db in
      let conditions: [SQL] = [
        "r.source = \(source)", "r.counted_at >= \(period.start)", "r.counted_at < \(period.end)", "r.wanted = 1",
        "r.tombstoned_at IS NULL", recordingIsWhole,
      ]
      return try db.acceptances(conditions + visibility.conditions(showing: .facts), limit: limit)
    }
  }

  /// How a recording in the archive was accepted; nil when its original passed the integrity check.
  package func acceptance(of key: RecordingKey) async throws(TapedeckError) -> Acceptance? {
    try await database.read { db in
      try db.acceptances(["r.source = \(key.source)", "r.platform_id = \(key.id)"], limit: 1).first
    }
  }
}

extension Connection {
  /// One row for each recording: its latest acceptance.
  fileprivate func acceptances(_ conditions: [SQL], limit: Int) throws(TapedeckError) -> [Acceptance] {
    try rows(
      """
      SELECT r.source, r.platform_id, r.counted_at, q.reason, q.quarantined_at, q.decided_at, q.decision,
        coalesce(u.name, \(Identity.tokenPrefix) || t.name, q.decided_by) AS decided_by
      FROM quarantine q JOIN recording r ON r.source = q.source AND r.platform_id = q.platform_id
      LEFT JOIN account u ON u.id = q.decided_by LEFT JOIN api_token t ON t.id = q.decided_by
      WHERE q.id IN (
        SELECT max(d.id) FROM quarantine d
        JOIN recording a ON a.source = d.source AND a.platform_id = d.platform_id
        JOIN media_part p ON p.recording_id = a.id AND p.source_sha256 = d.sha256
        WHERE d.state = 'accepted' GROUP BY a.id)
        AND \(SQL.all(conditions))
      ORDER BY r.counted_at, r.id LIMIT \(limit)
      """
    ).map(Acceptance.init)
  }
}
