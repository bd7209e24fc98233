package import Model

extension Catalog {
  /// Starts a back-fill; the entry is committed with it.
  package func startBackfill(
    of period: Period, from source: SourceID, direction: Direction?, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> Backfill {
    let id = makeOpaqueID("backfill")
    return try await database.write { db in
      try db.insert(entry)
      try db.execute(
        """
        INSERT INTO backfill (id, source, from_at, to_at, direction, reached_at, state, created_at, created_by)
        VALUES (\(id), \(source), \(period.start), \(period.end), \(direction), \(period.start),
          \(Backfill.State.running.rawValue), tapedeck_now_ms(), \(requester))
        """)
      try db.hasten(DutyKey(.backfill, of: source))
      guard let backfill = try db.backfill(id) else {
        throw TapedeckError(.catalogFailed, detail: "back-fill vanished")
      }
      return backfill
    }
  }

  /// The back-fills, the newest first.
  package func backfills(limit: Int = 100) async throws(TapedeckError) -> [Backfill] {
    try await database.read { db in
      try db.rows("\(backfillRows) ORDER BY b.created_at DESC, b.id LIMIT \(limit)").map(Backfill.init)
    }
  }

  package func backfill(_ id: String) async throws(TapedeckError) -> Backfill? {
    try await database.read { db in try db.backfill(id) }
  }

  /// Pauses, resumes or cancels a back-fill; the entry is committed with it. One that is in that state already is left
  /// as it is.
  ///
  /// - Throws: `notFound`, `invalidRequest` for one that has ended.
  package func setBackfill(
    _ id: String, to state: Backfill.State, entry: LogEntry
  ) async throws(TapedeckError) -> Backfill {
    try await database.write { db in
      guard let backfill = try db.backfill(id) else {
        throw TapedeckError(.notFound, "There is no back-fill of the id '\(id)'. See 'tapedeck backfill list'.")
      }
      if backfill.state == state { return backfill }
      guard backfill.state == .running || backfill.state == .paused else {
        throw TapedeckError(
          .invalidRequest, "This back-fill has ended: it is \(backfill.state.rawValue). Start another one.")
      }
      try db.insert(entry)
      let ended: SQL = state == .cancelled ? "tapedeck_now_ms()" : "NULL"
      try db.execute("UPDATE backfill SET state = \(state.rawValue), ended_at = \(ended) WHERE id = \(id)")
      try db.hasten(DutyKey(.backfill, of: backfill.source))
      return try db.backfill(id) ?? backfill
    }
  }

  // MARK: Whoever has the duty

  /// The back-fill of a source whose turn it is: the oldest that is running.
  package func nextBackfill(of source: SourceID) async throws(TapedeckError) -> Backfill? {
    try await database.read { db in
      try db.row(
        "\(backfillRows) WHERE b.source = \(source) AND b.state = 'running' ORDER BY b.created_at, b.id LIMIT 1"
      ).map(Backfill.init)
    }
  }

  /// Notes that everything up to a moment is listed; with `isListed` the whole span is.
  package func advanceBackfill(
    _ id: String, lease: DutyLease, to reached: Instant, isListed: Bool
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.advanceBackfill(id, lease: lease, to: reached, found: 0, queued: 0)
      if isListed { try db.execute("UPDATE backfill SET is_listed = 1 WHERE id = \(id)") }
    }
  }

  /// Ends a back-fill, with the reason where it failed.
  package func endBackfill(
    _ id: String, lease: DutyLease, because failure: TapedeckError? = nil
  ) async throws(TapedeckError) {
    try await database.write { db in
      let state: Backfill.State = failure == nil ? .done : .failed
      try db.updateBackfill(
        id, lease,
        """
        state = \(state.rawValue), ended_at = tapedeck_now_ms(), failure_code = \(failure?.code),
        failure = \(failure?.message)
        """)
    }
  }
}

/// Back-fills with the numbers of their jobs.
private let backfillRows: SQL = """
  SELECT b.*,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN ('idle', 'leased', 'waiting')) AS open,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN ('failed', 'cancelled')) AS failed,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN ('done', 'failed', 'cancelled')
      AND j.ended_at > tapedeck_now_ms() - 3600000) AS ended_lately
  FROM backfill b
  """

extension Connection {
  fileprivate func backfill(_ id: String) throws(TapedeckError) -> Backfill? {
    try row("\(backfillRows) WHERE b.id = \(id)").map(Backfill.init)
  }

  /// Changes a running back-fill whose duty is still held; anything else is `leaseLost`.
  fileprivate func updateBackfill(_ id: String, _ lease: DutyLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      """
      UPDATE backfill SET \(assignments)
      WHERE id = \(id) AND state = 'running' AND EXISTS (
        SELECT 1 FROM duty d WHERE d.name = 'backfill' AND d.source = \(lease.key.source) AND d.fence = \(lease.fence)
          AND d.lease_until IS NOT NULL)
      """)
    guard count == 1 else { throw TapedeckError(.leaseLost, "The back-fill is not running here any more.") }
  }

  func advanceBackfill(
    _ id: String, lease: DutyLease, to reached: Instant, found: Int, queued: Int
  ) throws(TapedeckError) {
    try updateBackfill(
      id, lease,
      """
      reached_at = CASE WHEN reached_at < \(reached) THEN \(reached) ELSE reached_at END, found = found + \(found),
      queued = queued + \(queued)
      """)
  }
}
