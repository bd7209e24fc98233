import Foundation
import Model
package import SystemPackage

/// The MP3 of a recording with several parts: one frame with a Xing header, then the frames of all parts.
///
/// The header is that of the first part with the counts, the table of contents and the padding of the whole. The
/// silence that the encoder adds at the start and at the end of each part is skipped by players only at the start and
/// at the end of the whole; in between it stays, as less than a fifth of a second between two parts.
package struct JoinedMP3: Sendable, Equatable {
  /// When the audio of each part begins in the whole.
  package var offsets: [Duration]

  /// Joins the MP3s of conversions with the same format, in this order. An existing file at `target` is overwritten; it
  /// is not synced.
  ///
  /// Blocks while it reads and writes.
  ///
  /// - Throws: `conversionFailed` for files that conversions do not make; errors of the system.
  package static func write(_ files: [FilePath], to target: FilePath) throws -> JoinedMP3 {
    let parts = try files.map { try MP3Frames($0) }
    guard let first = parts.first, parts.allSatisfy({ $0.hasFormat(of: first) }) else {
      throw TapedeckError(.internalError, detail: "the parts have different formats")
    }
    let output = try FileDescriptor.open(
      target, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerReadWrite])
    try output.closeAfter {
      try output.writeAll(header(of: parts, like: first))
      for part in parts { try part.bytes[part.audio].withUnsafeBytes { _ = try output.writeAll($0) } }
    }
    var samples = 0
    let offsets = parts.map { part in
      defer { samples += part.samples }
      return Duration.seconds(Double(samples + part.delay - first.delay) / Double(part.sampleRate))
    }
    return JoinedMP3(offsets: offsets)
  }

  /// The frame with the Xing header of all parts.
  private static func header(of parts: [MP3Frames], like first: MP3Frames) -> [UInt8] {
    var frame = [UInt8](first.bytes[first.xing])
    let xing = first.xingOffset
    let bytes = parts.reduce(frame.count) { $0 + $1.audio.count }
    func set(_ value: Int, at offset: Int, bytes count: Int = 4) {
      for place in 0..<count { frame[xing + offset + place] = UInt8(value >> (8 * (count - 1 - place)) & 0xFF) }
    }
    let lengths = parts.flatMap(\.lengths)
    set(lengths.count, at: 8)
    set(bytes, at: 12)
    // Where each hundredth of the frames begins, in 256ths of the file.
    var (position, next) = (frame.count, 0)
    for (number, length) in lengths.enumerated() {
      while next < 100, next * lengths.count / 100 <= number {
        frame[xing + 16 + next] = UInt8(min(255, position * 256 / bytes))
        next += 1
      }
      position += Int(length)
    }
    set(first.delay << 12 | (parts.last?.padding ?? 0), at: MP3Frames.delayOffset, bytes: 3)
    set(bytes, at: 148)
    var music = CRC16()
    for part in parts { music.add(part.bytes[part.audio]) }
    set(Int(music.value), at: 152, bytes: 2)
    // As FFmpeg calculates it: of the first 190 bytes, with zero in its place.
    set(0, at: 154, bytes: 2)
    var tag = CRC16()
    tag.add(frame.prefix(190))
    set(Int(tag.value), at: 154, bytes: 2)
    return frame
  }
}

extension MP3Frames {
  fileprivate func hasFormat(of other: MP3Frames) -> Bool {
    sampleRate == other.sampleRate && samplesPerFrame == other.samplesPerFrame && xingOffset == other.xingOffset
  }
}

/// The checksum of Xing headers by LAME and FFmpeg: CRC-16 with the reversed polynomial 0xA001.
private struct CRC16 {
  private(set) var value: UInt16 = 0

  /// The checksums of single bytes.
  private static let table: [UInt16] = (0..<256).map { (byte: Int) -> UInt16 in
    var sum = UInt16(byte)
    for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xA001 : sum >> 1 }
    return sum
  }

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value >> 8) ^ Self.table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
  }
}
