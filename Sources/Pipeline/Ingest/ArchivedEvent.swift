import Catalog
import Foundation
import Model

/// The body of the webhook `recording.archived`, which is sent when a recording has been archived.
///
/// Four fields stay at the top level because QM systems used them before `data` was added.
struct ArchivedEvent: Encodable {
  let recordingId: String
  /// Whole seconds of the decoded audio, rounded to the nearest.
  let durationSeconds: Int
  /// The MP3: an absolute path or an `s3://` address.
  let filePath: String
  /// `YYYY-MM-DDTHH:MM:SSZ`.
  let syncedAt: String
  let type = "recording.archived"
  let timestamp: String
  let data: Details

  struct Details: Encodable {
    let source: String
    let playerPath: String
    let privacy: String
    let startTime: String?
    let direction: String?
    let agentId: String?
    let agentName: String?
    let contactId: String?
    let skillName: String?
    let codec: String
    let channels: Int
    let sampleRate: Int
    let originalSha256: String
    let originalBytes: Int64
    let mp3Sha256: String
    let mp3Bytes: Int64
  }

  init(part: MediaPart, facts: PlatformRecording, key: RecordingKey, filePath: String, at now: Instant) {
    recordingId = key.id.rawValue
    durationSeconds = Int(part.duration.inSeconds.rounded())
    self.filePath = filePath
    syncedAt = now.iso8601
    timestamp = now.iso8601
    data = Details(
      source: key.source.rawValue, playerPath: "/play/\(key.pathSegment)", privacy: facts.privacy.rawValue,
      startTime: facts.startTime?.iso8601, direction: facts.direction?.rawValue, agentId: facts.agentID,
      agentName: facts.agentName, contactId: facts.contactID, skillName: facts.skillName, codec: part.codec,
      channels: part.channels, sampleRate: part.sampleRate, originalSha256: part.sourceHash.rawValue,
      originalBytes: part.sourceBytes, mp3Sha256: part.mp3.hash.rawValue, mp3Bytes: part.mp3.bytes)
  }

  /// Sorted keys, so that equal events have equal bytes.
  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding cannot fail: all values are strings and integers.
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}
