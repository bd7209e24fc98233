import Audio
import Foundation
import Model
import SystemPackage
import Testing

/// What the integrity check finds out about a whole file, from bytes as recorders write them.
struct WholeFileTests {
  /// A file, what is known about it, and the expected result.
  struct File: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]
    var duration: Double?
    /// Whether the transfer proved that all bytes arrived.
    var isProven = true
    /// Nil when the file passes; otherwise a part of the message.
    var failure: String?
    var warnings: [IntegrityCheck.Warning] = []

    init(
      _ name: String, _ bytes: [UInt8], duration: Double? = nil, isProven: Bool = true, failure: String? = nil,
      warnings: [IntegrityCheck.Warning] = []
    ) {
      testDescription = name
      self.bytes = bytes
      self.duration = duration
      self.isProven = isProven
      self.failure = failure
      self.warnings = warnings
    }
  }

  /// Checks a file as the pipeline does.
  private func result(of file: File) async throws -> Result<IntegrityCheck.Passed, TapedeckError> {
    let bytes = file.bytes
    let length = Int64(bytes.count)
    var check = IntegrityCheck(
      firstBytes: bytes[...], fileLength: length, declaredLength: file.isProven ? length : nil, isSecondFetch: true,
      platformDuration: file.duration.map { .seconds($0) })
    if case .header(let header) = WAVHeader.read(bytes), header.dataLength != nil || header.hasDataLengthZero {
      check.unexplainedBytes = await WAVChunks.unexplained(
        after: header.dataOffset + (header.dataLength ?? 0), fileLength: length, isBigEndian: header.isBigEndian,
        isEmpty: header.dataLength == nil
      ) { range in Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]) }
    }
    return check.result()
  }

  private func verify(_ file: File) async throws {
    switch try await result(of: file) {
    case .success(let passed):
      #expect(file.failure == nil, "passed: \(passed)")
      #expect(passed.warnings == file.warnings)
    case .failure(let error):
      let expected = try #require(file.failure, "\(error.message)")
      #expect(error.message.contains(expected), "\(error.message)")
    }
  }

  // MARK: No audio

  private static let list = WAVFile.chunk(
    "LIST", Array("INFOISFT".utf8) + little(UInt32(13)) + Array("Recorder 1.0\0\0".utf8))
  private static let largeList = WAVFile.chunk("LIST", Array("INFO".utf8) + Array(repeating: 0x78, count: 4000))

  static let empty: [File] = [
    File("a bare header", WAVFile(audio: []).bytes, failure: "without any audio"),
    File("a LIST chunk follows", WAVFile(audio: [], tail: list).bytes, failure: "no audio"),
    File("a LIST chunk follows, duration 0", WAVFile(audio: [], tail: list).bytes, duration: 0, failure: "no audio"),
    File("a LIST chunk follows, duration 2", WAVFile(audio: [], tail: list).bytes, duration: 2, failure: "no audio"),
    File("a large LIST chunk follows", WAVFile(audio: [], tail: largeList).bytes, failure: "no audio"),
    File("two chunks follow", WAVFile(audio: [], tail: list + largeList).bytes, failure: "no audio"),
    File(
      "A-law with an empty fact chunk",
      WAVFile(
        format: WAVBytes.format(tag: 6, bits: 8), front: WAVFile.chunk("fact", [0, 0, 0, 0]), audio: [], tail: list
      ).bytes, failure: "no audio"),
    File("chunks and 4 bytes follow", WAVFile(audio: [], tail: largeList + [0, 0, 0, 0]).bytes, failure: "no audio"),
    File(
      "chunks and 7 bytes follow", WAVFile(audio: [], tail: largeList + Array(repeating: 0, count: 7)).bytes,
      failure: "no audio"),
    File(
      "chunks and 16 bytes follow", WAVFile(audio: [], tail: largeList + Array(repeating: 0, count: 16)).bytes,
      duration: 0, failure: "no audio"),
    File(
      "a second, empty data chunk follows", WAVFile(audio: [], tail: largeList + WAVFile.chunk("data", [])).bytes,
      failure: "no audio"),
    File(
      "a chunk follows that is longer than it says",
      WAVFile(audio: [], tail: Array("LIST".utf8) + little(UInt32(3990)) + Array(repeating: 0x78, count: 4000)).bytes,
      failure: "no audio"),
    File(
      "a chunk follows that is shorter than it says",
      WAVFile(audio: [], tail: Array("LIST".utf8) + little(UInt32(4010)) + Array(repeating: 0x78, count: 4000)).bytes,
      failure: "no audio"),
    File(
      "chunks and one without a name follow", WAVFile(audio: [], tail: largeList + Array(repeating: 0, count: 8)).bytes,
      failure: "no audio"),
    File(
      "a JUNK chunk and 4 bytes follow",
      WAVFile(audio: [], tail: WAVFile.chunk("JUNK", Array(repeating: 0, count: 4096)) + [0, 0, 0, 0]).bytes,
      failure: "no audio"),
    File(
      "thousands of chunks follow",
      WAVFile(audio: [], tail: Array((0..<20_000).map { _ in WAVFile.chunk("abcd", []) }.joined())).bytes,
      failure: "no audio"),
    File(
      "audio follows that is far longer than the chunk before it",
      WAVFile(audio: [], tail: list + tone(16000)).bytes, warnings: [.lengthUnknown]),
    File(
      "the container ends before the audio", WAVFile(audio: tone(16000), dataSize: 0, riffSize: 36).bytes,
      failure: "no audio"),
    File(
      "the container continues after the header", WAVFile(audio: tone(16000), dataSize: 0).bytes, duration: 2,
      warnings: [.lengthUnknown]),
    File(
      "both sizes are 0", WAVFile(audio: tone(16000), dataSize: 0, riffSize: 0).bytes, duration: 2,
      warnings: [.lengthUnknown]),
  ]

  @Test(arguments: empty) func `a data chunk of length 0 is empty when the container ends before any audio`(
    file: File
  ) async throws { try await verify(file) }

  // MARK: Placeholders

  static let placeholders: [(data: UInt32, riff: UInt32)] = [
    (0x7FFF_FFFF, 0x7FFF_FFFF), (0x7FFF_FFDB, 0x7FFF_FFFF), (0x8000_0000, 0x8000_0024), (0x7FFF_F000, 0x7FFF_F024),
    (0x8000_0000, 0), (0xFFFF_FFDB, 0xFFFF_FFFF), (0xFFFF_F000, 0xFFFF_F024), (0xFFFF_FFFF, 0xFFFF_FFFF),
    (0x7FFF_FFFE, 0xFFFF_FFFF),
  ]

  @Test(arguments: placeholders) func `impossible sizes are unknown when the transfer proves the end`(
    data: UInt32, riff: UInt32
  ) async throws {
    let bytes = WAVFile(audio: tone(16000), dataSize: data, riffSize: riff).bytes
    try await verify(File("proven", bytes, duration: 2, warnings: [.lengthUnknown]))
    let unproven = File("unproven", bytes, duration: 2, isProven: false, failure: "cut short")
    try await verify(unproven)
    let shorter = File("shorter than the platform says", bytes, duration: 60, failure: "cut short")
    try await verify(shorter)
    // FFmpeg must not take the early end for damage.
    #expect(try !header(of: bytes).endsOnBlock)
  }

  @Test(arguments: [0x7FFF_0000, 0x1000_0000, 32_044, 0x9000_0000, 0xFFFF_0000] as [UInt32])
  func `another size that is too large means that the file was cut short`(size: UInt32) async throws {
    let bytes = WAVFile(audio: tone(16000), dataSize: size, riffSize: 0).bytes
    try await verify(File("\(size)", bytes, failure: "cut short"))
  }

  // MARK: After the audio

  static let after: [File] = [
    File(
      "half of the audio by the header", WAVFile(audio: tone(16000), dataSize: 16000).bytes,
      failure: "16,000 more bytes follow that belong to no chunk"),
    File(
      "99.5 % is not audio", WAVFile(audio: tone(16000), dataSize: 160).bytes, duration: 0,
      failure: "31,840 more bytes follow"),
    File(
      "1.9 of 60 s are beyond the announced end", WAVFile(audio: tone(480_000), dataSize: 929_600).bytes,
      duration: 60, warnings: [.unexplainedBytes(30_400)]),
    File(
      "a few bytes", WAVFile(audio: tone(16000), tail: Array(repeating: 1, count: 100)).bytes,
      duration: 2, warnings: [.unexplainedBytes(100)]),
    File(
      "zeros", WAVFile(audio: tone(16000), tail: Array(repeating: 0, count: 512)).bytes,
      duration: 2, warnings: [.unexplainedBytes(512)]),
    File("a LIST chunk", WAVFile(audio: tone(16000), tail: list).bytes, duration: 2),
    File("several chunks", WAVFile(audio: tone(16000), tail: list + largeList + list).bytes, duration: 2),
    File(
      "a chunk, then noise", WAVFile(audio: tone(16000), tail: largeList + Array(repeating: 1, count: 40)).bytes,
      duration: 2, warnings: [.unexplainedBytes(40)]),
    File(
      "a chunk that is longer than the file",
      WAVFile(audio: tone(16000), tail: Array("LIST".utf8) + little(UInt32(5000)) + Array(repeating: 1, count: 60))
        .bytes,
      duration: 2, warnings: [.unexplainedBytes(68)]),
    File(
      "a second data chunk", WAVFile(audio: tone(8000), tail: WAVFile.chunk("data", tone(8000))).bytes,
      duration: 2, failure: "belong to no chunk"),
    File("an ID3v1 tag", WAVFile(audio: tone(16000), tail: Array("TAG".utf8) + Array(repeating: 0, count: 125)).bytes),
    File(
      "an odd length, a padding byte and a chunk",
      WAVFile(audio: Array(tone(16000).dropLast()), tail: [0] + list).bytes,
      warnings: [.unevenEnd]),
    File(
      "an odd length and a chunk without padding byte",
      WAVFile(audio: Array(tone(16000).dropLast()), tail: list).bytes, warnings: [.unevenEnd]),
  ]

  @Test(arguments: after) func `bytes after the audio that belong to no chunk are noted, and many are rejected`(
    file: File
  ) async throws { try await verify(file) }

  // MARK: Duration

  static let tolerances: [(audio: Double, platform: Double, passes: Bool)] = [
    (0.01, 2, false), (0.9, 2, false), (1, 2, true), (0.4, 1, false), (0.5, 1, true), (0.01, 0, true),
    (2, 4, true), (1.9, 4, false), (58.1, 60, true), (57.9, 60, false), (196, 200, true), (195.9, 200, false),
  ]

  @Test(arguments: tolerances) func `the tolerance for missing audio is never the whole call`(
    audio: Double, platform: Double, passes: Bool
  ) async throws {
    let bytes = WAVFile(audio: tone(Int(audio * 8000))).bytes
    try await verify(File("\(audio)", bytes, duration: platform, failure: passes ? nil : "cut short"))
  }

  // MARK: Chunks before the audio

  static let unpadded: [(name: String, body: [UInt8])] = [
    ("LIST", Array("INFOISFT".utf8) + [7, 0, 0, 0] + Array("Record\0".utf8)), ("bext", Array(repeating: 0, count: 603)),
    ("JUNK", [1]), ("iXML", Array("<BWFXML/>.".utf8) + [0x0A]), ("id3 ", Array(repeating: 7, count: 31)),
  ]

  @Test(arguments: unpadded) func `an odd chunk without its padding byte is read and converted`(
    name: String, body: [UInt8]
  ) async throws {
    for isFirst in [false, true] {
      let odd = WAVFile.chunk(name, body, isPadded: false)
      let bytes = WAVFile(beforeFormat: isFirst ? odd : [], front: isFirst ? [] : odd, audio: tone(16000)).bytes
      try await verify(File(name, bytes, duration: 2))
      let header = try header(of: bytes)
      #expect(header.dataOffset == Int64(bytes.count - 32000))
      try await Scratch.with { folder in
        let mp3 = folder.appending("a.mp3")
        let converted = try await Transcoder().convert(pieces(bytes, size: 7), header: header, to: mp3)
        #expect(converted.samplesAt8kHz == 16000)
        #expect(try await Transcoder().convert(pieces(bytes), header: header, to: mp3) == converted)
      }
    }
  }

  @Test(arguments: unpadded) func `an odd chunk with its padding byte needs no other header`(
    name: String, body: [UInt8]
  ) async throws {
    let bytes = WAVFile(front: WAVFile.chunk(name, body), audio: tone(16000)).bytes
    try await verify(File(name, bytes, duration: 2))
    #expect(try header(of: bytes).replacement == nil)
  }

  @Test func `containers that FFmpeg reads are read`() async throws {
    let plain = WAVFile(audio: tone(16000)).bytes
    let files: [(String, [UInt8])] = [
      ("an ID3v2 tag in front", Array("ID3".utf8) + [3, 0, 0, 0, 0, 0, 10] + Array(repeating: 0, count: 10) + plain),
      (
        "JUNK of 1 MiB",
        WAVFile(beforeFormat: WAVFile.chunk("JUNK", Array(repeating: 0, count: 1 << 20)), audio: tone(16000)).bytes
      ),
      ("RIFX", bigEndian(tone(16000))),
    ]
    for (name, bytes) in files {
      try await verify(File(name, bytes, duration: 2))
      let header = try header(of: bytes)
      try await Scratch.with { folder in
        let conversion = try await Transcoder().convert(
          pieces(bytes), header: header, to: folder.appending("a.mp3"))
        #expect(conversion.samplesAt8kHz == 16000, "\(name)")
      }
    }
  }

  private func bigEndian(_ audio: [UInt8]) -> [UInt8] {
    func big(_ number: some FixedWidthInteger) -> [UInt8] { little(number).reversed() }
    let format =
      big(UInt16(1)) + big(UInt16(1)) + big(UInt32(8000)) + big(UInt32(16000)) + big(UInt16(2)) + big(UInt16(16))
    let swapped = stride(from: 0, to: audio.count, by: 2).flatMap { [audio[$0 + 1], audio[$0]] }
    return Array("RIFX".utf8) + big(UInt32(36 + audio.count)) + Array("WAVEfmt ".utf8) + big(UInt32(16)) + format
      + Array("data".utf8) + big(UInt32(audio.count)) + swapped
  }
}

/// A WAV file with correct sizes, except where a test gives others.
struct WAVFile {
  var format = WAVBytes.format()
  var beforeFormat: [UInt8] = []
  /// Chunks between the format and the audio.
  var front: [UInt8] = []
  var audio: [UInt8]
  var dataSize: UInt32?
  /// Bytes after the audio, as they are.
  var tail: [UInt8] = []
  var riffSize: UInt32?

  static func chunk(_ name: String, _ body: [UInt8], isPadded: Bool = true) -> [UInt8] {
    Array(name.utf8) + little(UInt32(body.count)) + body + (isPadded && body.count % 2 == 1 ? [0] : [])
  }

  var bytes: [UInt8] {
    let body =
      Array("WAVE".utf8) + beforeFormat + Self.chunk("fmt ", format) + front + Array("data".utf8)
      + little(dataSize ?? UInt32(audio.count)) + audio + tail
    return Array("RIFF".utf8) + little(riffSize ?? UInt32(body.count)) + body
  }
}

/// Samples of a 440 Hz tone, 8 kHz, 16 bits.
func tone(_ samples: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  for index in 0..<samples {
    let isHigh = index * 880 / 8000 % 2 == 0
    let sample: Int = (isHigh ? 6000 : -6000) + index % 97
    bytes += little(Int16(sample))
  }
  return bytes
}
