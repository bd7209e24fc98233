package import Model

/// A row of the table `recording`.
package struct RecordingRow: Sendable {
  package var id: Int64
  package var key: RecordingKey
  package var facts: PlatformRecording
  package var firstSeenAt: Instant
  package var availableAt: Instant?
  /// When it was first archived; nil before.
  package var archivedAt: Instant?
  /// The duration of the decoded audio of all parts.
  package var audioDuration: Duration?
  /// The parts for which the platform had no media until the deadline; then the recording is partial.
  package var missingParts: [PartFacts]
  /// The files of the whole audio of a recording with several parts; read only together with its parts.
  package var joined: JoinedMedia?
  /// An anomaly that the integrity check accepted, as a sentence.
  package var warning: String?
  /// When its files were last verified; nil when never since they were written.
  package var verifiedAt: Instant?
  /// What is wrong with its files; nil while nothing is known to be wrong.
  package var damage: DamageNote?
  /// Whether its original was refused and then accepted by a user.
  package var isAccepted: Bool

  /// Whether parts of the call are missing in the archive because the platform has no media for them.
  package var isPartial: Bool { archivedAt != nil && !missingParts.isEmpty }

  /// The time that lists are sorted by: the start of the call, or when it was first seen if the start is not known.
  package var sortedAt: Instant { facts.startTime ?? firstSeenAt }

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    facts = PlatformRecording(
      id: key.id, status: try row.value("platform_status", as: PlatformStatus.self),
      privacy: try row.value("privacy", as: Privacy.self), json: try row.text("metadata"))
    facts.isPrivacyKnown = try row.int("privacy_is_known") == 1
    facts.startTime = row.optionalInstant("started_at")
    facts.endTime = row.optionalInstant("ended_at")
    facts.durationSeconds = row.optionalInt("duration_s").map(Int.init)
    facts.direction = row.optionalValue("direction", as: Direction.self)
    facts.agentID = row.optionalText("agent_id")
    facts.agentName = row.optionalText("agent_name")
    facts.teamID = row.optionalText("team_id")
    facts.skillID = row.optionalText("skill_id")
    facts.skillName = row.optionalText("skill_name")
    facts.campaignID = row.optionalText("campaign_id")
    facts.campaignName = row.optionalText("campaign_name")
    facts.fromAddress = row.optionalText("from_address")
    facts.toAddress = row.optionalText("to_address")
    facts.contactID = row.optionalText("contact_id")
    facts.disposition = row.optionalText("disposition")
    facts.mediaType = row.optionalText("media_type")
    firstSeenAt = try row.instant("first_seen_at")
    availableAt = row.optionalInstant("available_at")
    archivedAt = row.optionalInstant("archived_at")
    audioDuration = row.optionalInt("audio_ms").map { .milliseconds($0) }
    missingParts = try row.optionalJSON("missing_parts", as: [PartFacts].self) ?? []
    warning = row.optionalText("warning")
    verifiedAt = row.optionalInstant("verified_at")
    damage = try row.optionalDamage("damage")
    isAccepted = row.optionalInt("is_accepted") == 1
  }
}
