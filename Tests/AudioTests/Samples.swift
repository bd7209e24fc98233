import Audio
import Foundation
import SystemPackage
import Testing

/// A WAV file that FFmpeg generates when a test needs it.
struct Sample: Sendable, CustomTestStringConvertible {
  var name: String
  var arguments: [String]

  var testDescription: String { name }

  init(_ name: String, _ arguments: String) {
    self.name = name
    self.arguments = arguments.split(separator: " ").map(String.init)
  }

  /// Every codec and format that platforms are known to send.
  static let all: [Sample] = [
    Sample("pcm mono 8 kHz", "-ac 1 -ar 8000 -c:a pcm_s16le"),
    Sample("pcm stereo 8 kHz", "-ac 2 -ar 8000 -c:a pcm_s16le"),
    Sample("pcm stereo 16 kHz", "-ac 2 -ar 16000 -c:a pcm_s16le"),
    Sample("pcm stereo 44.1 kHz", "-ac 2 -ar 44100 -c:a pcm_s16le"),
    Sample("pcm 8 bit", "-ac 1 -ar 8000 -c:a pcm_u8"),
    Sample("pcm 24 bit", "-ac 2 -ar 48000 -c:a pcm_s24le"),
    Sample("pcm 32 bit", "-ac 1 -ar 8000 -c:a pcm_s32le"),
    Sample("float", "-ac 2 -ar 8000 -c:a pcm_f32le"),
    Sample("mu-law", "-ac 2 -ar 8000 -c:a pcm_mulaw"),
    Sample("A-law", "-ac 1 -ar 8000 -c:a pcm_alaw"),
    Sample("GSM", "-ac 1 -ar 8000 -c:a libgsm_ms"),
    Sample("IMA ADPCM mono", "-ac 1 -ar 8000 -c:a adpcm_ima_wav"),
    Sample("IMA ADPCM stereo", "-ac 2 -ar 16000 -c:a adpcm_ima_wav"),
    Sample("MS ADPCM mono", "-ac 1 -ar 8000 -c:a adpcm_ms"),
    Sample("MS ADPCM stereo", "-ac 2 -ar 8000 -c:a adpcm_ms"),
    Sample("RF64", "-ac 2 -ar 8000 -c:a pcm_s16le -rf64 always"),
    Sample("six channels", "-ac 6 -ar 16000 -c:a pcm_s16le"),
    Sample("6 kHz", "-ac 1 -ar 6000 -c:a pcm_s16le"),
    Sample("96 kHz", "-ac 1 -ar 96000 -c:a pcm_s16le"),
  ]

  static let telephone = all[0]
  static let telephoneStereo = all[1]

  /// The bytes of the file: a tone with noise on the left, a chirp on the right, 4.2 s.
  func bytes() throws -> [UInt8] {
    try Scratch.withFolder { folder in
      let path = folder.appending("sample.wav").string
      let source =
        "aevalsrc=0.4*sin(440*2*PI*t)+0.1*(random(0)-0.5)|0.6*sin(2*PI*(200+40*t)*t)*gt(t\\,1):d=4.2:s=16000:c=stereo"
      try runTool("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", source] + arguments + ["-y", path])
      return try [UInt8](Data(contentsOf: URL(filePath: path)))
    }
  }
}

/// A temporary folder that is removed when the test ends.
enum Scratch {
  static func withFolder<Value>(_ body: (FilePath) throws -> Value) throws -> Value {
    let folder = try make()
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    return try body(folder)
  }

  static func with<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
    let folder = try make()
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    return try await body(folder)
  }

  private static func make() throws -> FilePath {
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-audio-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    return folder
  }
}

struct ToolFailed: Error {
  var tool: String
  var status: Int32
}

/// Runs an installed program; its failure fails the test.
@discardableResult
func runTool(_ tool: String, _ arguments: [String]) throws -> Data {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = [tool] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardInput = FileHandle.nullDevice
  try process.run()
  let data = try output.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw ToolFailed(tool: tool, status: process.terminationStatus) }
  return data
}

/// What `ffprobe` reports about an audio file.
struct Probe: Decodable {
  struct Stream: Decodable {
    var codecName: String
    var sampleRate: String
    var channels: Int
    var bitsPerSample: Int
    var duration: String?
    var startTime: String?
  }

  var streams: [Stream]

  static func of(_ path: FilePath) throws -> Stream {
    let json = try runTool("ffprobe", ["-v", "error", "-show_streams", "-of", "json", path.string])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try #require(try decoder.decode(Probe.self, from: json).streams.first)
  }
}

/// The header in bytes that have one.
func header(of bytes: [UInt8]) throws -> WAVHeader {
  guard case .header(let header) = WAVHeader.read(bytes) else {
    Issue.record("\(WAVHeader.read(bytes))")
    throw ToolFailed(tool: "WAVHeader.read", status: 0)
  }
  return header
}

/// Builds valid and invalid WAV files.
struct WAVBytes {
  var container = "RIFF"
  var containerSize: UInt32 = 0xFFFF_FFFF
  var chunks: [(name: String, size: UInt32, body: [UInt8])] = []

  static func format(
    tag: UInt16 = 1, channels: UInt16 = 1, rate: UInt32 = 8000, bits: UInt16 = 16
  ) -> [UInt8] {
    let block = channels &* ((bits &+ 7) / 8)
    return little(tag) + little(channels) + little(rate) + little(rate &* UInt32(block)) + little(block) + little(bits)
  }

  /// One second of silence in 8 kHz mono with the given sizes.
  static func telephone(dataSize: UInt32, audio: Int = 16000) -> [UInt8] {
    var file = WAVBytes()
    file.add("fmt ", format())
    file.add("data", Array(repeating: 0, count: audio), size: dataSize)
    return file.bytes
  }

  mutating func add(_ name: String, _ body: [UInt8], size: UInt32? = nil) {
    chunks.append((name, size ?? UInt32(body.count), body))
  }

  var bytes: [UInt8] {
    Array(container.utf8) + little(containerSize) + Array("WAVE".utf8)
      + chunks.flatMap { chunk in
        Array(chunk.name.utf8) + little(chunk.size) + chunk.body + (chunk.body.count % 2 == 1 ? [0] : [])
      }
  }
}

func little(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
