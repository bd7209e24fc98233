package import Model

/// The name and source of a recurring task, which one node at a time runs.
package struct TaskKey: Sendable, Hashable {
  /// Raw values are stored.
  package enum Name: String, Sendable, CaseIterable {
    /// Lists new calls.
    case sync
    /// Lists the calls of the last days again.
    case lookBack = "look_back"
    /// Advances the backfills of the source.
    case backfill
    /// Verifies the archive.
    case verification
    /// Removes objects that no recording refers to.
    case removal
  }

  /// Tasks for the archive of all sources are stored with the default source.
  package static let verification = TaskKey(.verification, of: .default)
  package static let removal = TaskKey(.removal, of: .default)

  package var name: Name
  package var source: SourceID

  package init(_ name: Name, of source: SourceID) {
    self.name = name
    self.source = source
  }
}

/// The right to run a recurring task until its fence changes.
package struct TaskLease: Sendable, Hashable {
  package let key: TaskKey
  /// Increases with each claim; a write with an older fence changes nothing and throws `leaseLost`.
  package let fence: Int64
}

/// A row of the table `recurring_task`.
package struct TaskRow: Sendable {
  package var key: TaskKey
  /// When it runs next; nil while there is nothing to do, and while it runs.
  package var dueAt: Instant?
  /// When the lease of the current run expires.
  package var leaseUntil: Instant?
  package var fence: Int64
  /// Its progress, as JSON that the task defines.
  package var state: String
  /// Rows without a usable ID, in the lists of the last successful run.
  package var unidentified: UnidentifiedRows
  /// The number of failures since the last success.
  package var failures: Int
  package var lastStartedAt: Instant?
  package var lastEndedAt: Instant?
  package var lastSuccessAt: Instant?
  /// The error of the last run; nil after a success.
  package var lastError: TapedeckError?

  package var lease: TaskLease { TaskLease(key: key, fence: fence) }

  init(_ row: Row) throws(TapedeckError) {
    key = TaskKey(try row.value("name", as: TaskKey.Name.self), of: try row.source())
    dueAt = row.optionalInstant("due_at")
    leaseUntil = row.optionalInstant("lease_until")
    fence = try row.int("fence")
    state = try row.text("state")
    unidentified = UnidentifiedRows(json: try row.text("unidentified"))
    failures = Int(try row.int("failures"))
    lastStartedAt = row.optionalInstant("last_started_at")
    lastEndedAt = row.optionalInstant("last_ended_at")
    lastSuccessAt = row.optionalInstant("last_success_at")
    lastError = row.optionalErrorCode("last_error_code").map { TapedeckError($0, row.optionalText("last_error")) }
  }
}

/// The outcome with which a recurring task is released.
package enum TaskRelease: Sendable {
  /// Succeeded. `next` is when it is due again; nil until it is requested.
  case done(next: Instant?)
  case failed(next: Instant, because: TapedeckError)
  /// The process is shutting down; the task is due at once for another node.
  case interrupted
}
