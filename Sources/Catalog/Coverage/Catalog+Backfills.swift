import Foundation
package import Model

extension Catalog {
  /// Starts a backfill and writes its log entry in the same transaction.
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
      try db.makeDue(TaskKey(.backfill, of: source))
      guard let backfill = try db.backfill(id) else {
        throw TapedeckError(.catalogFailed, detail: "backfill vanished")
      }
      return backfill
    }
  }

  /// The backfills, newest first.
  package func backfills(limit: Int = 100) async throws(TapedeckError) -> [Backfill] {
    try await database.read { db in
      try db.rows("\(backfillRows) ORDER BY b.created_at DESC, b.id LIMIT \(limit)").map(Backfill.init)
    }
  }

  package func backfill(_ id: String) async throws(TapedeckError) -> Backfill? {
    try await database.read { db in try db.backfill(id) }
  }

  /// Pauses, resumes or cancels a backfill and writes the log entry in the same transaction. Does nothing when it
  /// already has the state.
  ///
  /// - Throws: `notFound`; `invalidRequest` when it has ended.
  package func setBackfill(
    _ id: String, to state: Backfill.State, entry: LogEntry
  ) async throws(TapedeckError) -> Backfill {
    try await database.write { db in
      guard let backfill = try db.backfill(id) else {
        throw TapedeckError(.notFound, "There is no backfill with the ID '\(id)'. See 'tapedeck backfill list'.")
      }
      if backfill.state == state { return backfill }
      guard backfill.state == .running || backfill.state == .paused else {
        throw TapedeckError(
          .invalidRequest, "This backfill has ended: it is \(backfill.state.rawValue). Start a new one.")
      }
      try db.insert(entry)
      let ended: SQL = state == .cancelled ? "tapedeck_now_ms()" : "NULL"
      try db.execute("UPDATE backfill SET state = \(state.rawValue), ended_at = \(ended) WHERE id = \(id)")
      try db.makeDue(TaskKey(.backfill, of: backfill.source))
      return try db.backfill(id) ?? backfill
    }
  }

  // MARK: For the holder of the task lease

  /// The backfill of a source to work on: the oldest running one.
  package func nextBackfill(of source: SourceID) async throws(TapedeckError) -> Backfill? {
    try await database.read { db in
      try db.row(
        "\(backfillRows) WHERE b.source = \(source) AND b.state = \(literal: Backfill.State.running) ORDER BY b.created_at, b.id LIMIT 1"
      ).map(Backfill.init)
    }
  }

  /// Records that everything before `reached` is listed, and with `isListed` the whole period.
  ///
  /// - Throws: `leaseLost`.
  package func advanceBackfill(
    _ id: String, lease: TaskLease, to reached: Instant, isListed: Bool
  ) async throws(TapedeckError) {
    try await database.write { db in
      try db.advanceBackfill(id, lease: lease, by: BackfillStep(reached: reached, found: 0), queued: 0)
      if isListed { try db.execute("UPDATE backfill SET is_listed = 1 WHERE id = \(id)") }
    }
  }

  /// Ends a backfill as done, or as failed with a reason.
  ///
  /// - Throws: `leaseLost`.
  package func endBackfill(
    _ id: String, lease: TaskLease, because failure: TapedeckError? = nil
  ) async throws(TapedeckError) {
    try await database.write { db in
      let state: Backfill.State = failure == nil ? .done : .failed
      try db.updateBackfill(
        id, lease,
        """
        state = \(state.rawValue), ended_at = tapedeck_now_ms(), failure_code = \(failure?.code),
        failure = \(failure?.storedMessage)
        """)
    }
  }
}

/// Backfills with the counts of their jobs.
private let backfillRows: SQL = """
  SELECT b.*,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN \(literals: RunState.unfinished)) AS open,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN \(literals: RunState.unsuccessful)) AS failed,
    (SELECT count(*) FROM job j WHERE j.backfill = b.id AND j.run_state IN \(literals: RunState.ended)
      AND j.ended_at > tapedeck_now_ms() - 3600000) AS ended_lately
  FROM backfill b
  """

extension Connection {
  fileprivate func backfill(_ id: String) throws(TapedeckError) -> Backfill? {
    try row("\(backfillRows) WHERE b.id = \(id)").map(Backfill.init)
  }

  /// Updates a running backfill.
  ///
  /// - Throws: `leaseLost` when it is not running or the task lease has another fence.
  fileprivate func updateBackfill(_ id: String, _ lease: TaskLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      """
      UPDATE backfill SET \(assignments)
      WHERE id = \(id) AND state = \(literal: Backfill.State.running) AND EXISTS (
        SELECT 1 FROM recurring_task t WHERE t.name = 'backfill' AND t.source = \(lease.key.source)
          AND t.fence = \(lease.fence) AND t.lease_until IS NOT NULL)
      """)
    guard count == 1 else { throw TapedeckError(.leaseLost, "The backfill no longer runs on this node.") }
  }

  /// Adds a page that created or restarted some jobs.
  ///
  /// - Throws: `leaseLost`.
  func advanceBackfill(
    _ id: String, lease: TaskLease, by step: BackfillStep, queued: Int
  ) throws(TapedeckError) {
    var unidentified = try backfill(id)?.unidentified ?? UnidentifiedRows()
    unidentified.add(step.unidentified)
    // A list in another order may be left before all of its rows are counted; a recording with a job was found.
    let found: SQL = step.isRepeated ? "CASE WHEN found < queued THEN queued ELSE found END" : "found"
    try updateBackfill(
      id, lease,
      """
      reached_at = CASE WHEN reached_at < \(step.reached) THEN \(step.reached) ELSE reached_at END,
      found = \(found) + \(step.found + (step.isRepeated ? queued : 0)), queued = queued + \(queued),
      unidentified = \(unidentified.json),
      counted_rows = \(json(step.countedRows)), relist_from = \(step.relistFrom)
      """)
  }

  private func json(_ texts: [String]) -> String {
    (try? JSONEncoder().encode(texts)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
  }
}
