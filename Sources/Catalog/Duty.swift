package import Model

/// Something that is done again and again, by one node at a time.
package struct DutyKey: Sendable, Hashable {
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
  }

  /// The archive is one for all sources; the duty stands under the default one.
  package static let verification = DutyKey(.verification, of: .default)

  package var name: Name
  package var source: SourceID

  package init(_ name: Name, of source: SourceID) {
    self.name = name
    self.source = source
  }
}

/// The right to do a duty until another fence is given out.
package struct DutyLease: Sendable, Hashable {
  package let key: DutyKey
  /// Grows with each claim; a write with an older one changes nothing and throws `leaseLost`.
  package let fence: Int64
}

/// A duty as it stands in its row.
package struct DutyRow: Sendable {
  package var key: DutyKey
  /// When it is to be done next; nil while there is nothing to do, and while somebody does it.
  package var dueAt: Instant?
  /// Until when whoever does it now has it.
  package var leaseUntil: Instant?
  package var fence: Int64
  /// How far it is, as whoever does it left it: JSON.
  package var state: String
  /// How often in a row it failed.
  package var failures: Int
  package var lastStartedAt: Instant?
  package var lastEndedAt: Instant?
  package var lastSuccessAt: Instant?
  /// Why it failed the last time; nil after a success.
  package var lastError: TapedeckError?

  package var lease: DutyLease { DutyLease(key: key, fence: fence) }

  init(_ row: Row) throws(TapedeckError) {
    guard let source = SourceID(try row.text("source")) else {
      throw TapedeckError(.catalogFailed, detail: "a duty has a malformed source")
    }
    key = DutyKey(try row.value("name", as: DutyKey.Name.self), of: source)
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
package enum DutyRelease: Sendable {
  /// Done for now; nil when there is nothing more to do until somebody asks for it.
  case done(next: Instant?)
  case failed(next: Instant, because: TapedeckError)
  /// The process is shutting down: somebody else may go on at once.
  case interrupted
}
