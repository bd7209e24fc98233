package import Model

/// A recording of the archive in the order in which verifications take them.
package struct ArchivedRecording: Sendable, Equatable {
  /// The row's number; grows with each recording.
  package var id: Int64
  package var key: RecordingKey
  /// When its bytes were last compared with the catalog, or else written.
  package var verifiedAt: Instant

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    verifiedAt = try row.instant("verified")
  }
}

/// The objects of one folder that rows refer to.
package struct ObjectReferences: Sendable {
  /// How many bytes each must have.
  package var bytes: [String: Int64]
  /// Whether a worker may have stored objects that it has not committed yet.
  package var isStoring: Bool
}

extension Catalog {
  /// What is in the archive, in the order of row numbers.
  ///
  /// - Parameter id: only those with a greater number.
  package func archivedRecordings(
    of source: SourceID? = nil, after id: Int64, limit: Int
  ) async throws(TapedeckError) -> [ArchivedRecording] {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL AND id > \(id)"
      if let source { condition += " AND source = \(source)" }
      return try db.archivedRecordings("\(condition) ORDER BY id LIMIT \(limit)")
    }
  }

  /// What was not verified since a moment, the longest unverified first.
  ///
  /// - Parameter last: where an earlier page ended.
  package func unverifiedRecordings(
    since moment: Instant, after last: ArchivedRecording? = nil, limit: Int
  ) async throws(TapedeckError) -> [ArchivedRecording] {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL AND coalesce(verified_at, archived_at) < \(moment)"
      if let last {
        // The first comparison follows from the second; with it alone the index is entered in the middle.
        condition += " AND coalesce(verified_at, archived_at) >= \(last.verifiedAt)"
        condition += " AND (coalesce(verified_at, archived_at), id) > (\(last.verifiedAt), \(last.id))"
      }
      return try db.archivedRecordings(
        "\(condition) ORDER BY coalesce(verified_at, archived_at), id LIMIT \(limit)")
    }
  }

  /// How many recordings are in the archive.
  package func archivedCount(of source: SourceID? = nil) async throws(TapedeckError) -> Int64 {
    try await database.read { db in
      var condition: SQL = "archived_at IS NOT NULL"
      if let source { condition += " AND source = \(source)" }
      return try db.row("SELECT count(*) AS number FROM recording WHERE \(condition)")?.int("number") ?? 0
    }
  }

  /// How many recordings are known to be damaged.
  package func damagedCount() async throws(TapedeckError) -> Int64 {
    try await database.read { db in
      try db.row("SELECT count(*) AS number FROM recording WHERE damage IS NOT NULL")?.int("number") ?? 0
    }
  }

  /// Recordings that are known to be damaged and that nobody is working on, with what their last repair failed of.
  package func damagedRecordings(
    after id: Int64, limit: Int
  ) async throws(TapedeckError) -> [(recording: ArchivedRecording, failure: TapedeckError.Code?)] {
    try await database.read { db in
      try db.rows(
        """
        SELECT r.id, r.source, r.platform_id, coalesce(r.verified_at, r.archived_at) AS verified, j.failure_code
        FROM recording r LEFT JOIN job j ON j.kind = 'ingest' AND j.source = r.source AND j.platform_id = r.platform_id
        WHERE r.damage IS NOT NULL AND r.archived_at IS NOT NULL AND r.id > \(id)
          AND (j.id IS NULL OR j.run_state IN ('done', 'failed'))
        ORDER BY r.id LIMIT \(limit)
        """
      ).map { row in
        (
          try ArchivedRecording(row),
          row.optionalText("failure_code").map { TapedeckError.Code(rawValue: $0) ?? .internalError }
        )
      }
    }
  }

  /// The recordings that have one of these objects among their files.
  package func recordings(
    referringTo keys: Set<String>
  ) async throws(TapedeckError) -> [(recording: RecordingRow, parts: [MediaPart])] {
    guard !keys.isEmpty else { return [] }
    return try await database.read { db in
      let list = SQL.list(keys.sorted())
      return try db.rows(
        """
        SELECT * FROM recording WHERE id IN (
          SELECT recording_id FROM media_part WHERE original_key IN \(list)
          UNION SELECT recording_id FROM media_part WHERE mp3_key IN \(list)
          UNION SELECT recording_id FROM media_part WHERE peaks_key IN \(list)) ORDER BY id
        """
      ).map { row in
        let recording = try RecordingRow(row)
        return (recording, try db.parts(of: recording.id))
      }
    }
  }

  /// Which objects of a folder (`00` to `ff`) rows refer to, in one view with whether more may be about to come.
  package func objectReferences(inFolder folder: String) async throws(TapedeckError) -> ObjectReferences {
    // A key repeats its folder's two digits. With them the bounds differ in letters and digits alone, so that they mean
    // the same in databases that compare bytes and in those that compare as people do.
    let from = "\(folder)/\(folder)"
    let to = from.dropLast() + nextDigit(after: folder)
    return try await database.read { db in
      var bytes: [String: Int64] = [:]
      for (column, length) in [
        ("original_key", "source_bytes"), ("mp3_key", "mp3_bytes"), ("peaks_key", "peaks_bytes"),
      ] as [(SQL, SQL)] {
        let rows = try db.rows(
          """
          SELECT \(column) AS object, \(length) AS length FROM media_part
          WHERE \(column) >= \(from) AND \(column) < \(String(to))
          """)
        for row in rows { bytes[try row.text("object")] = try row.int("length") }
      }
      let storing = try db.row(
        "SELECT 1 AS found FROM job WHERE run_state = 'leased' AND stage = 'processing' LIMIT 1")
      return ObjectReferences(bytes: bytes, isStoring: storing != nil)
    }
  }

  /// Whether a job that is not at its end has written down that its original has this hash.
  package func isAwaited(original sha256: String) async throws(TapedeckError) -> Bool {
    try await database.read { db in
      try db.row(
        """
        SELECT 1 AS found FROM job
        WHERE run_state IN ('idle', 'leased', 'waiting') AND stage = 'processing' AND download LIKE \("%\(sha256)%")
        LIMIT 1
        """) != nil
    }
  }

  /// Notes that recordings were read back whole. One that was found damaged meanwhile stays so.
  ///
  /// - Parameter whole: the rows as they were when their files were read.
  package func noteWhole(_ whole: [RecordingRow], at moment: Instant) async throws(TapedeckError) {
    guard !whole.isEmpty else { return }
    try await database.write { db in
      for row in whole {
        try db.execute(
          """
          UPDATE recording SET verified_at = \(moment), damage = NULL
          WHERE id = \(row.id) AND coalesce(damage, '') = \(row.damage ?? "")
          """)
      }
    }
  }
}

private func nextDigit(after folder: String) -> String {
  switch folder.last {
  case "9": "a"
  case let digit?: String(UnicodeScalar(min(digit.asciiValue ?? 0, 0x7E) + 1))
  case nil: ""
  }
}

extension Connection {
  fileprivate func archivedRecordings(_ condition: SQL) throws(TapedeckError) -> [ArchivedRecording] {
    var found: [ArchivedRecording] = []
    let rows = try rows(
      "SELECT id, source, platform_id, coalesce(verified_at, archived_at) AS verified FROM recording WHERE \(condition)"
    )
    for row in rows { found.append(try ArchivedRecording(row)) }
    return found
  }
}
