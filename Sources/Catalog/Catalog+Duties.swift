package import Model

extension Catalog {
  /// Makes the rows of duties that are missing: due now, or, of back-fills, when somebody asks for one.
  package func ensureDuties(_ keys: [DutyKey]) async throws(TapedeckError) {
    try await database.write { db in
      for key in keys {
        let due: SQL = key.name == .backfill ? "NULL" : "tapedeck_now_ms()"
        try db.execute(
          """
          INSERT INTO duty (name, source, due_at) VALUES (\(key.name.rawValue), \(key.source), \(due))
          ON CONFLICT (name, source) DO NOTHING
          """)
      }
    }
  }

  /// Takes a duty that is due, with a new fence and a lease; nil when it is not, or another node has it.
  ///
  /// - Parameter early: take it even if it is not due yet, as long as nobody has it.
  package func claimDuty(_ key: DutyKey, lease: Duration, early: Bool = false) async throws(TapedeckError) -> DutyRow? {
    try await database.write { db in
      let isFree: SQL = early ? "lease_until IS NULL" : "(lease_until IS NULL AND due_at <= tapedeck_now_ms())"
      return try db.row(
        """
        UPDATE duty SET lease_until = tapedeck_now_ms() + \(lease.milliseconds), fence = fence + 1, due_at = NULL,
          last_started_at = tapedeck_now_ms()
        WHERE name = \(key.name.rawValue) AND source = \(key.source)
          AND (\(isFree) OR lease_until < tapedeck_now_ms())
        RETURNING *
        """
      ).map(DutyRow.init)
    }
  }

  /// When the next of these duties can be taken: when it is due, or when the lease of whoever has it lapses.
  package func nextDuty(among keys: [DutyKey]) async throws(TapedeckError) -> Instant? {
    try await duties().filter { keys.contains($0.key) }.compactMap { $0.leaseUntil ?? $0.dueAt }.min()
  }

  package func duties() async throws(TapedeckError) -> [DutyRow] {
    try await database.read { db in
      try db.rows("SELECT * FROM duty ORDER BY source, name").map(DutyRow.init)
    }
  }

  package func duty(_ key: DutyKey) async throws(TapedeckError) -> DutyRow? {
    try await database.read { db in
      try db.row("SELECT * FROM duty WHERE name = \(key.name.rawValue) AND source = \(key.source)").map(DutyRow.init)
    }
  }

  /// Prolongs leases that are still held.
  package func heartbeat(_ leases: [DutyLease], lease: Duration) async throws(TapedeckError) {
    guard !leases.isEmpty else { return }
    try await database.write { db in
      for held in leases {
        try db.execute(
          """
          UPDATE duty SET lease_until = tapedeck_now_ms() + \(lease.milliseconds)
          WHERE name = \(held.key.name.rawValue) AND source = \(held.key.source) AND fence = \(held.fence)
            AND lease_until IS NOT NULL
          """)
      }
    }
  }

  /// Frees the duties of a process that is gone; for a caller who knows that no other can be alive.
  package func freeDuties() async throws(TapedeckError) {
    try await database.write { db in
      try db.execute(
        "UPDATE duty SET lease_until = NULL, due_at = tapedeck_now_ms() WHERE lease_until IS NOT NULL")
      db.notify(.dutyDue)
    }
  }

  /// Writes down how far a duty is, so that whoever goes on with it need not begin anew.
  package func recordState(_ state: String, of lease: DutyLease) async throws(TapedeckError) {
    try await database.write { db in try db.updateDuty(lease, "state = \(state)") }
  }

  /// Lets a duty go. If somebody asked for it meanwhile, it is due at once.
  package func release(_ lease: DutyLease, _ release: DutyRelease) async throws(TapedeckError) {
    try await database.write { db in
      let ended: SQL = "lease_until = NULL, last_ended_at = tapedeck_now_ms()"
      switch release {
      case .done(let next):
        try db.updateDuty(
          lease,
          """
          \(ended), due_at = CASE WHEN due_at IS NOT NULL THEN due_at ELSE \(next) END, failures = 0,
          last_success_at = tapedeck_now_ms(), last_error_code = NULL, last_error = NULL
          """)
      case .failed(let next, let error):
        try db.updateDuty(
          lease,
          """
          \(ended), due_at = CASE WHEN due_at IS NOT NULL THEN due_at ELSE \(next) END, failures = failures + 1,
          last_error_code = \(error.code), last_error = \(error.message)
          """)
      case .interrupted:
        try db.updateDuty(lease, "\(ended), due_at = tapedeck_now_ms()")
      }
      db.notify(.dutyDue)
    }
  }
}

extension Connection {
  /// Changes a duty whose lease is still held; anything else is `leaseLost`.
  fileprivate func updateDuty(_ lease: DutyLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      """
      UPDATE duty SET \(assignments) WHERE name = \(lease.key.name.rawValue) AND source = \(lease.key.source)
        AND fence = \(lease.fence) AND lease_until IS NOT NULL
      """)
    guard count == 1 else {
      throw TapedeckError(.leaseLost, "Another node has taken over the duty '\(lease.key.name.rawValue)'.")
    }
  }

  /// Makes a duty due now, also while somebody does it.
  func hasten(_ key: DutyKey) throws(TapedeckError) {
    try execute(
      """
      INSERT INTO duty (name, source, due_at) VALUES (\(key.name.rawValue), \(key.source), tapedeck_now_ms())
      ON CONFLICT (name, source) DO UPDATE SET due_at = excluded.due_at
      """)
    notify(.dutyDue)
  }
}
