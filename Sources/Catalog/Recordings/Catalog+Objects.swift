package import Model

/// The objects of one folder as the catalog knows them.
package struct KnownObjects: Sendable {
  /// Objects that recordings refer to, and how many bytes each must have.
  package var referenced: [ObjectName: Int64] = [:]
  /// Objects whose removal is scheduled or has started.
  package var removing: Set<ObjectName> = []
  /// Objects that were reserved for an ingest and are not referenced, at least not yet.
  package var reserved: [ObjectName: Reservation] = [:]
  /// Whether a worker may be storing objects that it has not committed yet.
  package var isStoring = false

  package struct Reservation: Sendable, Equatable {
    package var hash: ContentHash
    /// When an ingest last asked for the name.
    package var at: Instant

    package init(hash: ContentHash, at: Instant) {
      self.hash = hash
      self.at = at
    }
  }
}

extension Catalog {
  /// Gives each content the name under which it is to be stored, in the order given. Equal content has one name.
  ///
  /// Call it before the object is written: an object whose name has no row is an orphan. A scheduled removal of the
  /// same content is postponed; the commit that refers to the object cancels it.
  package func reserve(
    _ files: [(kind: ObjectName.Kind, content: ObjectContent)]
  ) async throws(TapedeckError) -> [ObjectName] {
    // Each statement writes the row that a removal deletes, so one of the two waits for the other.
    try await database.write(.readCommitted) { db in
      var names: [ObjectName] = []
      for file in files {
        let row = try db.row(
          """
          INSERT INTO object (name, kind, sha256, bytes, reserved_at)
          VALUES (\(ObjectName.random(file.kind)), \(file.kind.rawValue), \(file.content.hash), \(file.content.bytes),
            tapedeck_now_ms())
          ON CONFLICT (kind, sha256) DO UPDATE SET reserved_at = excluded.reserved_at
          RETURNING name
          """)
        guard let row else { throw TapedeckError(.catalogFailed, detail: "object row vanished") }
        let name = try row.value("name", as: ObjectName.self)
        try db.postponeRemoval(of: name)
        names.append(name)
      }
      return names
    }
  }

  /// The object with this content; nil when there is none, even when its removal has started.
  package func object(_ kind: ObjectName.Kind, _ hash: ContentHash) async throws(TapedeckError) -> ObjectName? {
    try await database.read { db in
      try db.row("SELECT name FROM object WHERE kind = \(kind.rawValue) AND sha256 = \(hash)")?
        .value("name", as: ObjectName.self)
    }
  }

  /// The object with the content of an original, in whatever container; nil when there is none.
  package func original(_ hash: ContentHash) async throws(TapedeckError) -> ObjectName? {
    try await database.read { db in
      try db.row(
        "SELECT name FROM object WHERE kind <> \(ObjectName.Kind.peaks.rawValue) AND sha256 = \(hash) LIMIT 1")?
        .value("name", as: ObjectName.self)
    }
  }

  /// What each object of a folder (`00` to `ff`) must hold.
  package func objectContents(inFolder folder: String) async throws(TapedeckError) -> [ObjectName: ObjectContent] {
    try await database.read { db in
      var contents: [ObjectName: ObjectContent] = [:]
      for row in try db.rows("SELECT name, sha256, bytes FROM object WHERE \(isInFolder(folder, "name"))") {
        contents[try row.value("name", as: ObjectName.self)] = ObjectContent(
          hash: try row.value("sha256", as: ContentHash.self), bytes: try row.int("bytes"))
      }
      return contents
    }
  }

  /// The objects of a folder (`00` to `ff`) and whether more may be committed soon, from one snapshot.
  package func knownObjects(inFolder folder: String) async throws(TapedeckError) -> KnownObjects {
    try await database.read { db in
      var known = KnownObjects()
      let removals = try db.rows("SELECT name FROM object_removal WHERE \(isInFolder(folder, "name"))")
      for row in removals { known.removing.insert(try row.value("name", as: ObjectName.self)) }
      let rows = try db.rows(
        """
        SELECT name, sha256, bytes, reserved_at, CASE WHEN \(isReferenced("object.name")) THEN 1 ELSE 0 END AS referenced
        FROM object WHERE \(isInFolder(folder, "name"))
        """)
      for row in rows {
        let name = try row.value("name", as: ObjectName.self)
        if try row.int("referenced") == 1 {
          known.referenced[name] = try row.int("bytes")
        } else if !known.removing.contains(name) {
          known.reserved[name] = .init(
            hash: try row.value("sha256", as: ContentHash.self), at: try row.instant("reserved_at"))
        }
      }
      let storing = try db.row(
        """
        SELECT 1 AS found FROM job
        WHERE run_state = \(literal: RunState.leased) AND stage = \(literal: Stage.processing) LIMIT 1
        """)
      known.isStoring = storing != nil
      return known
    }
  }

  /// Deletes an unused reservation, so that its name is never used again.
  ///
  /// - Returns: false when the object was reserved again or is referenced; the row is then kept.
  package func deleteReservation(
    _ name: ObjectName, _ reservation: KnownObjects.Reservation
  ) async throws(TapedeckError) -> Bool {
    try await database.write { db in
      let count = try db.execute(
        """
        DELETE FROM object WHERE name = \(name) AND reserved_at = \(reservation.at)
          AND NOT \(isReferenced("object.name")) AND NOT EXISTS (SELECT 1 FROM object_removal WHERE name = \(name))
        """)
      return count == 1
    }
  }

  /// Whether the catalog has an object's name, including one whose removal has started.
  package func hasObject(_ name: ObjectName) async throws(TapedeckError) -> Bool {
    try await database.read { db in
      try db.row(
        """
        SELECT 1 AS found FROM object WHERE name = \(name)
        UNION ALL SELECT 1 FROM object_removal WHERE name = \(name) LIMIT 1
        """) != nil
    }
  }
}

extension Connection {
  /// Checks that the objects of a commit still exist, and cancels their scheduled removals.
  ///
  /// - Throws: `storageFailed` when a removal has started or the reservation was dropped since the objects were stored.
  func keep(_ names: Set<ObjectName>) throws(TapedeckError) {
    guard !names.isEmpty else { return }
    let list = SQL.list(names)
    let found = try row("SELECT count(*) AS number FROM object WHERE name IN \(list)")?.int("number")
    guard found == Int64(names.count) else {
      throw TapedeckError(.storageFailed, detail: "an object was removed before it was committed")
    }
    try execute("DELETE FROM object_removal WHERE name IN \(list)")
  }
}

/// Whether any recording refers to the object whose name is the expression `name`.
func isReferenced(_ name: SQL) -> SQL {
  """
  (EXISTS (SELECT 1 FROM media_part WHERE original_object = \(name))
    OR EXISTS (SELECT 1 FROM media_part WHERE mp3_object = \(name))
    OR EXISTS (SELECT 1 FROM media_part WHERE peaks_object = \(name))
    OR EXISTS (SELECT 1 FROM joined_media WHERE mp3_object = \(name))
    OR EXISTS (SELECT 1 FROM joined_media WHERE peaks_object = \(name)))
  """
}

/// Whether a column holds the name of an object in a folder.
private func isInFolder(_ folder: String, _ column: SQL) -> SQL {
  // A name repeats its folder's two digits. With them the bounds differ only in letters and digits, so that databases
  // that compare bytes and those that use a collation agree.
  let from = "\(folder)/\(folder)"
  let to = from.dropLast() + nextDigit(after: folder)
  return "\(column) >= \(from) AND \(column) < \(String(to))"
}

private func nextDigit(after folder: String) -> String {
  switch folder.last {
  case "9": "a"
  case let digit?: String(UnicodeScalar(min(digit.asciiValue ?? 0, 0x7E) + 1))
  case nil: ""
  }
}
