import Model

/// Containers that consist of many small frames or pages.
extension FileWindow {
  /// RFC 3533: numbered pages with a table of sizes. The last page of each stream is marked.
  mutating func ogg() async throws -> ContainerStructure {
    var position: Int64 = 0
    // The number of the next page of each stream.
    var next: [ArraySlice<UInt8>: UInt32] = [:]
    var ended: Set<ArraySlice<UInt8>> = []
    while position < length {
      try beginPart()
      guard let head = try await bytes(at: position, 27) else {
        throw StructureProblem.cut("its last page", endsAt: position + 27, length: length)
      }
      guard head.starts(with: "OggS".utf8) else {
        throw StructureProblem("no page begins at byte \(grouped(position))")
      }
      let table = Int(head[26])
      guard let sizes = try await bytes(at: position + 27, table) else {
        throw StructureProblem.cut("its last page", endsAt: position + 27 + Int64(table), length: length)
      }
      let end = position + 27 + Int64(table) + sizes.reduce(0) { $0 + Int64($1) }
      guard end <= length, let page = try await bytes(at: position, Int(end - position)) else {
        throw StructureProblem.cut("its last page", endsAt: end, length: length)
      }
      guard Self.isIntact(page) else { throw StructureProblem("the page at byte \(grouped(position)) is damaged") }
      let stream = head[14..<18]
      let number = head[18..<22].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      if let expected = next[stream], number != expected {
        throw StructureProblem("pages are missing before byte \(grouped(position))")
      }
      // More streams are not followed, so that they need no memory.
      if next[stream] != nil || next.count < 100 {
        next[stream] = number &+ 1
        if head[5] & 4 != 0 { ended.insert(stream) }
      }
      position = end
    }
    return ContainerStructure(container: .ogg, showsEnd: next.count == ended.count)
  }

  /// Whether a page has the checksum that it contains.
  private static func isIntact(_ page: [UInt8]) -> Bool {
    let stored = page[22..<26].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let content = page[..<22] + [0, 0, 0, 0] + page[26...]
    return content.reduce(0) { $0 << 8 ^ checksums[Int($0 >> 24) ^ Int($1)] } == stored
  }

  /// The checksums of single bytes (polynomial 0x04C11DB7).
  private static let checksums = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte) << 24) { sum, _ in sum << 1 ^ (sum >> 31 == 1 ? 0x04C1_1DB7 : 0) }
  }

  /// RFC 4867, section 5: frames of 20 ms, whose first byte tells their size.
  mutating func amr() async throws -> ContainerStructure {
    let isWide = try await bytes(at: 0, 9)?.elementsEqual("#!AMR-WB\n".utf8) == true
    let sizes = isWide ? [18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1] : Self.narrowSizes
    var position: Int64 = isWide ? 9 : 6
    var frames = 0
    while position < length {
      try beginPart()
      guard let head = try await bytes(at: position, 1)?.first else { break }
      let size = sizes[Int(head >> 3 & 15)]
      guard size > 0, head & 0x83 == 0 else { throw StructureProblem("no frame begins at byte \(grouped(position))") }
      position += Int64(size)
      frames += 1
    }
    guard position == length else { throw StructureProblem.cut("its last frame", endsAt: position, length: length) }
    guard frames > 0 else { throw StructureProblem("it contains no audio") }
    return ContainerStructure(container: .amr, duration: .milliseconds(20 * frames))
  }

  private static let narrowSizes = [13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1]

  /// Frames of MPEG audio, layer III, between optional tags. A Xing header in the first one counts the others.
  mutating func mp3() async throws -> ContainerStructure {
    var position = try await id3Length()
    var frames: UInt64 = 0
    var announced: UInt64?
    var first: MP3Frame?
    while position < length {
      try beginPart()
      if try await isTag(at: position) { break }
      guard let head = try await bytes(at: position, 4) else {
        throw StructureProblem.cut("its last frame", endsAt: position + 4, length: length)
      }
      guard let frame = MP3Frame(head) else {
        throw StructureProblem("no frame begins at byte \(grouped(position))")
      }
      guard position + frame.length <= length else {
        throw StructureProblem.cut("its last frame", endsAt: position + frame.length, length: length)
      }
      if first == nil, let xing = try await xing(at: position + frame.headerLength) {
        announced = xing
      } else {
        frames += 1
      }
      if first == nil { first = frame }
      position += frame.length
    }
    guard let first, frames > 0 else { throw StructureProblem("it contains no audio") }
    // Some writers count the frame with the header too.
    if let announced, frames + 1 < announced {
      throw StructureProblem("it announces \(grouped(Int64(clamping: announced))) frames, but only \(frames) arrived")
    }
    return ContainerStructure(
      container: .mp3, duration: .seconds(Double(frames) * Double(first.samples) / Double(first.sampleRate)),
      showsEnd: announced != nil)
  }

  /// The count of frames in a Xing header, which may be missing there; nil when there is no such header.
  private mutating func xing(at position: Int64) async throws -> UInt64?? {
    guard let name = try await bytes(at: position, 4), ["Xing", "Info"].contains(String(decoding: name, as: UTF8.self))
    else { return nil }
    guard let flags = try await number(at: position + 4, 4), flags & 1 != 0 else { return .some(nil) }
    return .some(try await number(at: position + 8, 4))
  }

  /// Whether an ID3v1 or APE tag begins here, after the last frame.
  private mutating func isTag(at position: Int64) async throws -> Bool {
    if position == length - 128, try await bytes(at: position, 3)?.elementsEqual("TAG".utf8) == true { return true }
    return try await bytes(at: position, 8)?.elementsEqual("APETAGEX".utf8) == true
  }
}

/// The header of a frame of MPEG audio, layer III.
struct MP3Frame {
  var sampleRate: Int
  var samples: Int
  /// Bytes of the whole frame.
  var length: Int64
  /// Bytes before the content: the header, and the side information, after which a Xing header begins.
  var headerLength: Int64

  /// Nil unless the bytes are such a header with a fixed bit rate.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 4, bytes[0] == 0xFF, bytes[1] & 0xE6 == 0xE2, bytes[1] & 0x18 != 0x08 else { return nil }
    // MPEG 1, or 2 and 2.5.
    let (isFirst, isSecond) = (bytes[1] & 0x18 == 0x18, bytes[1] & 0x18 == 0x10)
    let rates =
      isFirst
      ? [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0]
      : [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0]
    let bitRate = rates[Int(bytes[2] >> 4)] * 1000
    let sampleRates = [44_100, 48_000, 32_000, 0]
    sampleRate = sampleRates[Int(bytes[2] >> 2 & 3)] / (isFirst ? 1 : isSecond ? 2 : 4)
    guard bitRate > 0, sampleRate > 0 else { return nil }
    samples = isFirst ? 1152 : 576
    length = Int64(samples / 8 * bitRate / sampleRate) + Int64(bytes[2] >> 1 & 1)
    let isMono = bytes[3] >> 6 == 3
    headerLength = 4 + (isFirst ? (isMono ? 17 : 32) : (isMono ? 9 : 17))
  }
}
