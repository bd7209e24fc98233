package import Model

extension Catalog {
  /// Creates the missing rows of recurring tasks: due now, or for backfills when one is requested.
  package func ensureTasks(_ keys: [TaskKey]) async throws(TapedeckError) {
    try await database.write { db in
      for key in keys {
        let due: SQL = key.name == .backfill ? "NULL" : "tapedeck_now_ms()"
        try db.execute(
          """
          INSERT INTO recurring_task (name, source, due_at) VALUES (\(key.name.rawValue), \(key.source), \(due))
          ON CONFLICT (name, source) DO NOTHING
          """)
      }
    }
  }

  /// Claims a due recurring task, with a new fence and a lease; nil when it is not due or another node holds its lease.
  ///
  /// - Parameter early: whether to claim it before it is due; a leased task is never claimed early.
  package func claimTask(_ key: TaskKey, lease: Duration, early: Bool = false) async throws(TapedeckError) -> TaskRow? {
    try await database.write { db in
      let isFree: SQL = early ? "lease_until IS NULL" : "(lease_until IS NULL AND due_at <= tapedeck_now_ms())"
      return try db.row(
        """
        UPDATE recurring_task SET lease_until = tapedeck_now_ms() + \(lease.milliseconds), fence = fence + 1, due_at = NULL,
          last_started_at = tapedeck_now_ms()
        WHERE name = \(key.name.rawValue) AND source = \(key.source)
          AND (\(isFree) OR lease_until < tapedeck_now_ms())
        RETURNING *
        """
      ).map(TaskRow.init)
    }
  }

  /// When the next of these tasks can be claimed: when it becomes due or its lease expires.
  package func nextTaskTime(among keys: [TaskKey]) async throws(TapedeckError) -> Instant? {
    try await recurringTasks().filter { keys.contains($0.key) }.compactMap { $0.leaseUntil ?? $0.dueAt }.min()
  }

  package func recurringTasks() async throws(TapedeckError) -> [TaskRow] {
    try await database.read { db in
      try db.rows("SELECT * FROM recurring_task ORDER BY source, name").map(TaskRow.init)
    }
  }

  package func recurringTask(_ key: TaskKey) async throws(TapedeckError) -> TaskRow? {
    try await database.read { db in
      try db.row("SELECT * FROM recurring_task WHERE name = \(key.name.rawValue) AND source = \(key.source)").map(
        TaskRow.init)
    }
  }

  /// Renews the leases that are still held.
  package func heartbeat(_ leases: [TaskLease], lease: Duration) async throws(TapedeckError) {
    guard !leases.isEmpty else { return }
    try await database.write { db in
      for held in leases {
        try db.execute(
          """
          UPDATE recurring_task SET lease_until = tapedeck_now_ms() + \(lease.milliseconds)
          WHERE name = \(held.key.name.rawValue) AND source = \(held.key.source) AND fence = \(held.fence)
            AND lease_until IS NOT NULL
          """)
      }
    }
  }

  /// Releases all recurring tasks after a crash; only for a process that shares the database with no other.
  package func releaseAllTasks() async throws(TapedeckError) {
    try await database.write { db in
      try db.execute(
        "UPDATE recurring_task SET lease_until = NULL, due_at = tapedeck_now_ms() WHERE lease_until IS NOT NULL")
      db.notify(.taskDue)
    }
  }

  /// Stores the progress of a task, so that a later run can resume it.
  package func recordState(_ state: String, of lease: TaskLease) async throws(TapedeckError) {
    try await database.write { db in try db.updateTask(lease, "state = \(state)") }
  }

  /// Stores the rows without a usable ID in the lists of this run, instead of those of the run before.
  package func recordUnidentified(_ rows: UnidentifiedRows, of lease: TaskLease) async throws(TapedeckError) {
    try await database.write { db in try db.updateTask(lease, "unidentified = \(rows.json)") }
  }

  /// Releases a task. If it was requested while it ran, it is due at once.
  ///
  /// - Throws: `leaseLost`.
  package func release(_ lease: TaskLease, _ release: TaskRelease) async throws(TapedeckError) {
    try await database.write { db in
      let ended: SQL = "lease_until = NULL, last_ended_at = tapedeck_now_ms()"
      switch release {
      case .done(let next):
        try db.updateTask(
          lease,
          """
          \(ended), due_at = CASE WHEN due_at IS NOT NULL THEN due_at ELSE \(next) END, failures = 0,
          last_success_at = tapedeck_now_ms(), last_error_code = NULL, last_error = NULL
          """)
      case .failed(let next, let error):
        try db.updateTask(
          lease,
          """
          \(ended), due_at = CASE WHEN due_at IS NOT NULL THEN due_at ELSE \(next) END, failures = failures + 1,
          last_error_code = \(error.code), last_error = \(error.storedMessage)
          """)
      case .interrupted:
        try db.updateTask(lease, "\(ended), due_at = tapedeck_now_ms()")
      }
      db.notify(.taskDue)
    }
  }
}

extension Connection {
  /// Changes a leased recurring task.
  ///
  /// - Throws: `leaseLost` when the lease is no longer held.
  fileprivate func updateTask(_ lease: TaskLease, _ assignments: SQL) throws(TapedeckError) {
    let count = try execute(
      """
      UPDATE recurring_task SET \(assignments) WHERE name = \(lease.key.name.rawValue) AND source = \(lease.key.source)
        AND fence = \(lease.fence) AND lease_until IS NOT NULL
      """)
    guard count == 1 else {
      throw TapedeckError(.leaseLost, "Another node has taken over the task '\(lease.key.name.rawValue)'.")
    }
  }

  /// Makes a task due now. If it is leased, it runs again after its release.
  func makeDue(_ key: TaskKey) throws(TapedeckError) {
    try execute(
      """
      INSERT INTO recurring_task (name, source, due_at) VALUES (\(key.name.rawValue), \(key.source), tapedeck_now_ms())
      ON CONFLICT (name, source) DO UPDATE SET due_at = excluded.due_at
      """)
    notify(.taskDue)
  }
}
