import Audio
import Foundation
import Model
import Synchronization
import SystemPackage
import Testing

/// The bytes of a file in pieces.
func pieces(_ bytes: [UInt8], size: Int = 10_000) -> AsyncStream<ArraySlice<UInt8>> {
  AsyncStream { continuation in
    for start in stride(from: 0, to: bytes.count, by: size) {
      continuation.yield(bytes[start..<min(start + size, bytes.count)])
    }
    continuation.finish()
  }
}

private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

struct TranscoderTests {
  init() { ignoreBrokenPipes }

  /// The audio of a file as 8 kHz samples, decoded by a plain FFmpeg call.
  private func decode(_ bytes: [UInt8], channels: Int) throws -> [Int16] {
    try Scratch.withFolder { folder in
      let path = folder.appending("in.wav").string
      try Data(bytes).write(to: URL(filePath: path))
      let data = try runTool(
        "ffmpeg", ["-v", "error", "-i", path, "-ar", "8000", "-ac", "\(channels)", "-f", "s16le", "-"])
      return data.withUnsafeBytes { raw in
        (0..<raw.count / 2).map { Int16(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 2, as: Int16.self)) }
      }
    }
  }

  private func convert(
    _ bytes: [UInt8], header: WAVHeader? = nil, limits: ConversionLimits = ConversionLimits()
  ) async throws -> Conversion {
    let header = try header ?? AudioTests.header(of: bytes)
    return try await Scratch.with { folder in
      try await Transcoder(limits: limits).convert(pieces(bytes), header: header, to: folder.appending("out.mp3"))
    }
  }

  @Test(arguments: Sample.all) func `every codec becomes an MP3 and peaks`(sample: Sample) async throws {
    let bytes = try sample.bytes()
    let header = try header(of: bytes)
    try await Scratch.with { folder in
      let mp3 = folder.appending("a file: with signs.mp3")
      let conversion = try await Transcoder().convert(pieces(bytes), header: header, to: mp3)
      let duration = try #require(header.duration(fileLength: Int64(bytes.count)))
      #expect(abs(conversion.duration.inSeconds - duration.inSeconds) < 0.05)
      #expect(conversion.samplesAt8kHz == Int64((conversion.duration.inSeconds * 8000).rounded()))
      #expect(conversion.channels == min(header.channels, 2))

      let samples = try decode(bytes, channels: conversion.channels)
      #expect(conversion.peaks.data == plainPeaks(samples, channels: conversion.channels))

      let probe = try Probe.of(mp3)
      #expect(probe.codecName == "mp3")
      #expect(probe.channels == conversion.channels)
      // The encoder adds a delay at the start, which the Xing header declares and players skip.
      let length = try #require(probe.duration.flatMap(Double.init)) - (probe.startTime.flatMap(Double.init) ?? 0)
      #expect(abs(length - duration.inSeconds) < 0.1)
      #expect(conversion.mp3Bytes == Int64(try Data(contentsOf: URL(filePath: mp3.string)).count))
      let xing = try Data(contentsOf: URL(filePath: mp3.string)).prefix(400)
      #expect(xing.range(of: Data("Xing".utf8)) != nil || xing.range(of: Data("Info".utf8)) != nil)
    }
  }

  @Test func `the MP3 has the samples of a plain FFmpeg call`() async throws {
    let bytes = try Sample.telephoneStereo.bytes()
    let header = try header(of: bytes)
    try await Scratch.with { folder in
      let (ours, plain, source) = (
        folder.appending("a.mp3"), folder.appending("b.mp3"), folder.appending("a.wav").string
      )
      _ = try await Transcoder().convert(pieces(bytes), header: header, to: ours)
      try Data(bytes).write(to: URL(filePath: source))
      try runTool(
        "ffmpeg",
        ["-v", "error", "-i", source] + ["-codec:a", "libmp3lame", "-q:a", "2", "-map_metadata", "0", plain.string])
      let samples = try [ours, plain].map {
        try runTool("ffmpeg", ["-v", "error", "-i", $0.string, "-f", "s16le", "-"])
      }
      #expect(samples[0] == samples[1] && samples[0].count == 4 * 33_600)
    }
  }

  @Test func `files with unknown or uneven lengths are converted completely`() async throws {
    let bytes = try Sample.telephone.bytes()
    let offset = Int(try header(of: bytes).dataOffset)
    for size in [0, 0xFFFF_FFFF] as [UInt32] {
      var unknown = bytes
      unknown.replaceSubrange(offset - 4..<offset, with: little(size))
      #expect(try await convert(unknown).samplesAt8kHz == 33_600)
    }
    var uneven = Array(bytes.dropLast())
    uneven.replaceSubrange(offset - 4..<offset, with: little(UInt32(bytes.count - offset - 1)))
    #expect(try await convert(uneven).samplesAt8kHz == 33_599)
    let list = Array("LIST".utf8) + little(UInt32(4)) + [1, 2, 3, 4]
    #expect(try await convert(bytes + list).samplesAt8kHz == 33_600)
  }

  @Test(arguments: [44, 45, 1000, 0.62])
  func `a truncated file fails, or decodes to less than it announces`(cut: Double) async throws {
    let bytes = try Sample.telephone.bytes()
    let whole = try header(of: bytes)
    let length = cut < 1 ? Int(Double(bytes.count) * cut) : cut < 100 ? Int(whole.dataOffset) + Int(cut) - 44 : Int(cut)
    let part = Array(bytes[..<length])
    do {
      let conversion = try await convert(part, header: whole)
      let check = IntegrityCheck(
        firstBytes: bytes[...], fileLength: Int64(bytes.count), decodedDuration: conversion.duration)
      #expect(throws: TapedeckError.self) { try check.result().get() }
    } catch let error as TapedeckError {
      #expect(error.code == .conversionFailed)
      #expect(error.detail?.isEmpty == false)
    }
  }

  @Test(arguments: [0, 1, 12, 43]) func `a file without a complete header fails`(length: Int) async throws {
    let bytes = try Sample.telephone.bytes()
    let whole = try header(of: bytes)
    let error = await #expect(throws: TapedeckError.self) {
      try await convert(Array(bytes[..<length]), header: whole)
    }
    #expect(error?.code == .conversionFailed)
  }

  @Test func `a playlist named as audio opens no other file`() async throws {
    let header = try header(of: Sample.telephone.bytes())
    try await Scratch.with { folder in
      let (victim, trap) = (folder.appending("another.mp3").string, folder.appending("trap.wav").string)
      try runTool("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=d=2:r=8000", victim])
      let playlist = """
        #EXTM3U
        #EXT-X-TARGETDURATION:5
        #EXT-X-MEDIA-SEQUENCE:0
        #EXTINF:5,
        file:\(victim)
        #EXT-X-ENDLIST

        """
      try playlist.write(toFile: trap, atomically: true, encoding: .utf8)
      // The trap works: without the restrictions FFmpeg decodes the other recording.
      let caught = try runTool(
        "ffmpeg", ["-v", "error", "-protocol_whitelist", "file,pipe", "-i", trap, "-f", "s16le", "-"])
      #expect(caught.count > 30_000)

      for text in [playlist, "ffconcat version 1.0\nfile '\(victim)'\n"] {
        #expect(MediaSignature(text.utf8) == .playlist)
        let mp3 = folder.appending("out.mp3")
        let error = await #expect(throws: TapedeckError.self) {
          try await Transcoder().convert(pieces(Array(text.utf8)), header: header, to: mp3)
        }
        #expect(error?.code == .conversionFailed)
        #expect(try Data(contentsOf: URL(filePath: mp3.string)).isEmpty)
      }
    }
  }

  @Test func `an MP3 above the size limit fails`() async throws {
    let bytes = try Sample.telephone.bytes()
    let error = await #expect(throws: TapedeckError.self) {
      try await convert(bytes, limits: ConversionLimits(outputBytes: 4096))
    }
    #expect(error?.code == .conversionFailed)
    #expect(error?.message == "The MP3 grew beyond the limit of 4096 bytes.")
  }

  @Test func `more audio than the limit fails`() async throws {
    let bytes = try Sample.telephone.bytes()
    let error = await #expect(throws: TapedeckError.self) {
      try await convert(bytes, limits: ConversionLimits(audio: .seconds(2)))
    }
    #expect(error?.code == .unsupportedAudio)
    #expect(error?.message.contains("too long; the limit") == true)
  }

  @Test func `what is peculiar is reported as a warning`() async throws {
    let six = try #require(Sample.all.first { $0.name == "six channels" })
    let warnings = try await convert(six.bytes()).warnings
    #expect(warnings.count == 1 && warnings[0].contains("6 channels"))
    #expect(try await convert(Sample.telephone.bytes()).warnings.isEmpty)
  }

  @Test func `a sample is converted, and the protections are reported`() async throws {
    let reported = Mutex<[TranscoderProtections]>([])
    let transcoder = Transcoder { protections in reported.withLock { $0.append(protections) } }
    let protections = try await transcoder.start()
    #expect(protections.ffmpegVersion.contains(/^[0-9N]/))
    try await transcoder.convertSample()
    #expect(reported.withLock { $0 } == [protections])
  }
}
