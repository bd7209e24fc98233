import Audio
import Foundation
import Model
import SystemPackage
import Testing

private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

/// Recordings in other containers than WAV.
struct ContainerTests {
  init() { ignoreBrokenPipes }

  /// A file of 4.2 seconds that FFmpeg or sox makes, or the test itself.
  struct File: Sendable, CustomTestStringConvertible {
    var testDescription: String { name }
    var name: String
    var container: MediaContainer
    var codec: String
    /// Arguments of FFmpeg; of sox for AMR; nil for AMR-WB, which neither of them can write.
    var arguments: String?
    var ending: String
    /// Whether its structure shows where it ends, and how long it is.
    var showsEnd = true
    var showsDuration = true

    func bytes() throws -> [UInt8] {
      guard let arguments else { return Self.wideband }
      return try Scratch.withFolder { folder in
        let (wav, path) = (folder.appending("in.wav").string, folder.appending("out.\(ending)").string)
        try Data(Sample.telephone.bytes()).write(to: URL(filePath: wav))
        let options = arguments.split(separator: " ").map(String.init)
        if container == .amr {
          try runTool("sox", [wav] + options + [path])
        } else {
          try runTool("ffmpeg", ["-v", "error", "-i", wav] + options + [path])
        }
        return try [UInt8](Data(contentsOf: URL(filePath: path)))
      }
    }

    /// 210 frames of AMR-WB at 23.85 kbit/s. Any content of a frame is sound.
    private static var wideband: [UInt8] {
      var random = SeededRandom(seed: 1)
      let frames = (0..<210).map { _ in [0x44] + (0..<60).map { _ in UInt8.random(in: 0...255, using: &random) } }
      return Array("#!AMR-WB\n".utf8) + frames.joined()
    }
  }

  static let files: [File] = [
    File(name: "Wave64", container: .w64, codec: "pcm_s16le", arguments: "-c:a pcm_s16le", ending: "w64"),
    File(
      name: "M4A, index at the end", container: .mp4, codec: "aac", arguments: "-c:a aac -ar 16000", ending: "m4a",
      showsDuration: false),
    File(
      name: "M4A, index at the start", container: .mp4, codec: "aac",
      arguments: "-c:a aac -ar 16000 -movflags faststart", ending: "m4a", showsDuration: false),
    File(
      name: "M4A, fragmented", container: .mp4, codec: "aac",
      arguments: "-c:a aac -ar 16000 -movflags frag_keyframe+empty_moov -frag_duration 1000000", ending: "m4a",
      showsEnd: false, showsDuration: false),
    File(name: "MP3", container: .mp3, codec: "mp3float", arguments: "-c:a libmp3lame", ending: "mp3"),
    File(
      name: "MP3 without tags", container: .mp3, codec: "mp3float",
      arguments: "-c:a libmp3lame -write_xing 0 -id3v2_version 0", ending: "mp3", showsEnd: false),
    File(
      name: "Opus", container: .ogg, codec: "opus", arguments: "-c:a libopus", ending: "ogg", showsDuration: false),
    File(
      name: "Vorbis", container: .ogg, codec: "vorbis", arguments: "-c:a libvorbis", ending: "ogg",
      showsDuration: false),
    File(name: "FLAC", container: .flac, codec: "flac", arguments: "-c:a flac", ending: "flac"),
    File(name: "AMR", container: .amr, codec: "amrnb", arguments: "-r 8000", ending: "amr-nb", showsEnd: false),
    File(name: "AMR-WB", container: .amr, codec: "amrwb", arguments: nil, ending: "awb", showsEnd: false),
  ]

  private func structure(_ bytes: [UInt8], _ container: MediaContainer) async throws -> ContainerStructure {
    try await ContainerStructure.read(container, fileLength: Int64(bytes.count)) { range throws(TapedeckError) in
      Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
    }
  }

  private func convert(
    _ bytes: [UInt8], _ container: MediaContainer, acceptsDamage: Bool = false
  ) async throws -> Conversion {
    try await Scratch.with { folder in
      let file = folder.appending("in")
      try Data(bytes).write(to: URL(filePath: file.string))
      return try await Transcoder().convert(
        file: file, container: container, to: folder.appending("out.mp3"), acceptsDamage: acceptsDamage)
    }
  }

  @Test(arguments: files) func `a recording in another container is recognized, checked and converted`(
    file: File
  ) async throws {
    let bytes = try file.bytes()
    #expect(MediaSignature(bytes).container == file.container)
    let structure = try await structure(bytes, file.container)
    #expect(structure.problem == nil)
    #expect(structure.showsEnd == file.showsEnd)
    #expect((structure.duration != nil) == file.showsDuration)
    let conversion = try await convert(bytes, file.container)
    #expect(abs(conversion.duration.inSeconds - 4.2) < 0.3)
    if let duration = structure.duration { #expect(abs(duration.inSeconds - 4.2) < 0.25) }  // An encoder adds frames.
    #expect(conversion.codec == file.codec && conversion.sourceChannels == 1)
    #expect(conversion.peaks.length > 400 && conversion.mp3Bytes > 5000)
    let check = IntegrityCheck(
      firstBytes: bytes.prefix(4096), fileLength: Int64(bytes.count), declaredLength: Int64(bytes.count),
      platformDuration: .seconds(4), decodedDuration: conversion.duration, structure: structure)
    let passed = try check.result().get()
    #expect(passed.warnings == (file.showsEnd ? [] : [.lengthUnknown]))
  }

  /// Whether a file of 4.2 seconds passes, when nothing but the file itself tells its length in bytes.
  private func passes(_ bytes: [UInt8], _ container: MediaContainer) async throws -> Bool {
    var check = IntegrityCheck(
      firstBytes: bytes.prefix(4096), fileLength: Int64(bytes.count), declaredLength: Int64(bytes.count),
      platformDuration: .seconds(4.2), structure: try await structure(bytes, container))
    guard case .success = check.result(), let conversion = try? await convert(bytes, container) else { return false }
    check.decodedDuration = conversion.duration
    guard case .success = check.result() else { return false }
    return true
  }

  @Test(arguments: files) func `a file that was cut does not pass the integrity check`(file: File) async throws {
    let bytes = try file.bytes()
    #expect(try await passes(bytes, file.container))
    // Of a file that does not show its end, only the length of the audio tells, with its tolerance.
    for part in file.showsEnd ? [0.999, 0.9, 0.5, 0.1] : [0.45, 0.1] {
      let cut = Array(bytes[..<Int(Double(bytes.count) * part)])
      #expect(try await !passes(cut, file.container), "\(part)")
    }
  }

  @Test func `a file with too many parts is refused`() async throws {
    for file in Self.files where [.mp3, .ogg, .amr, .mp4].contains(file.container) {
      let bytes = try file.bytes()
      let structure = try await ContainerStructure.read(
        file.container, fileLength: Int64(bytes.count), maximumParts: 2
      ) { range throws(TapedeckError) in Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]) }
      #expect(structure.problem == "it has too many parts", "\(file.name)")
    }
  }

  @Test func `a missing page of Ogg is found without a duration of the platform`() async throws {
    for file in Self.files where file.container == .ogg {
      let bytes = try file.bytes()
      let pages = bytes.indices.dropLast(4).filter { bytes[$0..<($0 + 4)].elementsEqual("OggS".utf8) }
      #expect(pages.count >= 5)
      let missing = pages[pages.count - 2]..<pages[pages.count - 1]
      let cut = Array(bytes[..<missing.lowerBound] + bytes[missing.upperBound...])
      #expect(try await structure(bytes, .ogg).problem == nil)
      #expect(try await structure(cut, .ogg).problem?.hasPrefix("pages are missing") == true)
    }
  }

  @Test func `missing audio of MP4 is found without a duration of the platform`() async throws {
    let file = try #require(Self.files.first { $0.container == .mp4 && $0.arguments?.contains("faststart") == true })
    let bytes = try file.bytes()
    let mdat = try #require(bytes.indices.first { bytes[$0...].starts(with: "mdat".utf8) })
    for kept in [1.0, 0.5] {
      var cut = Array(bytes[..<(mdat + 4 + Int(Double(bytes.count - mdat - 4) * kept))])
      let size = UInt32(cut.count - mdat + 4)
      for place in 0..<4 { cut[mdat - 4 + place] = UInt8(truncatingIfNeeded: size >> (24 - 8 * UInt32(place))) }
      let conversion = try await convert(cut, .mp4, acceptsDamage: true)
      let check = IntegrityCheck(
        firstBytes: cut.prefix(4096), fileLength: Int64(cut.count), declaredLength: Int64(cut.count),
        decodedDuration: conversion.duration, announcedDuration: conversion.announcedDuration,
        structure: try await structure(cut, .mp4))
      if kept == 1 {
        _ = try check.result().get()
      } else {
        #expect(throws: TapedeckError.self) { try check.result().get() }
      }
    }
  }

  @Test func `bytes in the middle that belong to no frame are a problem`() async throws {
    for file in Self.files where [.mp3, .ogg, .amr].contains(file.container) {
      var bytes = try file.bytes()
      for place in bytes.count / 2..<min(bytes.count, bytes.count / 2 + 3000) { bytes[place] = 0xFF }
      #expect(try await structure(bytes, file.container).problem != nil, "\(file.name)")
    }
  }

  /// The decoders of the others cannot tell.
  @Test(arguments: files.filter { [.ogg, .flac].contains($0.container) })
  func `a single wrong bit in the audio is found`(file: File) async throws {
    var bytes = try file.bytes()
    bytes[bytes.count / 2] ^= 1
    #expect(try await !passes(bytes, file.container))
  }

  @Test(arguments: MediaContainer.allCases) func `no bytes make the reader of a structure fail`(
    container: MediaContainer
  ) async throws {
    var random = SeededRandom(seed: 5)
    let originals = try Self.files.filter { $0.container == container }.map { try $0.bytes() }
    for round in 0..<300 {
      var bytes = originals.randomElement(using: &random) ?? []
      bytes = Array(bytes.prefix(.random(in: 0...max(1, bytes.count), using: &random)))
      for _ in 0..<(round % 20) where !bytes.isEmpty {
        bytes[.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      }
      _ = try await structure(bytes, container)
      _ = MediaSignature(bytes).container
    }
  }
}
