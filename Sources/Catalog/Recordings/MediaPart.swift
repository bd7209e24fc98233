package import Model

/// The files of one part of a recording.
package struct MediaPart: Sendable, Equatable {
  package struct File: Sendable, Equatable {
    package var name: ObjectName
    package var hash: ContentHash
    package var bytes: Int64

    package var content: ObjectContent { ObjectContent(hash: hash, bytes: bytes) }

    package init(name: ObjectName, hash: ContentHash, bytes: Int64) {
      self.name = name
      self.hash = hash
      self.bytes = bytes
    }
  }

  /// Counted from 0, with the parts that are missing.
  package var part: Int
  /// When it begins in the audio of the whole recording.
  package var offset: Duration
  /// What the platform says about it.
  package var facts: PartFacts
  /// The hash of the bytes that the platform sent, even when the original is not kept.
  package var sourceHash: ContentHash
  package var sourceBytes: Int64
  /// The kept original; nil with `originals: discard`.
  package var original: ObjectName?
  package var codec: String
  package var channels: Int
  /// Of the original, in Hz.
  package var sampleRate: Int
  package var duration: Duration
  package var mp3: File
  package var peaks: File

  package init(
    part: Int, offset: Duration = .zero, facts: PartFacts? = nil, sourceHash: ContentHash, sourceBytes: Int64,
    original: ObjectName?, codec: String, channels: Int, sampleRate: Int, duration: Duration, mp3: File, peaks: File
  ) {
    self.part = part
    self.offset = offset
    self.facts = facts ?? PartFacts(part)
    self.sourceHash = sourceHash
    self.sourceBytes = sourceBytes
    self.original = original
    self.codec = codec
    self.channels = channels
    self.sampleRate = sampleRate
    self.duration = duration
    self.mp3 = mp3
    self.peaks = peaks
  }

  init(_ row: Row) throws(TapedeckError) {
    part = Int(try row.int("part"))
    offset = .milliseconds(try row.int("offset_ms"))
    facts = try row.optionalJSON("facts", as: PartFacts.self) ?? PartFacts(part)
    sourceHash = try row.value("source_sha256", as: ContentHash.self)
    sourceBytes = try row.int("source_bytes")
    original = row.optionalValue("original_object", as: ObjectName.self)
    codec = try row.text("codec")
    channels = Int(try row.int("channels"))
    sampleRate = Int(try row.int("sample_rate"))
    duration = .milliseconds(try row.int("audio_ms"))
    mp3 = try File(row, "mp3")
    peaks = try File(row, "peaks")
  }

  /// The facts as the catalog stores them; null when the platform says nothing.
  func storedFacts() throws(TapedeckError) -> String? {
    try facts == PartFacts(part) ? nil : storedJSON(facts)
  }

  /// When it ends in the audio of the whole recording.
  package var end: Duration { offset + duration }

  /// The stages as passages of the audio of the whole recording.
  package var stages: [MediaStage] {
    facts.audibleStages.map { MediaStage($0.kind, start: offset + $0.start, end: min(offset + $0.end, end)) }
  }

  /// Every object of the part.
  package var objects: [ObjectName] { (original.map { [$0] } ?? []) + [mp3.name, peaks.name] }
}

extension MediaPart.File {
  init(_ row: Row, _ kind: String) throws(TapedeckError) {
    name = try row.value("\(kind)_object", as: ObjectName.self)
    hash = try row.value("\(kind)_sha256", as: ContentHash.self)
    bytes = try row.int("\(kind)_bytes")
  }
}
