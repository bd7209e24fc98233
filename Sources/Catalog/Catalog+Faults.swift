package import Model

/// What the catalog does when the machine is not as it should be.
extension Catalog {
  /// Has every transfer that could begin now wait, because of something that is nobody's failure; not an attempt.
  ///
  /// They keep their turn: whoever claims jobs again finds them due. On a database that nodes share only those wait that
  /// nobody took for ten seconds: another node may have the space that this one lacks.
  package func holdTransfers(because error: TapedeckError) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      let isLeft: SQL = db.dialect.isShared ? "due_at <= tapedeck_now_ms() - 10000" : "1 = 1"
      let held = try db.rows(
        """
        UPDATE job SET run_state = \(RunState.waiting), failure_code = \(error.code),
          failure_message = \(error.message), retry_after_ms = NULL
        WHERE run_state = \(RunState.idle) AND stage IN (\(Stage.fetching), \(Stage.processing)) AND \(isLeft)
        RETURNING id
        """)
      for row in held { db.notify(.job(try row.int("id"))) }
    }
  }

  /// Puts right what would fall due too late because the database's clock was set back: jobs, duties, leases and messages.
  ///
  /// Called every few seconds with what the call before returned. Waits that begin between the clock's jump and this call
  /// are cut short. A clock that was set forward needs nothing: everything falls due early, and leases are prolonged.
  ///
  /// - Parameters:
  ///   - seen: the last time that was seen; nil for the first call, which goes by what was last written of a duty.
  ///   - lease: how long a job is left to a worker that gives no sign of life.
  /// - Returns: the database's time now.
  package func catchUp(since seen: Instant?, lease: Duration = .seconds(30)) async throws(TapedeckError) -> Instant {
    // A write, since it stands before a heartbeat: reads may have to wait for other reads (`WorkQueue`).
    try await database.write(.readCommitted) { db in
      let now = try db.now()
      // Clocks that are kept right are set back by fractions of a second all the time.
      guard let seen = try seen ?? db.lastTrace(), seen - now > .seconds(1) else { return now }
      // Several nodes may notice the same jump, so nothing falls due before now, and no lease becomes shorter than one
      // that is given now: whoever lives must be able to prolong it. Duties are leased for half a minute.
      let (back, leased) = (seen - now, now + max(lease, .seconds(30)))
      try db.moveBack("due_at", of: "job", where: "lane IS NOT NULL", by: back, notBefore: now)
      try db.moveBack("lease_until", of: "job", where: "run_state = 'leased'", by: back, notBefore: leased)
      try db.moveBack("due_at", of: "duty", by: back, notBefore: now)
      try db.moveBack("lease_until", of: "duty", by: back, notBefore: leased)
      try db.moveBack("due_at", of: "webhook_message", where: "state = 'pending'", by: back, notBefore: now)
      for change in [Change.workDue, .dutyDue, .webhookDue] { db.notify(change) }
      return now
    }
  }
}

extension Connection {
  /// When a duty was last begun or ended; nil when none ever was.
  fileprivate func lastTrace() throws(TapedeckError) -> Instant? {
    try row(
      "SELECT max(at) AS at FROM (SELECT last_started_at AS at FROM duty UNION ALL SELECT last_ended_at FROM duty) trace"
    )?.optionalInstant("at")
  }

  /// Brings moments of a table forward, none to one before `earliest`; those that are before it stay.
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
