package import Model

/// Reactions to faults of the machine: a full disk, a clock that is set back.
extension Catalog {
  /// Postpones all transfers that are due, because of a condition of the machine; does not count as an attempt.
  ///
  /// The jobs keep their due time, so that later claims find them due. On a database shared by several nodes, only jobs
  /// that have been due for ten seconds are postponed: another node may have the space that this one lacks.
  package func postponeTransfers(because error: TapedeckError) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      let isUnclaimed: SQL = db.dialect.isShared ? "due_at <= tapedeck_now_ms() - 10000" : "1 = 1"
      let held = try db.rows(
        """
        UPDATE job SET run_state = \(RunState.waiting), failure_code = \(error.code),
          failure_message = \(error.message), retry_after_ms = NULL
        WHERE run_state = \(RunState.idle) AND stage IN (\(Stage.fetching), \(Stage.processing)) AND \(isUnclaimed)
        RETURNING id
        """)
      for row in held { db.notify(.job(try row.int("id"))) }
    }
  }

  /// Corrects due times and leases of jobs, recurring tasks and webhook messages after the clock of the database was
  /// set back, since they would otherwise become due too late.
  ///
  /// Called every few seconds with the result of the previous call. Due times that are set between the change of the
  /// clock and this call become too early. A clock that was set forward needs no correction: everything becomes due
  /// early, and leases are renewed.
  ///
  /// - Parameters:
  ///   - seen: the result of the previous call; nil on the first call, which uses the last run of a recurring task.
  ///   - lease: the duration of a job lease.
  /// - Returns: the time of the database.
  package func correctDueTimes(since seen: Instant?, lease: Duration = .seconds(30)) async throws(TapedeckError)
    -> Instant
  {
    // A write, since heartbeats follow it and reads may have to wait for other reads (`WorkQueue`).
    try await database.write(.readCommitted) { db in
      let now = try db.now()
      // Time synchronization often sets clocks back by fractions of a second.
      guard let seen = try seen ?? db.lastTaskTime(), seen - now > .seconds(1) else { return now }
      // Several nodes may correct the same change, so nothing becomes due before now, and no lease becomes shorter than
      // a new one, so that its holder can renew it. Task leases last 30 s.
      let (back, leased) = (seen - now, now + max(lease, .seconds(30)))
      try db.moveBack("due_at", of: "job", where: "queue IS NOT NULL", by: back, notBefore: now)
      try db.moveBack(
        "lease_until", of: "job", where: "run_state = \(literal: RunState.leased)", by: back, notBefore: leased)
      try db.moveBack("due_at", of: "recurring_task", by: back, notBefore: now)
      try db.moveBack("lease_until", of: "recurring_task", by: back, notBefore: leased)
      try db.moveBack("due_at", of: "webhook_message", where: "state = 'pending'", by: back, notBefore: now)
      for change in [Change.workDue, .taskDue, .webhookDue] { db.notify(change) }
      return now
    }
  }
}

extension Connection {
  /// When a recurring task last started or ended; nil when none ever ran.
  fileprivate func lastTaskTime() throws(TapedeckError) -> Instant? {
    try row(
      "SELECT max(at) AS at FROM (SELECT last_started_at AS at FROM recurring_task UNION ALL SELECT last_ended_at FROM recurring_task) task_time"
    )?.optionalInstant("at")
  }

  /// Moves the times of a column back by `jump`, but not before `earliest`.
  fileprivate func moveBack(
    _ column: SQL, of table: SQL, where condition: SQL = "1 = 1", by jump: Duration, notBefore earliest: Instant
  ) throws(TapedeckError) {
    let moved: SQL = "\(column) - \(jump.milliseconds)"
    try execute(
      """
      UPDATE \(table) SET \(column) = CASE WHEN \(moved) < \(earliest) THEN \(earliest) ELSE \(moved) END
      WHERE \(condition) AND \(column) > \(earliest)
      """)
  }
}
