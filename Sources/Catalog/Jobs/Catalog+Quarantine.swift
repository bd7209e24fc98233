package import Model

/// A file that was refused, and what was decided about it.
package struct QuarantineRow: Sendable {
  package enum State: String, Sendable, CaseIterable {
    /// The file is in quarantine, and nothing is decided.
    case kept
    /// A user accepted the file: it is archived as it is.
    case accepted
    /// A user discarded the file: it is removed.
    case discarded
  }

  package var id: Int64
  package var key: RecordingKey
  /// The part of the recording, counted from 0.
  package var part: Int
  package var quarantinedAt: Instant
  /// Why it was refused.
  package var code: TapedeckError.Code
  package var reason: String
  package var content: ObjectContent
  /// The platform's duration of the call in seconds; nil when it reports none.
  package var platformSeconds: Int?
  /// The spool that belongs to the quarantine folder, so that other nodes know that the file is not theirs.
  package var spoolID: String
  /// The node whose quarantine folder has the file: its host name and the path of the folder.
  package var node: String
  /// The name of the file in the quarantine folder, without its ending.
  package var file: String
  package var state: State
  package var decidedAt: Instant?
  package var decidedBy: String?
  /// The reason that the user gave.
  package var decision: String?
  /// Of the recording; nil while the catalog does not know the recording.
  package var privacy: Privacy?

  /// The path of the file on its node.
  package var path: String {
    let folder = node.firstIndex(of: ":").map { node[node.index(after: $0)...] } ?? node[...]
    return "\(folder)/\(Self.fileName(file))"
  }

  /// The name of a file in a quarantine folder with its ending.
  package static func fileName(_ name: String) -> String { "\(name)\(ending)" }
  private static let ending = ".bin"

  /// The reverse of `fileName`; nil for a file with another ending.
  package static func name(ofFile file: String) -> String? {
    file.hasSuffix(ending) ? String(file.dropLast(ending.count)) : nil
  }
}

extension Catalog {
  /// Adds a file that was refused. When its bytes were accepted before and cannot be converted, their
  /// row is open again, and the copy in the object store is removed later.
  ///
  /// - Returns: the name under which the bytes belong in the quarantine folder. It is not `file` when this spool
  ///   already has a row for the same bytes of the recording; after a crash, that row may be without its file.
  @discardableResult
  package func addToQuarantine(
    _ key: RecordingKey, part: Int = 0, because error: TapedeckError, content: ObjectContent, spoolID: String,
    node: String, file: String
  ) async throws(TapedeckError) -> String {
    try await database.write { db in
      let same: [SQL] = [
        "q.source = \(key.source)", "q.platform_id = \(key.id)", "q.sha256 = \(content.hash)",
      ]
      if let kept = try db.quarantine(same + ["q.state = 'kept'", "q.spool = \(spoolID)"], limit: 1).first {
        return kept.file
      }
      if let accepted = try db.quarantine(same + ["q.state = 'accepted'"], limit: 1).first {
        try db.execute(
          """
          UPDATE quarantine SET state = 'kept', quarantined_at = tapedeck_now_ms(), code = \(error.code),
            reason = \(error.storedMessage), spool = \(spoolID), node = \(node), file = \(file), decided_at = NULL,
            decided_by = NULL, decision = NULL
          WHERE id = \(accepted.id)
          """)
        try db.removeAcceptedCopy(of: key, content.hash)
        return file
      }
      let duration = try db.recording(key)?.facts.durationSeconds
      try db.execute(
        """
        INSERT INTO quarantine (source, platform_id, part, quarantined_at, code, reason, sha256, bytes, platform_duration_s,
          spool, node, file, state)
        VALUES (\(key.source), \(key.id), \(part), tapedeck_now_ms(), \(error.code), \(error.storedMessage),
          \(content.hash), \(content.bytes), \(duration), \(spoolID), \(node), \(file), 'kept')
        """)
      return file
    }
  }

  /// Files that were refused, newest first, of recordings whose facts are visible.
  ///
  /// - Parameters:
  ///   - decided: whether files that were accepted or discarded are included.
  ///   - before: only entries with a smaller ID.
  package func quarantine(
    visibleTo visibility: Visibility, decided: Bool, before: Int64? = nil, limit: Int
  ) async throws(TapedeckError) -> [QuarantineRow] {
    try await database.read { db in
      var conditions = visibility.quarantineConditions
      if !decided { conditions.append("q.state = 'kept'") }
      if let before { conditions.append("q.id < \(before)") }
      return try db.quarantine(conditions, limit: limit)
    }
  }

  /// - Throws: `notFound`, including when the recording's facts are not visible.
  package func quarantined(
    _ id: Int64, visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> QuarantineRow {
    try await database.read { db in
      guard let row = try db.quarantine(visibility.quarantineConditions + ["q.id = \(id)"], limit: 1).first else {
        throw TapedeckError.unknownQuarantinedFile
      }
      return row
    }
  }

  /// The latest undecided file of a recording; nil when there is none, or when its facts are not visible.
  package func undecidedFile(
    of key: RecordingKey, visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> QuarantineRow? {
    try await database.read { db in
      try db.quarantine(
        visibility.quarantineConditions + [
          "q.source = \(key.source)", "q.platform_id = \(key.id)", "q.state = 'kept'",
        ], limit: 1
      ).first
    }
  }

  /// The latest acceptance of these bytes for a recording; nil when there is none.
  package func acceptance(of key: RecordingKey, _ hash: ContentHash) async throws(TapedeckError) -> QuarantineRow? {
    try await database.read { db in
      try db.quarantine(
        [
          "q.source = \(key.source)", "q.platform_id = \(key.id)", "q.sha256 = \(hash)", "q.state = 'accepted'",
        ], limit: 1
      ).first
    }
  }

  /// Accepts a quarantined file: its job continues after the download, with the bytes from the object
  /// store.
  ///
  /// - Throws: `jobEnded` when a decision was already made, or when the recording is archived; `alreadyExists` while
  ///   another job works on the recording; `unauthenticated` or `insufficientPermissions` when the entry's actor may no
  ///   longer decide.
  package func acceptQuarantined(
    _ id: Int64, part: JobPart, reason: String, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await database.write { db in
      try db.require(.manageJobs, of: entry.actor)
      let row = try db.decide(id, .accepted, reason: reason, by: requester)
      if try db.isWhole(row.key) {
        throw TapedeckError(.jobEnded, "The recording is archived already. Discard the quarantined file.")
      }
      if let job = try db.job(of: row.key) {
        guard [.failed, .cancelled, .done].contains(job.runState) else {
          throw TapedeckError(.alreadyExists, "A job is working on this recording. Wait until it ends, or cancel it.")
        }
        try db.restart(job.id, clearance: max(job.clearance, clearance), by: requester)
      } else {
        try db.execute(
          """
          INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, requested_by, due_at)
          VALUES ('ingest', \(row.key.source), \(row.key.id), \(Stage.queued), \(RunState.idle), \(clearance),
            tapedeck_now_ms(), \(requester), tapedeck_now_ms())
          """)
      }
      guard let job = try db.job(of: row.key) else { throw TapedeckError(.catalogFailed, detail: "job row vanished") }
      try db.execute("UPDATE job SET stage = \(Stage.processing) WHERE id = \(job.id)")
      try db.store(part, of: job.id)
      try db.refreshListedStatus(of: row.key)
      try db.insert(entry)
      db.notify(.workDue)
      db.notify(.job(job.id))
      return try db.job(of: row.key) ?? job
    }
  }

  /// The names, among some quarantined files of a spool, of those that were accepted or discarded.
  package func decidedQuarantine(_ files: [String], spoolID: String) async throws(TapedeckError) -> [String] {
    try await database.read { db in
      try files.filter { file throws(TapedeckError) in
        try db.row(
          "SELECT 1 AS found FROM quarantine WHERE spool = \(spoolID) AND file = \(file) AND state <> 'kept'")
          != nil
      }
    }
  }

  /// Notes that a quarantined file is discarded; the caller removes it afterwards.
  ///
  /// - Throws: `jobEnded` when a decision was already made; `unauthenticated` or `insufficientPermissions` when the
  ///   entry's actor may no longer decide.
  package func discardQuarantined(
    _ id: Int64, reason: String, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.require(.manageJobs, of: entry.actor)
      _ = try db.decide(id, .discarded, reason: reason, by: requester)
      try db.insert(entry)
    }
  }
}

extension Visibility {
  fileprivate var quarantineConditions: [SQL] {
    conditions(showing: .facts, source: "q.source", privacy: "coalesce(r.privacy, 'standard')")
  }
}

extension Connection {
  fileprivate func quarantine(_ conditions: [SQL], limit: Int) throws(TapedeckError) -> [QuarantineRow] {
    try rows(
      """
      SELECT q.*, r.privacy AS recording_privacy
      FROM quarantine q LEFT JOIN recording r ON r.platform_id = q.platform_id AND r.source = q.source
      WHERE \(SQL.all(conditions)) ORDER BY q.id DESC LIMIT \(limit)
      """
    ).map { row throws(TapedeckError) in
      guard let hash = ContentHash(rawValue: try row.text("sha256")) else {
        throw TapedeckError(.catalogFailed, detail: "a quarantined file has a malformed hash")
      }
      return QuarantineRow(
        id: try row.int("id"), key: try row.recordingKey(), part: Int(try row.int("part")),
        quarantinedAt: try row.instant("quarantined_at"), code: row.optionalErrorCode("code") ?? .incompleteRecording, reason: try row.text("reason"),
        content: ObjectContent(hash: hash, bytes: try row.int("bytes")),
        platformSeconds: row.optionalInt("platform_duration_s").map { Int($0) }, spoolID: try row.text("spool"),
        node: try row.text("node"), file: try row.text("file"),
        state: try row.value("state", as: QuarantineRow.State.self),
        decidedAt: row.optionalInstant("decided_at"), decidedBy: row.optionalText("decided_by"),
        decision: row.optionalText("decision"),
        privacy: row.optionalValue("recording_privacy", as: Privacy.self))
    }
  }

  /// Schedules the removal of the object that an acceptance stored, unless a recording refers to it.
  fileprivate func removeAcceptedCopy(of key: RecordingKey, _ hash: ContentHash) throws(TapedeckError) {
    guard let recording = try self.recording(key),
      let name = try row(
        """
        SELECT name FROM object o WHERE kind <> \(ObjectName.Kind.peaks.rawValue) AND sha256 = \(hash)
          AND NOT EXISTS (SELECT 1 FROM object_removal m WHERE m.name = o.name)
        """)?.value("name", as: ObjectName.self)
    else { return }
    try scheduleRemoval(of: [name], lastOf: recording.id)
  }

  /// Records a decision, once.
  fileprivate func decide(
    _ id: Int64, _ state: QuarantineRow.State, reason: String, by requester: String
  ) throws(TapedeckError) -> QuarantineRow {
    let count = try execute(
      """
      UPDATE quarantine SET state = \(state.rawValue), decided_at = tapedeck_now_ms(), decided_by = \(requester),
        decision = \(reason)
      WHERE id = \(id) AND state = 'kept'
      """)
    guard let row = try quarantine(["q.id = \(id)"], limit: 1).first else {
      throw TapedeckError.unknownQuarantinedFile
    }
    guard count == 1 else { throw TapedeckError(.jobEnded, "This file was already \(row.state.rawValue).") }
    return row
  }
}
