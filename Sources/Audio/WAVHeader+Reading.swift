extension WAVHeader {
  /// What the first bytes of a file turned out to be.
  package enum Reading: Sendable, Equatable {
    /// All is known, down to where the audio begins.
    case header(WAVHeader)
    /// So far a WAV file; ask again with at least this many bytes from its start. Never more than `maximumLength`.
    case needsMore(Int)
    /// Not a WAV file that can be used, with the reason as the end of a sentence.
    case malformed(String)
  }

  /// Where the audio must have begun. Writers put up to a few kilobytes of text in front of it.
  package static let maximumLength = 1 << 20

  /// Reads a header from the first bytes of a file. Pure; never traps, whatever the bytes are.
  ///
  /// Call it with what is there, and again with more as long as it asks for more and the file has more.
  package static func read(_ bytes: ArraySlice<UInt8>) -> Reading {
    var reader = ChunkReader(bytes: bytes.prefix(maximumLength))
    return reader.read()
  }

  /// Reads a header from the first bytes of a file.
  package static func read(_ bytes: [UInt8]) -> Reading { read(bytes[...]) }
}

/// Walks over the chunks in front of the audio. Every position is checked against the bytes that are there.
private struct ChunkReader {
  let bytes: ArraySlice<UInt8>
  var large: LargeSizes?
  var format: Format?
  var sampleFrames: Int64?

  /// The 64-bit sizes of a `ds64` chunk.
  struct LargeSizes {
    var container, data, frames: UInt64
  }

  struct Format {
    var tag: UInt16
    var channels, sampleRate, byteRate, blockAlign, bits: Int
    var samplesPerBlock: Int?
  }

  init(bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  mutating func read() -> WAVHeader.Reading {
    guard bytes.count >= 12 else { return .needsMore(12) }
    let container = text(at: 0)
    guard container == "RIFF" || container == "RF64" || container == "BW64", text(at: 8) == "WAVE" else {
      return .malformed("it does not begin like a WAV file")
    }
    var position = 12
    while true {
      guard let length = length(at: position) else { return more(position + 8) }
      let name = text(at: position)
      let body = position + 8
      if name == "data" { return finish(container: container, body: body, length: length) }
      let end = body + Int(length)
      guard end <= bytes.count else { return more(end) }
      if let problem = take(name, body: body, end: end) { return .malformed(problem) }
      // Chunks begin at even positions; the padding byte is not counted in the length.
      position = end + (end & 1)
    }
  }

  private func more(_ count: Int) -> WAVHeader.Reading {
    count <= WAVHeader.maximumLength
      ? .needsMore(count) : .malformed("no audio begins within its first \(WAVHeader.maximumLength) bytes")
  }

  /// Takes what a complete chunk says; returns what is wrong with it.
  private mutating func take(_ name: String, body: Int, end: Int) -> String? {
    let length = end - body
    switch name {
    case "ds64":
      guard length >= 24 else { return "its 'ds64' chunk is too short" }
      large = LargeSizes(container: wide(at: body), data: wide(at: body + 8), frames: wide(at: body + 16))
    case "fmt ":
      guard length >= 14 else { return "its 'fmt ' chunk is too short" }
      let format = readFormat(body: body, length: length)
      guard format.channels > 0 else { return "it has no channels" }
      guard format.sampleRate > 0 else { return "its sample rate is 0" }
      self.format = format
    case "fact" where length >= 4:
      sampleFrames = known(word(at: body)).map(Int64.init)
    default: break
    }
    return nil
  }

  private func readFormat(body: Int, length: Int) -> Format {
    var format = Format(
      tag: half(at: body), channels: Int(half(at: body + 2)), sampleRate: Int(word(at: body + 4)),
      byteRate: Int(word(at: body + 8)), blockAlign: Int(half(at: body + 12)),
      bits: length >= 16 ? Int(half(at: body + 14)) : 0)
    let extensionLength = length >= 18 ? min(Int(half(at: body + 16)), length - 18) : 0
    if format.tag == 0xFFFE {
      // WAVE_FORMAT_EXTENSIBLE: the tag is the first two bytes of a GUID whose rest is fixed.
      let rest: [UInt8] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]
      if extensionLength >= 22, slice(at: body + 26, count: rest.count).elementsEqual(rest) {
        format.tag = half(at: body + 24)
      }
    } else if extensionLength >= 2 {
      format.samplesPerBlock = Int(half(at: body + 18))
    }
    return format
  }

  private func finish(container: String, body: Int, length: UInt32) -> WAVHeader.Reading {
    guard let format else { return .malformed("its audio begins before its format is described") }
    var dataLength = known(length).map(UInt64.init)
    var containerLength = known(word(at: 4)).map { UInt64($0) + 8 }
    var frames = sampleFrames
    if container != "RIFF", let large {
      if length == .max { dataLength = known(large.data) }
      if word(at: 4) == .max {
        containerLength = known(large.container).map { $0.addingReportingOverflow(8).partialValue }
      }
      if frames == nil { frames = known(large.frames).flatMap { Int64(exactly: $0) } }
    }
    // Positions beyond 2^62 exist in no file, and leave room for every sum that is built from them.
    guard (dataLength ?? 0) < 1 << 62, (containerLength ?? 0) < 1 << 62 else {
      return .malformed("it announces an impossible length")
    }
    return .header(
      WAVHeader(
        formatTag: format.tag, channels: format.channels, sampleRate: format.sampleRate, bitsPerSample: format.bits,
        blockAlign: format.blockAlign, byteRate: format.byteRate, samplesPerBlock: format.samplesPerBlock,
        dataOffset: Int64(body), dataLength: dataLength.map { Int64($0) }, sampleFrames: frames,
        containerLength: containerLength.map { Int64($0) }))
  }

  /// Writers that did not know a size left 0 or the largest number.
  private func known<Size: FixedWidthInteger>(_ size: Size) -> Size? { size == 0 || size == .max ? nil : size }

  /// The length of the chunk at a position; nil when it is not there yet.
  private func length(at position: Int) -> UInt32? {
    position + 8 <= bytes.count ? word(at: position + 4) : nil
  }

  private func text(at position: Int) -> String { String(decoding: slice(at: position, count: 4), as: UTF8.self) }
  private func half(at position: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(at: position, count: 2)) }
  private func word(at position: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(at: position, count: 4)) }
  private func wide(at position: Int) -> UInt64 { number(at: position, count: 8) }

  private func number(at position: Int, count: Int) -> UInt64 {
    slice(at: position, count: count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func slice(at position: Int, count: Int) -> ArraySlice<UInt8> {
    bytes.dropFirst(position).prefix(count)
  }
}
