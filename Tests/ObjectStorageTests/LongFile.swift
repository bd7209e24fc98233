import Crypto
import Foundation
import Model
import ObjectStorage
import SystemPackage
import Testing

/// A file too long for memory, whose content at any offset is known; no two blocks of 64 KiB are equal.
struct LongFile: Sendable {
  private static let block: Int64 = 64 << 10

  let bytes: Int64
  let object: TestObject
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
    object = try TestObject(ContentHash(digest: hash.finalize()), .wav)
  }

  /// The content of a span, the same for every such file.
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
