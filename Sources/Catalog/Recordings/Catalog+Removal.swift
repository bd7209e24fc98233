package import Model

/// The removal of objects that no recording refers to any more.
///
/// A commit that drops the last reference schedules the removal (`scheduleRemoval`). When it is due, `beginRemoval`
/// checks the references again and deletes the object's row in one transaction, so that no later ingest can find the
/// object; only then is the file deleted, and `endRemoval` deletes the removal. After a crash in between the removal is
/// still there and is repeated.
extension Catalog {
  /// How long an object stays after its last reference was dropped.
  ///
  /// Readers finish meanwhile, and a catalog restored from yesterday's backup still finds its objects.
  package static let removalGrace = Duration.seconds(86_400)

  /// Objects whose removal is due or has started, the longest due first.
  package func dueRemovals(limit: Int) async throws(TapedeckError) -> [ObjectName] {
    try await database.read { db in
      var names: [ObjectName] = []
      for row in try db.rows(
        "SELECT name FROM object_removal WHERE due_at <= tapedeck_now_ms() ORDER BY due_at, name LIMIT \(limit)")
      { names.append(try row.value("name", as: ObjectName.self)) }
      return names
    }
  }

  /// Decides whether an object may be deleted now, and logs the removal when it starts.
  ///
  /// - Returns: false when the object is needed: the removal was cancelled or postponed. When true, the object's name
  ///   is never used again, and the caller deletes the file and calls `endRemoval`.
  package func beginRemoval(_ name: ObjectName) async throws(TapedeckError) -> Bool {
    try await database.write { db in
      let row = try db.row(
        """
        SELECT m.sha256, m.bytes, m.started_at, r.source, r.platform_id,
          CASE WHEN \(isReferenced("m.name")) THEN 1 ELSE 0 END AS referenced
        FROM object_removal m JOIN recording r ON r.id = m.recording_id
        WHERE m.name = \(name) AND m.due_at <= tapedeck_now_ms()
        """)
      guard let row else { return false }
      if row.optionalInstant("started_at") != nil { return true }
      if try row.int("referenced") == 1 {
        try db.execute("DELETE FROM object_removal WHERE name = \(name)")
        return false
      }
      let hash = try row.value("sha256", as: ContentHash.self)
      if name.kind != .peaks, try db.isAwaited(original: hash.rawValue) {
        try db.postponeRemoval(of: name)
        return false
      }
      let now = try db.now()
      try db.execute("DELETE FROM object WHERE name = \(name)")
      try db.execute("UPDATE object_removal SET started_at = \(now) WHERE name = \(name)")
      try db.insert(
        LogEntry(
          at: now, action: .removeObject, outcome: .allowed, actor: nil, recording: try row.recordingKey(),
          count: try row.int("bytes"), details: ["object": name.description, "sha256": hash.rawValue]))
      return true
    }
  }

  /// Records that the file of an object is deleted.
  package func endRemoval(_ name: ObjectName) async throws(TapedeckError) {
    _ = try await database.write(.readCommitted) { db in
      try db.execute("DELETE FROM object_removal WHERE name = \(name) AND started_at IS NOT NULL")
    }
  }
}

extension Connection {
  /// Schedules the removal of those objects that no recording refers to any more.
  ///
  /// - Parameter recordingID: the recording that referred to them last; the access log names it.
  func scheduleRemoval(of names: Set<ObjectName>, lastOf recordingID: Int64) throws(TapedeckError) {
    for name in names {
      try execute(
        """
        INSERT INTO object_removal (name, sha256, bytes, recording_id, due_at)
        SELECT name, sha256, bytes, \(recordingID), tapedeck_now_ms() + \(Catalog.removalGrace.milliseconds)
        FROM object WHERE name = \(name) AND NOT \(isReferenced("object.name"))
        """)
    }
  }

  /// Gives an object a new grace period if its removal is scheduled and has not started.
  func postponeRemoval(of name: ObjectName) throws(TapedeckError) {
    try execute(
      """
      UPDATE object_removal SET due_at = tapedeck_now_ms() + \(Catalog.removalGrace.milliseconds)
      WHERE name = \(name) AND started_at IS NULL
      """)
  }
}
