package import Model

/// Something that is done again and again, by one node at a time.
package struct TaskKey: Sendable, Hashable {
  /// Raw values are stored.
  package enum Name: String, Sendable, CaseIterable {
    /// Looks for new calls.
    case sync
    /// Looks through the last days again.
    case lookBack = "look_back"
    /// Brings the source's back-fills on.
    case backfill
    /// Verifies the archive.
    case verification
    /// Removes objects that no recording refers to.
    case removal
  }

  /// The archive is one for all sources; the duty stands under the default one.
  package static let verification = TaskKey(.verification, of: .default)
  package static let removal = TaskKey(.removal, of: .default)

  package var name: Name
  package var source: SourceID

  package init(_ name: Name, of source: SourceID) {
    self.name = name
    self.source = source
  }
}

/// The right to do a duty until another fence is given out.
package struct TaskLease: Sendable, Hashable {
  package let key: TaskKey
  /// Grows with each claim; a write with an older one changes nothing and throws `leaseLost`.
  package let fence: Int64
}

/// A duty as it stands in its row.
package struct TaskRow: Sendable {
  package var key: TaskKey
  /// When it runs next; nil while there is nothing to do, and while it runs.
  package var dueAt: Instant?
  /// When the lease of the current run expires.
  package var leaseUntil: Instant?
  package var fence: Int64
  /// How far it is, as JSON that the task defines.
  package var state: String
  /// How often in a row it failed.
  package var failures: Int
  package var lastStartedAt: Instant?
  package var lastEndedAt: Instant?
  package var lastSuccessAt: Instant?
  /// Why it failed the last time; nil after a success.
  package var lastError: TapedeckError?

  package var lease: TaskLease { TaskLease(key: key, fence: fence) }

  init(_ row: Row) throws(TapedeckError) {
    guard let source = SourceID(try row.text("source")) else {
      throw TapedeckError(.catalogFailed, detail: "a duty has a malformed source")
    }
    key = TaskKey(try row.value("name", as: TaskKey.Name.self), of: source)
    dueAt = row.optionalInstant("due_at")
    leaseUntil = row.optionalInstant("lease_until")
    fence = try row.int("fence")
    state = try row.text("state")
    failures = Int(try row.int("failures"))
    lastStartedAt = row.optionalInstant("last_started_at")
    lastEndedAt = row.optionalInstant("last_ended_at")
    lastSuccessAt = row.optionalInstant("last_success_at")
    if let code = row.optionalText("last_error_code") {
      lastError = TapedeckError(TapedeckError.Code(rawValue: code) ?? .internalError, row.optionalText("last_error"))
    }
  }
}

/// What is left behind when a duty is let go.
package enum TaskRelease: Sendable {
  /// Done for now; nil when there is nothing more to do until it is requested.
  case done(next: Instant?)
  case failed(next: Instant, because: TapedeckError)
  /// The process is shutting down; another node may continue at once.
  case interrupted
}
