package import Model

/// The entries that a list of the access log is narrowed to.
package struct LogFilter: Sendable, Equatable {
  /// An actor's ID, the name of one as `nameKey` compares it, or `ownName`.
  package var who: String?
  package var action: LogEntry.Action?
  package var outcome: LogEntry.Outcome?
  package var recording: RecordingKey?
  /// The first moment of the interval; `to` is the first moment after it.
  package var from: Instant?
  package var to: Instant?

  package init() {}

  /// The name under which the server's own actions are found.
  package static let ownName = "Tapedeck"
  /// What the server does itself; entries of these actions without an actor are its own.
  package static let ownActions: [LogEntry.Action] = [
    .archive, .verify, .repair, .removeObject, .privacyChange, .ingest,
  ]
}

/// A stored entry of the access log.
package struct LoggedEntry: Sendable {
  package var id: Int64
  package var entry: LogEntry
  /// The stored bytes, which never change.
  package var canonical: [UInt8]
}

extension Catalog {
  /// Writes entries in one transaction; they are durable when this returns.
  ///
  /// - Returns: their IDs, in the same order.
  /// - Throws: `accessLogUnavailable`; the caller must then disclose nothing.
  @discardableResult
  package func log(_ entries: [LogEntry]) async throws(TapedeckError) -> [Int64] {
    do {
      return try await database.write(.readCommitted) { db in try entries.map { try db.insert($0) } }
    } catch {
      throw TapedeckError(.accessLogUnavailable, detail: error.detail ?? error.message, cause: error)
    }
  }

  /// Entries, newest first.
  ///
  /// - Parameter before: only entries with a smaller ID.
  package func logEntries(
    matching filter: LogFilter, before: Int64?, limit: Int
  ) async throws(TapedeckError) -> [LoggedEntry] {
    try await database.read { db in
      var condition: SQL = "1 = 1"
      if let before { condition += " AND e.id < \(before)" }
      if let who = filter.who {
        let actors = try db.actors(named: who)
        guard actors.isKnown else { return [] }
        var choices: [SQL] = actors.ids.isEmpty ? [] : ["e.actor_id IN \(SQL.list(actors.ids))"]
        if actors.hasServer {
          choices += LogFilter.ownActions.map { "(e.actor_id IS NULL AND e.action = \($0.rawValue))" }
        }
        condition += " AND (\(choices[0])"
        for choice in choices.dropFirst() { condition += " OR \(choice)" }
        condition += ")"
      }
      if let action = filter.action { condition += " AND e.action = \(action.rawValue)" }
      if let outcome = filter.outcome { condition += " AND e.outcome = \(outcome.rawValue)" }
      if let key = filter.recording { condition += " AND e.source = \(key.source) AND e.platform_id = \(key.id)" }
      if let from = filter.from { condition += " AND e.at >= \(from)" }
      if let to = filter.to { condition += " AND e.at < \(to)" }
      return try db.rows(
        """
        SELECT e.id, e.canonical, d.detail FROM log_entry e LEFT JOIN log_detail d ON d.entry_id = e.id
        WHERE \(condition) ORDER BY e.id DESC LIMIT \(limit)
        """
      ).map { row in
        let canonical = try row.bytes("canonical")
        return LoggedEntry(
          id: try row.int("id"),
          entry: try StoredEntry.entry(canonical: canonical, detail: row.optionalText("detail")),
          canonical: canonical)
      }
    }
  }

  /// How often each action on a recording was allowed; only actions that were.
  ///
  /// - Parameter actor: the ID of the actor whose actions count; nil for all.
  package func logCounts(
    of key: RecordingKey, by actor: String?
  ) async throws(TapedeckError) -> [LogEntry.Action: Int64] {
    try await database.read { db in
      var condition: SQL = "source = \(key.source) AND platform_id = \(key.id)"
      if let actor { condition += " AND actor_id = \(actor)" }
      var counts: [LogEntry.Action: Int64] = [:]
      let rows = try db.rows(
        """
        SELECT action, count(*) AS number FROM log_entry
        WHERE \(condition) AND outcome = \(LogEntry.Outcome.allowed.rawValue) GROUP BY action
        """)
      for row in rows { counts[try row.value("action", as: LogEntry.Action.self)] = try row.int("number") }
      return counts
    }
  }
}

extension Connection {
  /// Inserts one entry with its canonical bytes and its erasable details. The only statement that writes entries.
  ///
  /// - Returns: its ID.
  @discardableResult
  func insert(_ entry: LogEntry) throws(TapedeckError) -> Int64 {
    let stored = try StoredEntry(entry, salt: randomBytes(16))
    let row = try row(
      """
      INSERT INTO log_entry (at, action, outcome, actor_id, source, platform_id, canonical)
      VALUES (\(entry.at), \(entry.action.rawValue), \(entry.outcome.rawValue), \(entry.actor?.id),
        \(entry.recording?.source), \(entry.recording?.id), \(stored.canonical))
      RETURNING id
      """)
    guard let id = try row?.int("id") else { throw TapedeckError(.accessLogUnavailable) }
    try execute("INSERT INTO log_detail (entry_id, salt, detail) VALUES (\(id), \(stored.salt), \(stored.detail))")
    return id
  }
}
