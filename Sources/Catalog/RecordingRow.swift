package import Model

/// A recording as the catalog holds it.
package struct RecordingRow: Sendable {
  package var id: Int64
  package var key: RecordingKey
  package var facts: PlatformRecording
  package var firstSeenAt: Instant
  package var availableAt: Instant?
  /// When it entered the archive; nil while it has not.
  package var archivedAt: Instant?
  /// The length of the audio that was decoded.
  package var audioDuration: Duration?
  /// What is odd about it and was let through, in a sentence.
  package var warning: String?
  /// When its bytes were last compared with the catalog; nil when that was only at their writing.
  package var verifiedAt: Instant?
  /// What is wrong with its files, in a sentence; nil when nothing is known to be.
  package var damage: String?

  /// The start of the call where the platform told it, else when we first saw it: what lists are sorted by.
  package var sortedAt: Instant { facts.startTime ?? firstSeenAt }

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    facts = PlatformRecording(
      id: key.id, status: try row.value("platform_status", as: PlatformStatus.self),
      privacy: try row.value("privacy", as: Privacy.self), json: try row.text("metadata"))
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
    warning = row.optionalText("warning")
    verifiedAt = row.optionalInstant("verified_at")
    damage = row.optionalText("damage")
  }
}

/// The files of one part of a recording. Keys name objects of the store, hashes are SHA-256 in hexadecimal.
package struct MediaPart: Sendable, Equatable {
  package struct File: Sendable, Equatable {
    package var key: String
    package var sha256: String
    package var bytes: Int64

    package init(key: String, sha256: String, bytes: Int64) {
      self.key = key
      self.sha256 = sha256
      self.bytes = bytes
    }
  }

  /// Counted from 0.
  package var part: Int
  /// What the platform sent; remembered even where the original itself is not kept.
  package var sourceSHA256: String
  package var sourceBytes: Int64
  /// The kept original; nil with `originals: discard`.
  package var originalKey: String?
  package var codec: String
  package var channels: Int
  /// Of the original, in Hz.
  package var sampleRate: Int
  package var duration: Duration
  package var mp3: File
  package var peaks: File

  package init(
    part: Int, sourceSHA256: String, sourceBytes: Int64, originalKey: String?, codec: String, channels: Int,
    sampleRate: Int, duration: Duration, mp3: File, peaks: File
  ) {
    self.part = part
    self.sourceSHA256 = sourceSHA256
    self.sourceBytes = sourceBytes
    self.originalKey = originalKey
    self.codec = codec
    self.channels = channels
    self.sampleRate = sampleRate
    self.duration = duration
    self.mp3 = mp3
    self.peaks = peaks
  }

  init(_ row: Row) throws(TapedeckError) {
    part = Int(try row.int("part"))
    sourceSHA256 = try row.text("source_sha256")
    sourceBytes = try row.int("source_bytes")
    originalKey = row.optionalText("original_key")
    codec = try row.text("codec")
    channels = Int(try row.int("channels"))
    sampleRate = Int(try row.int("sample_rate"))
    duration = .milliseconds(try row.int("audio_ms"))
    mp3 = File(key: try row.text("mp3_key"), sha256: try row.text("mp3_sha256"), bytes: try row.int("mp3_bytes"))
    peaks = File(
      key: try row.text("peaks_key"), sha256: try row.text("peaks_sha256"), bytes: try row.int("peaks_bytes"))
  }
}
