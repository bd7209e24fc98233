package import Model

/// What the catalog does when the machine is not as it should be.
extension Catalog {
  /// Has every transfer that could begin now wait, because of something that is nobody's failure; not an attempt.
  ///
  /// They keep their turn: whoever claims jobs again finds them due.
  package func holdTransfers(because error: TapedeckError) async throws(TapedeckError) {
    try await database.write { db in
      let held = try db.rows(
        """
        UPDATE job SET run_state = \(RunState.waiting), failure_code = \(error.code),
          failure_message = \(error.message), retry_after_ms = NULL
        WHERE run_state = \(RunState.idle) AND stage IN (\(Stage.fetching), \(Stage.processing))
        RETURNING id
        """)
      for row in held { db.notify(.job(try row.int("id"))) }
    }
  }

  /// Puts right what would fall due too late because the database's clock was set back: jobs, leases and messages.
  ///
  /// Called every few seconds with what the call before returned. Waits that begin between the clock's jump and this call
  /// are cut short. A clock that was set forward needs nothing: everything falls due early, and leases are prolonged.
  ///
  /// - Parameter seen: the last time that was seen; nil for the first call.
  /// - Returns: the database's time now.
  package func catchUp(since seen: Instant?) async throws(TapedeckError) -> Instant {
    let now = try await database.read { db in
      Instant(milliseconds: try db.row("SELECT tapedeck_now_ms() AS now")?.int("now") ?? 0)
    }
    // Clocks that are kept right are set back by fractions of a second all the time.
    guard let seen, seen - now > .seconds(1) else { return now }
    let jump = (seen - now).milliseconds
    try await database.write { db in
      // Never before now, so that two nodes that notice the same jump do no harm.
      let dueAt: SQL = "CASE WHEN due_at - \(jump) < \(now) THEN \(now) ELSE due_at - \(jump) END"
      try db.execute("UPDATE job SET due_at = \(dueAt) WHERE lane IS NOT NULL AND due_at > \(now)")
      try db.execute(
        "UPDATE job SET lease_until = lease_until - \(jump) WHERE run_state = 'leased' AND lease_until > \(seen)")
      try db.execute("UPDATE webhook_message SET due_at = \(dueAt) WHERE state = 'pending' AND due_at > \(now)")
      db.notify(.workDue)
      db.notify(.webhookDue)
    }
    return now
  }
}
