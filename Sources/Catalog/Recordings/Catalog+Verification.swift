package import Model

/// An archived recording, as verifications page through them.
package struct ArchivedRecording: Sendable, Equatable {
  /// The row's number; increases with each recording.
  package var id: Int64
  package var key: RecordingKey
  /// When its bytes were last compared with the catalog, or when they were written.
  package var verifiedAt: Instant

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    verifiedAt = try row.instant("verified")
  }
}

extension Catalog {
  /// Archived recordings in the order of row numbers.
  ///
  /// - Parameter id: only recordings with a greater number.
  package func archivedRecordings(
    of source: SourceID? = nil, after id: Int64, limit: Int
  ) async throws(TapedeckError) -> [ArchivedRecording] {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL AND id > \(id)"
      if let source { condition += " AND source = \(source)" }
      return try db.archivedRecordings("\(condition) ORDER BY id LIMIT \(limit)")
    }
  }

  /// Archived recordings that were not verified since a moment, the longest unverified first.
  ///
  /// - Parameter last: the last recording of the previous page.
  package func unverifiedRecordings(
    since moment: Instant, after last: ArchivedRecording? = nil, limit: Int
  ) async throws(TapedeckError) -> [ArchivedRecording] {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL AND coalesce(verified_at, archived_at) < \(moment)"
      if let last {
        // The first comparison follows from the second, but only it makes the databases start in the middle of the
        // index.
        condition += " AND coalesce(verified_at, archived_at) >= \(last.verifiedAt)"
        condition += " AND (coalesce(verified_at, archived_at), id) > (\(last.verifiedAt), \(last.id))"
      }
      return try db.archivedRecordings(
        "\(condition) ORDER BY coalesce(verified_at, archived_at), id LIMIT \(limit)")
    }
  }

  /// The number of archived recordings.
  package func archivedCount(of source: SourceID? = nil) async throws(TapedeckError) -> Int64 {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL"
      if let source { condition += " AND source = \(source)" }
      return try db.row("SELECT count(*) AS number FROM recording WHERE \(condition)")?.int("number") ?? 0
    }
  }

  /// When the catalog was created; a copy has the time of its original.
  package func createdAt() async throws(TapedeckError) -> Instant {
    try await database.read { db in
      try db.row("SELECT applied_at FROM migration WHERE version = 1")?.instant("applied_at")
        ?? Instant(milliseconds: .max)
    }
  }

  /// Whether there is a row for any object.
  package func knowsObjects() async throws(TapedeckError) -> Bool {
    try await database.read { db in try db.knowsObjects() }
  }

  /// The number of archived recordings of which parts are missing on the platform.
  package func partialCount() async throws(TapedeckError) -> Int64 {
    try await database.read { db in
      try db.row("SELECT count(*) AS number FROM recording WHERE missing_parts IS NOT NULL")?.int("number") ?? 0
    }
  }

  /// The number of recordings that are known to be damaged.
  package func damagedCount() async throws(TapedeckError) -> Int64 {
    try await database.read { db in
      try db.row("SELECT count(*) AS number FROM recording WHERE damage IS NOT NULL")?.int("number") ?? 0
    }
  }

  /// Damaged recordings without an unfinished job, with the error of their last repair.
  package func damagedRecordings(
    after id: Int64, limit: Int
  ) async throws(TapedeckError) -> [(recording: ArchivedRecording, failure: TapedeckError.Code?)] {
    try await database.read { db in
      try db.rows(
        """
        SELECT r.id, r.source, r.platform_id, coalesce(r.verified_at, r.archived_at) AS verified, j.failure_code
        FROM recording r \(withJob)
        WHERE r.damage IS NOT NULL AND r.archived_at IS NOT NULL AND r.id > \(id)
          AND (j.id IS NULL OR j.run_state IN \(literals: [RunState.done, .failed]))
        ORDER BY r.id LIMIT \(limit)
        """
      ).map { row in (try ArchivedRecording(row), row.optionalErrorCode("failure_code")) }
    }
  }

  /// The recordings that refer to one of these objects.
  package func recordings(
    referringTo names: Set<ObjectName>
  ) async throws(TapedeckError) -> [(recording: RecordingRow, parts: [MediaPart])] {
    guard !names.isEmpty else { return [] }
    return try await database.read { db in
      let list = SQL.list(names)
      return try db.rows(
        """
        SELECT r.*, \(isAcceptedColumn) FROM recording r WHERE r.id IN (
          SELECT recording_id FROM media_part WHERE original_object IN \(list)
          UNION SELECT recording_id FROM media_part WHERE mp3_object IN \(list)
          UNION SELECT recording_id FROM media_part WHERE peaks_object IN \(list)
          UNION SELECT recording_id FROM joined_media WHERE mp3_object IN \(list)
          UNION SELECT recording_id FROM joined_media WHERE peaks_object IN \(list)) ORDER BY r.id
        """
      ).map { row in
        try db.withParts(try RecordingRow(row))
      }
    }
  }

  /// Whether an unfinished job needs the original with this hash.
  package func isAwaited(original sha256: String) async throws(TapedeckError) -> Bool {
    try await database.read { db in try db.isAwaited(original: sha256) }
  }

  /// Records that all files of recordings were verified, and clears their damage, unless other damage was found since.
  ///
  /// - Parameter verified: the rows as they were when the files were read.
  package func recordVerified(_ verified: [RecordingRow], at moment: Instant) async throws(TapedeckError) {
    guard !verified.isEmpty else { return }
    try await database.write { db in
      for row in verified {
        try db.execute(
          """
          UPDATE recording SET verified_at = \(moment), damage = NULL
          WHERE id = \(row.id) AND coalesce(damage, '') = \(try row.damage?.stored() ?? "")
          """)
      }
    }
  }
}

extension Connection {
  func knowsObjects() throws(TapedeckError) -> Bool {
    for table in ["object", "object_removal"] as [SQL] {
      if try row("SELECT 1 AS found FROM \(table) LIMIT 1") != nil { return true }
    }
    return false
  }

  func isAwaited(original sha256: String) throws(TapedeckError) -> Bool {
    try row(
      """
      SELECT 1 AS found FROM job_part p JOIN job j ON j.id = p.job_id
      WHERE p.sha256 = \(sha256) AND j.run_state IN \(literals: RunState.unfinished) AND j.stage = \(literal: Stage.processing)
      LIMIT 1
      """) != nil
  }

  fileprivate func archivedRecordings(_ condition: SQL) throws(TapedeckError) -> [ArchivedRecording] {
    var found: [ArchivedRecording] = []
    let rows = try rows(
      "SELECT id, source, platform_id, coalesce(verified_at, archived_at) AS verified FROM recording WHERE \(condition)"
    )
    for row in rows { found.append(try ArchivedRecording(row)) }
    return found
  }
}
