import Audio
import Foundation
import Model
import SystemPackage
import Testing

struct WAVHeaderTests {
  @Test(arguments: Sample.all) func `the header agrees with ffprobe`(sample: Sample) throws {
    let bytes = try sample.bytes()
    let header = try header(of: bytes)
    let probe = try Scratch.withFolder { folder in
      let path = folder.appending("sample.wav")
      try Data(bytes).write(to: URL(filePath: path.string))
      return try Probe.of(path)
    }
    #expect(header.codecName == probe.codecName)
    #expect(header.channels == probe.channels)
    #expect("\(header.sampleRate)" == probe.sampleRate)
    if header.codec != .gsm { #expect(header.bitsPerSample == probe.bitsPerSample) }
    let duration = try #require(header.duration(fileLength: Int64(bytes.count)))
    let expected = try #require(probe.duration.flatMap(Double.init))
    // FFmpeg rounds compressed files up to complete blocks, 0.13 s at most.
    #expect(abs(duration.inSeconds - expected) < (header.samplesPerBlock == nil ? 0.001 : 0.14))
    let padded = ((header.dataLength ?? 0) + 1) / 2 * 2
    #expect(header.dataOffset + padded == Int64(bytes.count))
    #expect(header.containerLength == Int64(bytes.count))
  }

  @Test(arguments: [Sample.telephone, Sample.all[15]]) func `a header is requested in steps`(sample: Sample)
    throws
  {
    let bytes = try sample.bytes()
    let complete = try header(of: bytes)
    for count in 0..<Int(complete.dataOffset) {
      guard case .needsMore(let wanted) = WAVHeader.read(bytes[..<count]) else {
        Issue.record("with \(count) bytes: \(WAVHeader.read(bytes[..<count]))")
        continue
      }
      #expect(wanted > count)
      #expect(wanted <= Int(complete.dataOffset))
    }
    #expect(WAVHeader.read(bytes[..<Int(complete.dataOffset)]) == .header(complete))
  }

  @Test(arguments: [0, 0xFFFF_FFFF] as [UInt32]) func `a length of 0 or the maximum is unknown`(size: UInt32)
    throws
  {
    let header = try header(of: WAVBytes.telephone(dataSize: size))
    #expect(header.dataLength == nil)
    #expect(header.dataOffset == 44)
    #expect(header.duration(fileLength: 44 + 16000) == .seconds(1))
    #expect(header.duration(fileLength: 10) == .zero)
  }

  @Test func `chunks of odd length before the audio are skipped`() throws {
    var file = WAVBytes()
    file.add("bext", Array(repeating: 7, count: 603))
    file.add("fmt ", WAVBytes.format(tag: 7, channels: 2, bits: 8))
    file.add("LIST", Array("INFOx".utf8))
    file.add("fact", little(UInt32(8000)))
    file.add("data", Array(repeating: 0, count: 16000))
    let header = try header(of: file.bytes)
    #expect(header.codec == .muLaw)
    #expect(header.sampleFrames == 8000)
    #expect(header.dataOffset == Int64(file.bytes.count - 16000))
    #expect(header.duration(fileLength: Int64(file.bytes.count)) == .seconds(1))
  }

  @Test func `the lengths of RF64 are in ds64`() throws {
    var file = WAVBytes(container: "RF64")
    file.add("ds64", little(UInt64(6 << 30)) + little(UInt64(5 << 30)) + little(UInt64(1 << 30)) + little(UInt32(0)))
    file.add("fmt ", WAVBytes.format())
    file.add("data", [], size: 0xFFFF_FFFF)
    let header = try header(of: file.bytes)
    #expect(header.dataLength == 5_368_709_120)
    #expect(header.containerLength == 6_442_450_952)
    #expect(header.sampleFrames == 1_073_741_824)
  }

  @Test func `the extensible format has its codec in a GUID`() throws {
    var file = WAVBytes()
    let guid: [UInt8] = [6, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]
    let rest = little(UInt16(22)) + little(UInt16(8)) + little(UInt32(3)) + guid
    file.add("fmt ", WAVBytes.format(tag: 0xFFFE, channels: 2, bits: 8) + rest)
    file.add("data", [1, 2])
    #expect(try header(of: file.bytes).codec == .aLaw)
  }

  @Test func `a codec without a fixed rate has no computed duration`() throws {
    var file = WAVBytes()
    file.add("fmt ", WAVBytes.format(tag: 0x55))
    file.add("data", Array(repeating: 0, count: 4000))
    let header = try header(of: file.bytes)
    #expect(header.codecName == "wav_0x55")
    #expect(header.duration(fileLength: 5000) == nil)
  }

  struct Hostile: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var bytes: [UInt8]

    init(_ name: String, _ chunks: [(String, [UInt8], UInt32?)], container: String = "RIFF") {
      testDescription = name
      var file = WAVBytes(container: container)
      for (name, body, size) in chunks { file.add(name, body, size: size) }
      bytes = file.bytes
    }

    static let all = [
      Hostile("no channels", [("fmt ", WAVBytes.format(channels: 0), nil), ("data", [0], nil)]),
      Hostile("no rate", [("fmt ", WAVBytes.format(rate: 0), nil), ("data", [0], nil)]),
      Hostile("no format", [("data", [0, 0], nil)]),
      Hostile("a format of two bytes", [("fmt ", [1, 0], nil), ("data", [0, 0], nil)]),
      Hostile("a chunk of 4 GB", [("LIST", [1, 2, 3, 4], 0xFFFF_FFFF)]),
      Hostile("a chunk just beyond the limit", [("LIST", [1, 2, 3, 4], 4 << 20)]),
      Hostile(
        "an impossible ds64",
        [
          ("ds64", little(UInt64.max - 1) + little(UInt64.max - 1) + little(UInt64.max - 1), nil),
          ("fmt ", WAVBytes.format(), nil), ("data", [0, 0], 0xFFFF_FFFF),
        ], container: "RF64"),
      Hostile("another container", [("fmt ", WAVBytes.format(), nil), ("data", [0, 0], nil)], container: "RIFX"),
    ]
  }

  @Test(arguments: Hostile.all) func `a hostile header is malformed`(file: Hostile) {
    guard case .malformed(let reason) = WAVHeader.read(file.bytes) else {
      Issue.record("\(WAVHeader.read(file.bytes))")
      return
    }
    #expect(!reason.isEmpty)
  }

  @Test func `a header of many tiny chunks is refused after a few of them`() {
    var file = WAVBytes()
    file.add("fmt ", WAVBytes.format())
    for _ in 0..<500_000 { file.add("abcd", []) }
    file.add("data", [1, 2])
    // Every step reads the header from its start, so few steps must suffice.
    var (count, steps) = (12, 0)
    while case .needsMore(let wanted) = WAVHeader.read(file.bytes[..<count]), steps < 100 {
      count = min(file.bytes.count, WAVHeader.nextLength(after: count, needing: wanted))
      steps += 1
    }
    #expect(steps <= 12 && count <= 16_384)
    guard case .malformed(let reason) = WAVHeader.read(file.bytes) else {
      Issue.record("it is accepted")
      return
    }
    #expect(reason == "more than 1,000 parts precede its audio")
    #expect(WAVHeader.nextLength(after: 3 << 20, needing: 100 + (3 << 20)) == WAVHeader.maximumLength)
  }

  @Test func `twenty thousand damaged headers do not crash the reader`() throws {
    var random = SeededRandom(seed: 20_260_101)
    var files = try [0, 1, 10, 13, 15, 16].map { Array(try Sample.all[$0].bytes().prefix(400)) }
    files += Hostile.all.map(\.bytes)
    var counts = (header: 0, more: 0, malformed: 0)
    for _ in 0..<20_000 {
      var bytes = files[Int.random(in: 0..<files.count, using: &random)]
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let position = Int.random(in: 0..<min(bytes.count, 120), using: &random)
        let interesting: [UInt8] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF]
        bytes[position] =
          Bool.random(using: &random)
          ? interesting.randomElement(using: &random) ?? 0 : .random(in: 0...255, using: &random)
      }
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random) / 3)
      switch WAVHeader.read(bytes) {
      case .malformed: counts.malformed += 1
      case .needsMore(let wanted):
        counts.more += 1
        #expect(wanted > bytes.count && wanted <= WAVHeader.maximumLength)
      case .header(let header):
        counts.header += 1
        #expect(header.dataOffset <= Int64(bytes.count) && header.channels > 0 && header.sampleRate > 0)
        for length in [Int64.min, -1, 0, 44, Int64(bytes.count), 1 << 40, .max] {
          #expect((header.duration(fileLength: length) ?? .zero) >= .zero)
          #expect(header.audioBytes(fileLength: length) >= 0)
          let check = IntegrityCheck(
            firstBytes: bytes[...], fileLength: length, platformDuration: .seconds(60), decodedDuration: .seconds(1))
          _ = try? check.result().get()
        }
        _ = header.codecName
        _ = header.endsOnBlock
      }
    }
    #expect(counts.header > 1000 && counts.more > 1000 && counts.malformed > 1000, "\(counts)")
  }
}

struct MediaSignatureTests {
  @Test(
    arguments: [
      ("RIFF....WAVEfmt ", .wave), ("RF64....WAVEds64", .wave), ("BW64....WAVEds64", .wave), ("RIFF....AVI ", .unknown),
      ("RIFF", .unknown), ("<!DOCTYPE html>", .html), ("\u{FEFF}\n <?xml version=\"1.0\"?>", .html),
      ("{\"error\": 1}", .json), ("\r\n[1]", .json), ("#EXTM3U\n#EXTINF:5,\n", .playlist),
      ("ffconcat version 1.0\n", .playlist), ("\0\0\0\u{18}ftypmp42", .mp4), ("", .empty),
      ("Service Unavailable", .unknown), ("   ", .unknown), ("OggS\0\u{2}", .ogg), ("fLaC\0\0\0\u{22}", .flac),
      ("#!AMR\n<", .amr), ("#!AMR-WB\n$", .amr), ("#!AMR_MC1.0\n", .unknown),
    ] as [(String, MediaSignature)])
  func `the type of a file is recognized by its first bytes`(text: String, expected: MediaSignature) {
    #expect(MediaSignature(Array(text.utf8)) == expected)
  }
}
