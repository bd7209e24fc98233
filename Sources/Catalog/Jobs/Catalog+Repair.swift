package import Model

/// What was found wrong with a recording of the archive.
package struct Damage: Sendable {
  package var recordingID: Int64
  package var key: RecordingKey
  /// What is wrong, without a full stop: "The MP3 is damaged and the waveform is missing".
  package var finding: String
  package var code: TapedeckError.Code
  /// Whether the kept original is whole as far as is known, so that the rest can be made again from it.
  package var hasOriginal: Bool
  /// What the access log keeps beside the finding.
  package var details: [String: String]

  package init(
    recordingID: Int64, key: RecordingKey, finding: String, code: TapedeckError.Code, hasOriginal: Bool,
    details: [String: String]
  ) {
    self.recordingID = recordingID
    self.key = key
    self.finding = finding
    self.code = code
    self.hasOriginal = hasOriginal
    self.details = details
  }

  /// The sentence that is stored and shown. The first time it was found stays in it.
  fileprivate func sentence(known: String?, at moment: Instant) -> String {
    if let known, known.hasPrefix("\(finding), found on ") { return withoutFailure(known) }
    let text = moment.iso8601
    return "\(finding), found on \(text.prefix(10)) at \(text.dropFirst(11).prefix(5)) UTC."
  }
}

private let failureStart = " It could not be repaired: "

private func withoutFailure(_ sentence: String) -> String {
  sentence.firstRange(of: failureStart).map { String(sentence[..<$0.lowerBound]) } ?? sentence
}

/// The job that repairs a recording.
package struct RepairJob: Sendable, Equatable {
  package var key: RecordingKey
  package var jobID: Int64
  /// Whether the platform is not needed.
  package var isFromOriginal: Bool
}

extension Catalog {
  /// Marks recordings as damaged, so that it is known before anything is moved. What is news is in the access log.
  package func noteDamage(_ damages: [Damage], at moment: Instant) async throws(TapedeckError) {
    try await database.write { db in
      for damage in damages { try db.note(damage, at: moment) }
    }
  }

  /// Has damaged recordings made whole again by their jobs; they stay in the archive meanwhile as they are.
  ///
  /// A job that is under way is left alone, but for one that may have stored a file which was then taken for the
  /// damaged one: with `preempting` it loses its lease, so that it cannot commit, and starts again.
  /// The damage is marked once more, since a commit may have cleared it.
  package func requestRepair(
    of damages: [Damage], preempting: Bool, at moment: Instant
  ) async throws(TapedeckError) -> [RepairJob] {
    try await database.write { db in
      var jobs: [RepairJob] = []
      for damage in damages {
        try db.note(damage, at: moment)
        jobs.append(try db.requestRepair(of: damage, preempting: preempting))
      }
      db.notify(.workDue)
      return jobs
    }
  }
}

extension Connection {
  fileprivate func note(_ damage: Damage, at moment: Instant) throws(TapedeckError) {
    let known = try row("SELECT damage FROM recording WHERE id = \(damage.recordingID)")?.optionalText("damage")
    let sentence = damage.sentence(known: known, at: moment)
    try execute(
      "UPDATE recording SET damage = \(sentence), verified_at = \(moment) WHERE id = \(damage.recordingID)")
    guard known.map(withoutFailure) != sentence else { return }
    try insert(
      LogEntry(
        at: moment, action: .verify, outcome: .failed, actor: nil, recording: damage.key, code: damage.code,
        details: damage.details.merging(["damage": damage.finding]) { detail, _ in detail }))
  }

  fileprivate func requestRepair(of damage: Damage, preempting: Bool) throws(TapedeckError) -> RepairJob {
    let key = damage.key
    let stage: Stage = damage.hasOriginal ? .processing : .queued
    let existing = try job(of: key)
    switch existing?.runState {
    case nil:
      try execute(
        """
        INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, requested_by, due_at)
        VALUES ('ingest', \(key.source), \(key.id), \(stage), \(RunState.idle), \(Privacy.restricted),
          tapedeck_now_ms(), 'verify', tapedeck_now_ms())
        """)
    case .idle, .waiting, .leased:
      guard preempting, existing?.runState == .leased else {
        try execute(
          """
          UPDATE job SET clearance = \(Privacy.restricted), run_state = \(RunState.idle), due_at = tapedeck_now_ms()
          WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
            AND run_state = 'waiting' AND due_at IS NULL
          """)
        break
      }
      fallthrough
    case .done, .failed, .cancelled:
      try execute(
        """
        UPDATE job SET stage = \(stage), run_state = \(RunState.idle), clearance = \(Privacy.restricted),
          requested_at = tapedeck_now_ms(), requested_by = 'verify', due_at = tapedeck_now_ms(),
          polls = 0, attempts = 0, worker_deaths = 0, resumes = 0, refusals = 0, lease_until = NULL,
          failure_code = NULL, failure_message = NULL,
          retry_after_ms = NULL, ended_at = NULL, fence = fence + 1
        WHERE kind = 'ingest' AND source = \(key.source) AND platform_id = \(key.id)
        """)
      if let job = try job(of: key) { try removeParts(ofJobs: [job.id]) }
    }
    guard let job = try job(of: key) else { throw TapedeckError(.catalogFailed, detail: "job row vanished") }
    notify(.job(job.id))
    return RepairJob(key: key, jobID: job.id, isFromOriginal: job.stage == .processing && job.parts.isEmpty)
  }

  /// Says beside the damage of a job's recording why it could not be repaired; nothing where none is known.
  func noteFailedRepair(_ lease: JobLease, because error: TapedeckError) throws(TapedeckError) {
    let row = try row(
      """
      SELECT r.id, r.damage FROM recording r JOIN job j ON j.source = r.source AND j.platform_id = r.platform_id
      WHERE j.id = \(lease.jobID) AND r.damage IS NOT NULL
      """)
    guard let row, let damage = row.optionalText("damage") else { return }
    let reason = error.code == .unknownRecording ? "the platform no longer has the recording." : error.message
    try execute(
      "UPDATE recording SET damage = \(withoutFailure(damage) + failureStart + reason) WHERE id = \(try row.int("id"))")
  }
}
