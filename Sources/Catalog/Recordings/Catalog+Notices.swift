package import Model

/// A notice for a person: the platform has erased the addresses of a call whose recording is stored here. Whether the
/// recording is erased too, or kept under a hold, is for that person to decide; nothing is deleted automatically.
package struct NoticeRow: Sendable, Equatable {
  package var id: Int64
  package var key: RecordingKey
  package var openedAt: Instant
  /// Nil while nothing is decided.
  package var closedAt: Instant?
  package var closedBy: String?
  /// What was decided, in the words of the person who closed it.
  package var decision: String?
  /// Of the recording.
  package var privacy: Privacy
}

extension TapedeckError {
  package static let unknownNotice = TapedeckError(
    .notFound, "There is no such notice. 'tapedeck notices list' and the page Notices show their numbers.")
}

extension Catalog {
  /// Opens a notice for each recording whose addresses the platform has erased, unless it had one before.
  ///
  /// - Parameter page: rows of a list; those of recordings that the catalog does not know are ignored.
  package func openNotices(for page: [PlatformRecording], of source: SourceID) async throws(TapedeckError) {
    guard page.contains(where: \.isAnonymized) else { return }
    try await database.write { db in try db.openNotices(for: page, of: source) }
  }

  /// Notices, newest first, about recordings whose facts are visible.
  ///
  /// - Parameters:
  ///   - closed: whether closed notices are included.
  ///   - before: only notices with a smaller ID.
  package func notices(
    visibleTo visibility: Visibility, closed: Bool, before: Int64? = nil, limit: Int
  ) async throws(TapedeckError) -> [NoticeRow] {
    try await database.read { db in
      var conditions = visibility.conditions(showing: .facts)
      if !closed { conditions.append("n.closed_at IS NULL") }
      if let before { conditions.append("n.id < \(before)") }
      return try db.notices(conditions, limit: limit)
    }
  }

  /// The number of open notices about recordings whose facts are visible.
  package func openNoticeCount(visibleTo visibility: Visibility) async throws(TapedeckError) -> Int {
    try await database.read { db in
      let row = try db.row(
        """
        SELECT count(*) AS count FROM notice n JOIN recording r ON r.id = n.recording_id
        WHERE \(SQL.all(visibility.conditions(showing: .facts) + ["n.closed_at IS NULL"]))
        """)
      return Int(try row?.int("count") ?? 0)
    }
  }

  /// - Throws: `notFound`, including when the recording's facts are not visible.
  package func notice(_ id: Int64, visibleTo visibility: Visibility) async throws(TapedeckError) -> NoticeRow {
    try await database.read { db in
      guard let row = try db.notices(visibility.conditions(showing: .facts) + ["n.id = \(id)"], limit: 1).first else {
        throw TapedeckError.unknownNotice
      }
      return row
    }
  }

  /// Closes a notice. The recording stays as it is.
  ///
  /// - Throws: `alreadyExists` when it is closed; `unauthenticated` or `insufficientPermissions` when the entry's actor
  ///   may no longer close it.
  package func closeNotice(
    _ id: Int64, decision: String, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.require(.manageNotices, of: entry.actor)
      let count = try db.execute(
        """
        UPDATE notice SET closed_at = tapedeck_now_ms(), closed_by = \(requester), decision = \(decision)
        WHERE id = \(id) AND closed_at IS NULL
        """)
      guard count == 1 else { throw TapedeckError(.alreadyExists, "This notice is closed already.") }
      try db.insert(entry)
    }
  }
}

extension Connection {
  /// Opens a notice for each of these recordings that is known, has erased addresses and never had a notice. The
  /// platform lists such a call again and again; a closed notice stays closed.
  func openNotices(for page: [PlatformRecording], of source: SourceID) throws(TapedeckError) {
    let ids = Set(page.filter(\.isAnonymized).map(\.id))
    guard !ids.isEmpty else { return }
    let recordings = try rows(
      """
      SELECT r.id, r.source, r.platform_id FROM recording r
      WHERE r.source = \(source) AND r.platform_id IN \(SQL.list(ids.sorted { $0.rawValue < $1.rawValue }))
        AND r.tombstoned_at IS NULL AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.recording_id = r.id)
      ORDER BY r.id
      """)
    for row in recordings {
      let id = try row.int("id")
      try execute("INSERT INTO notice (recording_id, opened_at) VALUES (\(id), tapedeck_now_ms())")
      try insert(
        LogEntry(at: try now(), action: .openNotice, outcome: .allowed, actor: nil, recording: try row.recordingKey()))
    }
  }

  fileprivate func notices(_ conditions: [SQL], limit: Int) throws(TapedeckError) -> [NoticeRow] {
    try rows(
      """
      SELECT n.id, n.opened_at, n.closed_at, n.closed_by, n.decision, r.source, r.platform_id, r.privacy
      FROM notice n JOIN recording r ON r.id = n.recording_id
      WHERE \(SQL.all(conditions)) ORDER BY n.id DESC LIMIT \(limit)
      """
    ).map { row throws(TapedeckError) in
      NoticeRow(
        id: try row.int("id"), key: try row.recordingKey(), openedAt: try row.instant("opened_at"),
        closedAt: row.optionalInstant("closed_at"), closedBy: row.optionalText("closed_by"),
        decision: row.optionalText("decision"), privacy: try row.value("privacy", as: Privacy.self))
    }
  }
}
