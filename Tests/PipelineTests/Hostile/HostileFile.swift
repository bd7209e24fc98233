import Foundation
import Model

/// WAV files that reveal every wrong join: no two places are alike, and text follows the audio, as recorders write it.
enum HostileFile {
  /// The sizes that the header states.
  enum Sizes: Sendable {
    case right
    /// 0xFFFFFFFF, then 0: the writer did not know the sizes.
    case unknown, zero
    /// Only the size of the container is wrong, or only that of the audio.
    case containerTooLarge, containerTooSmall, audioTooLarge, audioTooSmall
  }

  static let headerBytes = 44
  /// 6 s of 8 kHz mono.
  static let audioBytes = 96_000
  static let audioEnd = headerBytes + audioBytes
  static let bytes = audioEnd + text.count
  static let seconds = 6
  static let middle = bytes / 2 | 1

  /// Where connections break and files change: before and inside the header, in the first sample, on both sides of the
  /// 64 KiB that are compared, in the middle, and at the ends of the audio and the file.
  static let allCuts = [
    0, 1, 11, 43, headerBytes, 45, 4097, 65_535, 65_536, 65_537, middle, 90_001, audioEnd - 1, audioEnd,
    bytes - 1,
    bytes,
  ]

  /// All cuts when `TAPEDECK_SOAK` is 1; otherwise those around 0 and 64 KiB, in the middle, and at the ends of header,
  /// audio and file.
  static let cuts =
    ProcessInfo.processInfo.environment["TAPEDECK_SOAK"] == "1"
    ? allCuts : [0, 1, headerBytes, 65_536, 65_537, middle, audioEnd, bytes]

  private static let text = chunk(
    "LIST", Array("INFO".utf8) + chunk("ISFT", Array("Recorder of the test, 9.0".utf8) + [0]))

  /// A file of fixed length, or a few bytes longer if `longer` is given; equal seeds make equal audio.
  static func make(seed: UInt64, sizes: Sizes = .right, longer: Int = 0) -> [UInt8] {
    let audio = noise(audioBytes + longer, seed: seed)
    let whole = UInt32(bytes + longer - 8)
    let (container, data): (UInt32, UInt32) =
      switch sizes {
      case .right: (whole, UInt32(audio.count))
      case .unknown: (.max, .max)
      case .zero: (0, 0)
      case .containerTooLarge: (whole + 1000, UInt32(audio.count))
      case .containerTooSmall: (whole - 1000, UInt32(audio.count))
      case .audioTooLarge: (whole, UInt32(audio.count + 1000))
      case .audioTooSmall: (whole, UInt32(audio.count / 2))
      }
    let format: [UInt8] = [1, 0, 1, 0] + little(8000) + little(16_000) + [2, 0, 16, 0]
    return Array("RIFF".utf8) + little(container) + Array("WAVE".utf8) + chunk("fmt ", format) + Array("data".utf8)
      + little(data) + audio + text
  }

  /// Bytes that never repeat.
  private static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var words: [UInt64] = []
    words.reserveCapacity(count / 8 + 1)
    var random = SeededRandom(seed: seed)
    while words.count * 8 < count { words.append(random.next()) }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    Array(name.utf8) + little(UInt32(body.count)) + body
  }

  private static func little(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
}
