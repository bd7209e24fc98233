package import Model

extension Catalog {
  /// Stores the facts that the platform reports about a recording.
  ///
  /// The privacy only becomes stricter; a less strict value stays in the metadata for a person to decide. Only the
  /// first value that the platform reports replaces an unknown one, whatever it is. A change is logged in the same
  /// transaction.
  @discardableResult
  package func observe(_ facts: PlatformRecording, of key: RecordingKey) async throws(TapedeckError) -> RecordingRow {
    try await database.write { db in
      try db.observe(facts, of: key)
      guard let row = try db.recording(key) else { throw TapedeckError(.catalogFailed, detail: "recording vanished") }
      return row
    }
  }

  package func recording(_ key: RecordingKey) async throws(TapedeckError) -> RecordingRow? {
    try await database.read { db in try db.recording(key) }
  }

  /// A recording with its files; there are none while it is not in the archive.
  package func archived(
    _ key: RecordingKey
  ) async throws(TapedeckError) -> (recording: RecordingRow, parts: [MediaPart])? {
    try await database.cachedRow(CachedQuery("archived", key.source, key.id)) { db in
      guard let recording = try db.recording(key) else { return nil }
      return try db.withParts(recording)
    }
  }

  /// Commits an archived recording in one transaction: its files, the access log entry, the webhook message and the end
  /// of its job.
  ///
  /// Objects that the recording referred to before, and that no other recording refers to, are scheduled for removal.
  /// - Throws: `leaseLost` when another worker has taken over; `storageFailed` when an object was removed meanwhile.
  package func archive(_ archive: Archive, lease: JobLease) async throws(TapedeckError) {
    try await database.write { db in
      try db.updateJob(
        lease,
        """
        stage = \(Stage.ready), run_state = \(RunState.done), lease_until = NULL, due_at = NULL, ended_at = tapedeck_now_ms(),
        failure_code = NULL, failure_message = NULL, retry_after_ms = NULL
        """)
      try db.observe(archive.facts, of: archive.key)
      guard let recording = try db.recording(archive.key) else {
        throw TapedeckError(.catalogFailed, detail: "recording vanished")
      }
      let duration = archive.parts.map(\.end).max() ?? .zero
      let missing = try archive.missing.isEmpty ? nil : storedJSON(archive.missing)
      try db.execute(
        """
        UPDATE recording SET archived_at = \(archive.archivedAt ?? archive.at),
          available_at = coalesce(available_at, \(archive.availableAt)), audio_ms = \(duration.milliseconds),
          missing_parts = \(missing), warning = \(archive.warning), damage = NULL,
          verified_at = \(recording.archivedAt == nil ? nil : archive.at) WHERE id = \(recording.id)
        """)
      try db.refreshListedStatus(of: archive.key)
      let before = try db.withParts(recording)
      let dropped = Set(before.parts.flatMap(\.objects) + (before.recording.joined?.objects ?? []))
      let objects = Set(archive.parts.flatMap(\.objects) + (archive.joined?.objects ?? []))
      try db.keep(objects)
      try db.store(archive.parts, archive.joined, of: recording.id)
      try db.scheduleRemoval(of: dropped.subtracting(objects), lastOf: recording.id)
      for time in archive.steps { try db.insert(time, of: lease.jobID) }
      var entry = archive.entry
      if entry.action == .repair {
        let job = try db.row("SELECT requested_by FROM job WHERE id = \(lease.jobID)")
        entry.details["by"] = repairer(requester: job?.optionalText("requested_by"))
      }
      try db.insert(entry)
      if let message = archive.message {
        try db.execute(
          """
          INSERT INTO webhook_message (id, recording_id, body, created_at, state, due_at)
          VALUES (\(message.id), \(recording.id), \(message.body), \(archive.at), 'pending', \(archive.at))
          """)
        db.notify(.webhookDue)
      }
      db.notify(.job(lease.jobID))
    }
  }
}

/// What is committed when a recording enters the archive.
package struct Archive: Sendable {
  package var key: RecordingKey
  package var facts: PlatformRecording
  package var parts: [MediaPart]
  /// The files of the whole audio; nil for a recording with one part.
  package var joined: JoinedMedia?
  /// The parts for which the platform has no media.
  package var missing: [PartFacts]
  package var at: Instant
  /// When a repaired recording entered the archive; nil for now.
  package var archivedAt: Instant?
  package var availableAt: Instant?
  package var warning: String?
  package var steps: [StepTime]
  package var entry: LogEntry
  /// The webhook message; nil without a webhook.
  package var message: (id: String, body: String)?

  package init(
    key: RecordingKey, facts: PlatformRecording, parts: [MediaPart], joined: JoinedMedia? = nil,
    missing: [PartFacts] = [], at: Instant, archivedAt: Instant? = nil, availableAt: Instant?, warning: String?, steps: [StepTime], entry: LogEntry, message: (id: String, body: String)?
  ) {
    self.key = key
    self.facts = facts
    self.parts = parts
    self.joined = joined
    self.missing = missing
    self.at = at
    self.archivedAt = archivedAt
    self.availableAt = availableAt
    self.warning = warning
    self.steps = steps
    self.entry = entry
    self.message = message
  }
}

extension Connection {
  func recording(_ key: RecordingKey) throws(TapedeckError) -> RecordingRow? {
    guard
      let row = try row(
        """
        SELECT r.*, \(isAcceptedColumn) FROM recording r
        WHERE r.source = \(key.source) AND r.platform_id = \(key.id)
        """)
    else { return nil }
    return try RecordingRow(row)
  }

  /// A recording with its files.
  func withParts(_ row: RecordingRow) throws(TapedeckError) -> (recording: RecordingRow, parts: [MediaPart]) {
    var recording = row
    let parts = try parts(of: row.id)
    if parts.count > 1 { recording.joined = try joinedMedia(of: row.id) }
    return (recording, parts)
  }

  private func parts(of recordingID: Int64) throws(TapedeckError) -> [MediaPart] {
    var parts: [MediaPart] = []
    for row in try rows("SELECT * FROM media_part WHERE recording_id = \(recordingID) ORDER BY part") {
      parts.append(try MediaPart(row))
    }
    return parts
  }

  func observe(_ facts: PlatformRecording, of key: RecordingKey) throws(TapedeckError) {
    let known = try recording(key)
    var privacy = max(known?.facts.privacy ?? .standard, facts.privacy)
    var isPrivacyKnown = facts.isPrivacyKnown
    if let known = known?.facts {
      if !facts.isPrivacyKnown { (privacy, isPrivacyKnown) = (known.privacy, known.isPrivacyKnown) }
      if facts.isPrivacyKnown, !known.isPrivacyKnown { privacy = facts.privacy }
    }
    if known == nil, try wasListedAsRestricted(key) { (privacy, isPrivacyKnown) = (.restricted, true) }
    let (words, addressWords) = SearchWords.stored(for: facts, of: key)
    try execute(
      """
      INSERT INTO recording (source, platform_id, platform_status, privacy, privacy_is_known, started_at, ended_at,
        duration_s, direction, agent_id, agent_name, team_id, skill_id, skill_name, campaign_id, campaign_name,
        from_address, to_address, contact_id, disposition, media_type, metadata, words, address_words, first_seen_at)
      VALUES (\(key.source), \(key.id), \(facts.status), \(privacy), \(isPrivacyKnown), \(facts.startTime),
        \(facts.endTime), \(facts.durationSeconds), \(facts.direction), \(facts.agentID), \(facts.agentName),
        \(facts.teamID),
        \(facts.skillID), \(facts.skillName), \(facts.campaignID), \(facts.campaignName), \(facts.fromAddress),
        \(facts.toAddress), \(facts.contactID), \(facts.disposition), \(facts.mediaType), \(facts.json),
        \(words), \(addressWords), tapedeck_now_ms())
      ON CONFLICT (source, platform_id) DO UPDATE SET
        platform_status = excluded.platform_status, privacy = excluded.privacy,
        privacy_is_known = excluded.privacy_is_known, started_at = excluded.started_at,
        ended_at = excluded.ended_at, duration_s = excluded.duration_s, direction = excluded.direction,
        agent_id = excluded.agent_id, agent_name = excluded.agent_name, team_id = excluded.team_id,
        skill_id = excluded.skill_id, skill_name = excluded.skill_name, campaign_id = excluded.campaign_id,
        campaign_name = excluded.campaign_name, from_address = excluded.from_address,
        to_address = excluded.to_address, contact_id = excluded.contact_id, disposition = excluded.disposition,
        media_type = excluded.media_type, metadata = excluded.metadata, words = excluded.words,
        address_words = excluded.address_words
      """)
    if let name = facts.agentName, known?.facts.agentName != name { try insertAgentName(name) }
    if facts.status == .available {
      try execute(
        """
        UPDATE recording SET available_at = tapedeck_now_ms()
        WHERE source = \(key.source) AND platform_id = \(key.id) AND available_at IS NULL
        """)
    }
    if known == nil { try refreshListedStatus(of: key) }
    if let known, known.facts.privacy < privacy {
      try insert(
        LogEntry(
          at: try now(), action: .privacyChange, outcome: .allowed, actor: nil, recording: key,
          details: ["privacy": privacy.rawValue]))
      notify(.accessNarrowed)
    }
  }
}
