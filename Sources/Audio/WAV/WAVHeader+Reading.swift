import Model

extension WAVHeader {
  /// The result of reading the first bytes of a file.
  package enum Reading: Sendable, Equatable {
    /// The complete header up to the beginning of the audio.
    case header(WAVHeader)
    /// Valid so far; at least this many bytes from the start of the file are needed, never more than `maximumLength`.
    case needsMore(Int)
    /// Not a usable WAV file; the reason completes a sentence.
    case malformed(String)
  }

  /// The maximum offset of the audio. Some writers reserve a megabyte before it.
  package static let maximumLength = 4 << 20
  /// The maximum number of chunks before the audio; files have fewer than ten.
  static let maximumChunks = 1000

  /// How many bytes to read after `needsMore(count)`: at least twice as many as before, so that reading the header
  /// again and again takes linear time.
  package static func nextLength(after read: Int, needing count: Int) -> Int {
    max(count, min(2 * read, maximumLength))
  }

  /// Reads a header from the first bytes of a file. Pure; never traps, whatever the bytes are.
  ///
  /// When the result is `needsMore`, call it again with more bytes, as long as the file has more.
  package static func read(_ bytes: ArraySlice<UInt8>) -> Reading {
    var reader = ChunkReader(bytes: bytes.prefix(maximumLength))
    return reader.read()
  }

  /// Reads a header from the first bytes of a file.
  package static func read(_ bytes: [UInt8]) -> Reading { read(bytes[...]) }
}

/// Reads the chunks before the audio. Every position is checked against the available bytes.
private struct ChunkReader {
  let bytes: ArraySlice<UInt8>
  var large: LargeSizes?
  var format: Format?
  var sampleFrames: Int64?
  /// RIFX: all numbers are big-endian.
  var isBigEndian = false
  /// Where the container begins: after an ID3v2 tag.
  var start = 0
  /// The chunks that a decoder needs, with their names and lengths.
  var essentials: [UInt8] = []
  var hasMissingPadding = false

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
    start = MediaSignature.id3Length(bytes)
    guard bytes.count >= start + 12 else { return more(start + 12) }
    let container = text(at: start)
    guard ["RIFF", "RIFX", "RF64", "BW64"].contains(container), text(at: start + 8) == "WAVE" else {
      return .malformed("it does not begin with a WAV header")
    }
    isBigEndian = container == "RIFX"
    var position = start + 12
    for _ in 0...WAVHeader.maximumChunks {
      guard let length = length(at: position) else { return more(position + 8) }
      let name = text(at: position)
      let body = position + 8
      if name == "data" { return finish(container: container, body: body, length: length) }
      let end = body + Int(length)
      guard end <= bytes.count else { return more(end) }
      if let problem = take(name, body: body, end: end) { return .malformed(problem) }
      position = end
      // An odd length is followed by a padding byte that it does not include, except where the writer left it out.
      if length % 2 == 1 {
        guard end + 9 <= bytes.count else { return more(end + 9) }
        let isMissing = WAVChunks.common.contains(text(at: end)) && !WAVChunks.common.contains(text(at: end + 1))
        if isMissing { hasMissingPadding = true } else { position += 1 }
      }
    }
    return .malformed("more than \(grouped(WAVHeader.maximumChunks)) parts precede its audio")
  }

  private func more(_ count: Int) -> WAVHeader.Reading {
    count <= WAVHeader.maximumLength
      ? .needsMore(count) : .malformed("no audio begins within its first \(WAVHeader.maximumLength) bytes")
  }

  /// Reads a complete chunk; returns the reason if it is invalid.
  private mutating func take(_ name: String, body: Int, end: Int) -> String? {
    let length = end - body
    if ["ds64", "fmt ", "fact"].contains(name) {
      essentials += slice(at: body - 8, count: length + 8) + (length % 2 == 1 ? [0] : [])
    }
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
      // WAVE_FORMAT_EXTENSIBLE: the tag is the first two bytes of a GUID with a fixed remainder.
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
    var containerLength = known(word(at: start + 4)).map { UInt64($0) + 8 + UInt64(start) }
    var frames = sampleFrames
    if container != "RIFF", let large {
      if length == .max { dataLength = known(large.data) }
      if word(at: start + 4) == .max {
        containerLength = known(large.container).map { $0.addingReportingOverflow(8 + UInt64(start)).partialValue }
      }
      if frames == nil { frames = known(large.frames).flatMap { Int64(exactly: $0) } }
    }
    // No file has positions beyond 2^62, and sums of smaller values cannot overflow.
    guard (dataLength ?? 0) < 1 << 62, (containerLength ?? 0) < 1 << 62 else {
      return .malformed("it announces an impossible length")
    }
    var replacement: [UInt8]?
    if hasMissingPadding {
      replacement = Array(slice(at: start, count: 12)) + essentials + Array(slice(at: body - 8, count: 8))
    }
    return .header(
      WAVHeader(
        formatTag: format.tag, channels: format.channels, sampleRate: format.sampleRate, bitsPerSample: format.bits,
        blockAlign: format.blockAlign, byteRate: format.byteRate, samplesPerBlock: format.samplesPerBlock,
        dataOffset: Int64(body), dataLength: dataLength.map { Int64($0) }, sampleFrames: frames,
        containerLength: containerLength.map { Int64($0) }, hasDataLengthZero: length == 0, isBigEndian: isBigEndian,
        replacement: replacement))
  }

  /// Writers that do not know a size leave 0 or the maximum value.
  private func known<Size: FixedWidthInteger>(_ size: Size) -> Size? { size == 0 || size == .max ? nil : size }

  /// The length of the chunk at a position; nil when not enough bytes are available.
  private func length(at position: Int) -> UInt32? {
    position + 8 <= bytes.count ? word(at: position + 4) : nil
  }

  private func text(at position: Int) -> String { String(decoding: slice(at: position, count: 4), as: UTF8.self) }
  private func half(at position: Int) -> UInt16 { UInt16(truncatingIfNeeded: number(at: position, count: 2)) }
  private func word(at position: Int) -> UInt32 { UInt32(truncatingIfNeeded: number(at: position, count: 4)) }
  private func wide(at position: Int) -> UInt64 { number(at: position, count: 8) }

  private func number(at position: Int, count: Int) -> UInt64 {
    let slice = slice(at: position, count: count)
    return isBigEndian
      ? slice.reduce(0) { $0 << 8 | UInt64($1) } : slice.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private func slice(at position: Int, count: Int) -> ArraySlice<UInt8> {
    bytes.dropFirst(position).prefix(count)
  }
}
