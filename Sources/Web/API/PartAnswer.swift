import Catalog
import Model

/// A stored file in the API.
struct FileAnswer: Encodable {
  static let schema = Schema.object(
    "File",
    ["kind": .choice(["original", "mp3", "peaks"]), "location?": .string, "sha256": .sha256, "bytes": .integer])

  let kind: String
  let location: String?
  let sha256: String
  let bytes: Int64

  /// - Parameter location: where an object is; nil when the reader may not see it.
  init(_ kind: String, _ file: MediaPart.File, _ location: ((ObjectName) -> String)?) {
    self.init(kind: kind, location: location?(file.name), sha256: file.hash.rawValue, bytes: file.bytes)
  }

  private init(kind: String, location: String?, sha256: String, bytes: Int64) {
    self.kind = kind
    self.location = location
    self.sha256 = sha256
    self.bytes = bytes
  }

  /// The files of a part. The hash of the original is known even when it was not kept.
  static func all(of part: MediaPart, _ location: ((ObjectName) -> String)?) -> [FileAnswer] {
    let original = part.original.flatMap { name in location?(name) }
    return [
      FileAnswer(kind: "original", location: original, sha256: part.sourceHash.rawValue, bytes: part.sourceBytes),
      FileAnswer("mp3", part.mp3, location), FileAnswer("peaks", part.peaks, location),
    ]
  }
}

/// A part of a recording in the API. Parts are counted from 1.
struct PartAnswer: Encodable {
  static let schema = Schema.object(
    "Part",
    [
      "part": .integer, "startTime?": .moment, "offsetSeconds": .number, "audioSeconds": .number, "codec": .string,
      "channels": .integer, "sampleRate": .integer, "lanes": .list(Lane.schema), "stages": .list(Stage.schema),
      "files": .list(FileAnswer.schema),
    ])

  struct Lane: Encodable {
    static let schema = Schema.object(
      "Lane", ["channel": .integer, "speaker": .choice(of: MediaLane.Speaker.self), "name?": .string])

    /// Counted from 0.
    let channel: Int
    let speaker: String
    let name: String?
  }

  /// A passage, in seconds from the beginning of the whole audio.
  struct Stage: Encodable {
    static let schema = Schema.object(
      "Stage", ["kind": .choice(of: MediaStage.Kind.self), "from": .number, "to": .number])

    let kind: String
    let from: Double
    let to: Double
  }

  /// A part for which the platform has no media.
  struct Missing: Encodable {
    static let schema = Schema.object("MissingPart", ["part": .integer, "startTime?": .moment])

    let part: Int
    let startTime: String?

    init(_ facts: PartFacts) {
      part = facts.part + 1
      startTime = facts.startTime?.iso8601
    }
  }

  let part: Int
  let startTime: String?
  /// Where it begins in the whole audio.
  let offsetSeconds: Double
  let audioSeconds: Double
  let codec: String
  let channels: Int
  let sampleRate: Int
  let lanes: [Lane]
  let stages: [Stage]
  let files: [FileAnswer]

  /// - Parameter location: where an object is; nil when the reader may not see it.
  init(_ media: MediaPart, _ location: ((ObjectName) -> String)?) {
    part = media.part + 1
    startTime = media.facts.startTime?.iso8601
    offsetSeconds = media.offset.inSeconds
    audioSeconds = media.duration.inSeconds
    codec = media.codec
    channels = media.channels
    sampleRate = media.sampleRate
    lanes = media.facts.lanes.map { Lane(channel: $0.channel, speaker: $0.speaker.rawValue, name: $0.name) }
    stages = media.stages.map { Stage(kind: $0.kind.rawValue, from: $0.start.inSeconds, to: $0.end.inSeconds) }
    files = FileAnswer.all(of: media, location)
  }
}
