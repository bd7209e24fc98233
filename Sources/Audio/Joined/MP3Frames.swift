import Foundation
import Model
import SystemPackage

/// The frames of an MP3 that a conversion made: after its tag, a frame with a Xing header, then those with the audio.
struct MP3Frames {
  /// The file, as the system maps it into memory.
  let bytes: Data
  /// The frame with the Xing header, in `bytes`.
  let xing: Range<Int>
  /// Where the Xing header begins in this frame.
  let xingOffset: Int
  /// The frames with the audio, in `bytes`.
  let audio: Range<Int>
  /// The length of each of these frames in bytes.
  private(set) var lengths: [UInt16] = []
  /// Samples per second, and of each frame.
  let sampleRate: Int
  let samplesPerFrame: Int
  /// Silent samples that the encoder added at the start and at the end.
  let delay: Int
  let padding: Int

  /// From the beginning of the Xing header to the encoder's delay, with the table of contents.
  static let delayOffset = 141

  /// - Throws: `conversionFailed` for a file that no conversion makes; errors of the system.
  init(_ file: FilePath) throws {
    let bytes = try Data(contentsOf: URL(filePath: file.string), options: .alwaysMapped)
    self.bytes = bytes
    let failure = TapedeckError(.conversionFailed, detail: "\(file) is not an MP3 of the transcoder")
    var position = MediaSignature.id3Length([UInt8](bytes.prefix(10)))
    guard let first = Self.frame(in: bytes, at: position), position + Int(first.length) <= bytes.count else {
      throw failure
    }
    xing = position..<(position + Int(first.length))
    xingOffset = Int(first.headerLength)
    let header = [UInt8](bytes[xing].dropFirst(xingOffset))
    // All four fields of the header, and FFmpeg's addition with the delay.
    guard header.count >= Self.delayOffset + 15, header[7] == 15,
      ["Xing", "Info"].contains(String(decoding: header[..<4], as: UTF8.self))
    else { throw failure }
    delay = Int(header[Self.delayOffset]) << 4 | Int(header[Self.delayOffset + 1]) >> 4
    padding = Int(header[Self.delayOffset + 1] & 15) << 8 | Int(header[Self.delayOffset + 2])
    (sampleRate, samplesPerFrame) = (first.sampleRate, first.samples)
    position = xing.upperBound
    var lengths: [UInt16] = []
    while let frame = Self.frame(in: bytes, at: position), position + Int(frame.length) <= bytes.count {
      lengths.append(UInt16(frame.length))
      position += Int(frame.length)
    }
    guard position == bytes.count, !lengths.isEmpty else { throw failure }
    audio = xing.upperBound..<position
    self.lengths = lengths
  }

  /// The length of the audio of all frames, in samples.
  var samples: Int { lengths.count * samplesPerFrame }

  private static func frame(in bytes: Data, at position: Int) -> MP3Frame? {
    guard position + 4 <= bytes.count else { return nil }
    return MP3Frame([UInt8](bytes[position..<(position + 4)]))
  }
}
