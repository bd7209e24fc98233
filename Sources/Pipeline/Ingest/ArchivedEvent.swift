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
  /// The MP3 of the whole audio: an absolute path or an `s3://` address.
  let filePath: String
  /// `YYYY-MM-DDTHH:MM:SSZ`.
  let syncedAt: String
  let type = "recording.archived"
  let timestamp: String
  let data: Details

  /// `codec`, `channels`, `sampleRate`, `originalSha256` and `originalBytes` are those of the first part.
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
    let codec: String?
    let channels: Int?
    let sampleRate: Int?
    let originalSha256: String?
    let originalBytes: Int64?
    let mp3Sha256: String
    let mp3Bytes: Int64
    /// Absent for one part about which the platform says nothing.
    let parts: [Part]?
    /// The numbers of the parts for which the platform has no media, counted from 1; absent without any.
    let missingParts: [Int]?
  }

  struct Part: Encodable {
    /// Counted from 1.
    let part: Int
    let startTime: String?
    let offsetSeconds: Double
    let audioSeconds: Double
    let filePath: String
    let originalSha256: String
    let originalBytes: Int64
    let mp3Sha256: String
    let mp3Bytes: Int64
    let lanes: [Lane]
    let stages: [Stage]
  }

  struct Lane: Encodable {
    let channel: Int
    let speaker: String
    let name: String?
  }

  /// In seconds from the beginning of the whole audio.
  struct Stage: Encodable {
    let kind: String
    let from: Double
    let to: Double
  }

  /// - Parameters:
  ///   - mp3: of the whole audio.
  ///   - location: where an object is, for programs.
  init(
    parts: [MediaPart], missing: [PartFacts], mp3: MediaPart.File, facts: PlatformRecording, key: RecordingKey,
    at now: Instant, location: (ObjectName) -> String
  ) {
    recordingId = key.id.rawValue
    durationSeconds = Int((parts.map(\.end).max() ?? .zero).inSeconds.rounded())
    filePath = location(mp3.name)
    syncedAt = now.iso8601
    timestamp = now.iso8601
    let first = parts.first
    let isPlain = missing.isEmpty && parts.map(\.facts) == PlannedMedia.single.parts
    data = Details(
      source: key.source.rawValue, playerPath: "/play/\(key.pathSegment)", privacy: facts.privacy.rawValue,
      startTime: facts.startTime?.iso8601, direction: facts.direction?.rawValue, agentId: facts.agentID,
      agentName: facts.agentName, contactId: facts.contactID, skillName: facts.skillName, codec: first?.codec,
      channels: first?.channels, sampleRate: first?.sampleRate, originalSha256: first?.sourceHash.rawValue,
      originalBytes: first?.sourceBytes, mp3Sha256: mp3.hash.rawValue, mp3Bytes: mp3.bytes,
      parts: isPlain ? nil : parts.map { Part($0, location) },
      missingParts: missing.isEmpty ? nil : missing.map { $0.part + 1 })
  }

  /// Sorted keys, so that equal events have equal bytes.
  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Encoding cannot fail: all values are strings and finite numbers.
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension ArchivedEvent.Part {
  fileprivate init(_ part: MediaPart, _ location: (ObjectName) -> String) {
    self.init(
      part: part.part + 1, startTime: part.facts.startTime?.iso8601, offsetSeconds: part.offset.inSeconds,
      audioSeconds: part.duration.inSeconds, filePath: location(part.mp3.name),
      originalSha256: part.sourceHash.rawValue, originalBytes: part.sourceBytes, mp3Sha256: part.mp3.hash.rawValue,
      mp3Bytes: part.mp3.bytes,
      lanes: part.facts.lanes.map { .init(channel: $0.channel, speaker: $0.speaker.rawValue, name: $0.name) },
      stages: part.stages.map {
        .init(kind: $0.kind.rawValue, from: $0.start.inSeconds, to: $0.end.inSeconds)
      })
  }
}
