package import Model

/// The damage that a verification found in an archived recording.
package struct Damage: Sendable {
  package var recordingID: Int64
  package var key: RecordingKey
  /// The damaged and missing files; empty when the catalog knows no file of the recording.
  package var files: [DamagedFile]
  package var code: TapedeckError.Code
  /// Whether the original is kept and not known to be damaged, so that the other files can be created from it.
  package var hasOriginal: Bool
  /// Further details for the access log.
  package var details: [String: String]

  package init(
    recordingID: Int64, key: RecordingKey, files: [DamagedFile], code: TapedeckError.Code, hasOriginal: Bool,
    details: [String: String]
  ) {
    self.recordingID = recordingID
    self.key = key
    self.files = files
    self.code = code
    self.hasOriginal = hasOriginal
    self.details = details
  }

  /// What is wrong, without a full stop: "The MP3 is damaged and the waveform is missing".
  package var finding: String { DamagedFile.finding(files) }
}

/// What found damage, for the access log.
package enum DamageFinder: Sendable {
  /// A verification that no user requested.
  case recurringTask
  /// A user's verification.
  case user(Identity)
  /// Sending a file to a client.
  case playback

  fileprivate var actor: Identity? {
    if case .user(let identity) = self { identity } else { nil }
  }

  /// How log entries name it; nil for a user, who is the actor.
  fileprivate var name: String? {
    switch self {
    case .recurringTask: recurringTaskName
    case .playback: "playback"
    case .user: nil
    }
  }
}

/// How log entries name the verification that runs as a recurring task.
private let recurringTaskName = "recurring task"

/// The requester of repair jobs; with a user's verification, followed by the user's ID.
private let verification = "verify"
private let verificationPrefix = "verify by "

/// Who had a recording repaired, from the requester of the job: an ID, or the recurring task.
func repairer(requester: String?) -> String {
  guard let requester, requester != verification else { return recurringTaskName }
  return String(requester.trimmingPrefix(verificationPrefix))
}

/// The job that repairs a recording.
package struct RepairJob: Sendable, Equatable {
  package var key: RecordingKey
  package var jobID: Int64
  /// Whether it uses the kept original and sends no request to the platform.
  package var isFromOriginal: Bool
}

extension Catalog {
  /// Marks recordings as damaged, before any file is moved to quarantine. New damage gets a log entry.
  package func recordDamage(
    _ damages: [Damage], at moment: Instant, by finder: DamageFinder
  ) async throws(TapedeckError) {
    try await database.write { db in
      for damage in damages { try db.record(damage, at: moment, by: finder) }
    }
  }

  /// Creates or restarts the jobs that repair damaged recordings. Until they end, the recordings stay in the archive.
  ///
  /// The damage is marked again, since a commit may have cleared it.
  ///
  /// - Parameters:
  ///   - served: the sources in the settings; nil when other nodes may serve more. A recording of another source that
  ///     must be downloaded gets no job, and the reason is added to its damage.
  ///   - preempting: whether a leased job loses its lease and restarts. Needed when it may have stored a file that was
  ///     moved to quarantine in place of the damaged one, so that it must not commit.
  package func requestRepair(
    of damages: [Damage], served: Set<SourceID>? = nil, preempting: Bool, at moment: Instant, by finder: DamageFinder
  ) async throws(TapedeckError) -> [RepairJob] {
    try await database.write { db in
      var jobs: [RepairJob] = []
      for damage in damages {
        try db.record(damage, at: moment, by: finder)
        let isServed = served?.contains(damage.key.source) ?? true
        if isServed || damage.hasOriginal {
          jobs.append(try db.requestRepair(of: damage, isServed, preempting: preempting, by: finder.actor))
        } else {
          try db.refuseRepair(of: damage, preempting: preempting)
        }
      }
      db.notify(.workDue)
      return jobs
    }
  }
}

extension Connection {
  fileprivate func record(_ damage: Damage, at moment: Instant, by finder: DamageFinder) throws(TapedeckError) {
    let known = try row("SELECT damage FROM recording WHERE id = \(damage.recordingID)")?.optionalDamage("damage")
    let isKnown = known?.files == damage.files
    let note = DamageNote(files: damage.files, foundAt: isKnown ? known?.foundAt ?? moment : moment)
    try execute(
      """
      UPDATE recording SET damage = \(try note.stored()), verified_at = \(moment) WHERE id = \(damage.recordingID)
      """)
    if isKnown { return }
    var details = damage.details.merging(["damage": damage.finding]) { detail, _ in detail }
    if let name = finder.name { details["by"] = name }
    try insert(
      LogEntry(
        at: moment, action: .verify, outcome: .failed, actor: finder.actor, recording: damage.key, code: damage.code,
        details: details))
  }

  fileprivate func requestRepair(
    of damage: Damage, _ isServed: Bool, preempting: Bool, by actor: Identity?
  ) throws(TapedeckError) -> RepairJob {
    let key = damage.key
    let requester = actor.map { verificationPrefix + $0.id } ?? verification
    let stage: Stage = damage.hasOriginal ? .processing : .queued
    if let existing = try job(of: key) {
      switch existing.runState {
      // It waits for the platform, which is not needed.
      case .idle where !isServed && existing.stage != stage, .waiting where !isServed && existing.stage != stage:
        try restart(existing.id, at: stage, clearance: .restricted, by: requester)
      case .waiting where existing.dueAt == nil: try resume(existing.id, clearance: .restricted)
      case .idle, .waiting: break
      case .leased where !preempting: break
      case .leased, .done, .failed, .cancelled:
        try restart(existing.id, at: stage, clearance: .restricted, by: requester)
      }
    } else {
      try insertJob(of: key, at: stage, clearance: .restricted, by: requester)
    }
    guard let job = try job(of: key) else { throw TapedeckError(.catalogFailed, detail: "job row vanished") }
    notify(.job(job.id))
    return RepairJob(key: key, jobID: job.id, isFromOriginal: job.stage == .processing && job.parts.isEmpty)
  }

  /// Records that a recording cannot be repaired without its source, and ends its job, which would wait forever.
  fileprivate func refuseRepair(of damage: Damage, preempting: Bool) throws(TapedeckError) {
    let error = TapedeckError.sourceNotInSettings(damage.key.source)
    if let job = try job(of: damage.key),
      [.idle, .waiting].contains(job.runState) || preempting && job.runState == .leased
    {
      try execute(
        """
        UPDATE job SET run_state = \(RunState.failed), lease_until = NULL, due_at = NULL, fence = fence + 1,
          ended_at = tapedeck_now_ms(), \(failureColumns(error))
        WHERE id = \(job.id)
        """)
      try removeParts(ofJobs: [job.id])
      try refreshListedStatus(of: damage.key)
      notify(.job(job.id))
    }
    let row = try row("SELECT damage FROM recording WHERE id = \(damage.recordingID)")
    guard let known = try row?.optionalDamage("damage") else { return }
    try addFailure(error, to: known, of: damage.recordingID)
  }

  /// Adds the reason of a failed repair to the damage of the job's recording; does nothing without damage.
  func recordFailedRepair(_ lease: JobLease, because error: TapedeckError) throws(TapedeckError) {
    let row = try row(
      """
      SELECT r.id, r.damage FROM recording r JOIN job j ON j.source = r.source AND j.platform_id = r.platform_id
      WHERE j.id = \(lease.jobID) AND r.damage IS NOT NULL
      """)
    guard let row, let note = try row.optionalDamage("damage") else { return }
    try addFailure(error, to: note, of: try row.int("id"))
  }

  private func addFailure(
    _ error: TapedeckError, to note: DamageNote, of recording: Int64
  ) throws(TapedeckError) {
    var note = note
    note.repairFailure = error.repairFailure
    try execute("UPDATE recording SET damage = \(try note.stored()) WHERE id = \(recording)")
  }
}

extension TapedeckError {
  /// Why a repair failed, as the end of a sentence.
  package var repairFailure: String {
    switch code {
    case .unknownRecording: "the platform no longer has the recording."
    case .configurationInvalid: storedMessage.prefix(1).lowercased() + storedMessage.dropFirst()
    default: storedMessage
    }
  }
}
