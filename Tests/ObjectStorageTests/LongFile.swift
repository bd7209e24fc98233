import Crypto
import Foundation
import Model
import ObjectStorage
import SystemPackage
import Testing

/// A file too long to be held in memory: every 64 KiB of it differ from the others, and any part can be told.
struct LongFile: Sendable {
  private static let block: Int64 = 64 << 10

  let bytes: Int64
  let key: ObjectKey
  let path: FilePath

  init(bytes: Int64, in folder: TemporaryFolder) throws {
    self.bytes = bytes
    path = folder.path.appending(UUID().uuidString)
    let file = try FileDescriptor.open(path, .writeOnly, options: [.create], permissions: [.ownerReadWrite])
    var hash = SHA256()
    try file.closeAfter {
      for offset in stride(from: 0, to: bytes, by: Int(Self.block)) {
        let piece = Self.contents(offset..<min(offset + Self.block, bytes))
        hash.update(data: piece)
        try file.writeAll(piece)
      }
    }
    key = try #require(ObjectKey(sha256: hex(hash.finalize()), kind: .wav))
  }

  /// What stands in part of every such file, as far as the file goes.
  static func contents(_ span: Range<Int64>) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in (span.lowerBound / block)...(max(span.lowerBound, span.upperBound - 1) / block) {
      let start = number * block
      let part = span.clamped(to: start..<start + block)
      bytes += block(number)[Int(part.lowerBound - start)..<Int(part.upperBound - start)]
    }
    return bytes
  }

  private static func block(_ number: Int64) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number &* 31), count: Int(block))
    for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: number >> (index * 8)) }
    return bytes
  }
}
