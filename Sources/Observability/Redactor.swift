import Synchronization

/// Takes secrets out of text before it is written anywhere.
///
/// Works on bytes: a character-wise search would miss a secret that somebody has put a combining mark behind.
package final class Redactor: Sendable {
  /// The one that the log handlers use.
  package static let shared = Redactor()

  private static let replacement = Array("[redacted]".utf8)

  /// What stands in front of a secret that nobody has added: API tokens, webhook secrets, `Authorization` values.
  private static let marks = ["tdk_", "whsec_", "bearer ", "basic "].map { Array($0.utf8) }

  private let secrets = Mutex<[[UInt8]]>([])

  package init() {}

  /// Makes a value unwritable from now on, also where it is percent-encoded as in a form. Very short ones are left out,
  /// since they would stand in every other word.
  package func add(_ secret: String) {
    guard secret.utf8.count >= 6 else { return }
    secrets.withLock { secrets in
      let all = Set(secrets + [Array(secret.utf8), percentEncoded(secret)])
      // Longer ones first, so that none leaves the rest of another.
      secrets = all.sorted { $0.count > $1.count }
    }
  }

  /// The text with known secrets, API tokens, webhook secrets and bearer tokens replaced by `[redacted]`.
  package func redact(_ text: String) -> String {
    var bytes = Array(text.utf8)
    var changed = false
    for secret in secrets.withLock({ $0 }) {
      var position = 0
      while let found = find(secret, in: bytes, from: position) {
        bytes.replaceSubrange(found..<found + secret.count, with: Self.replacement)
        position = found + Self.replacement.count
        changed = true
      }
    }
    for mark in Self.marks {
      var position = 0
      while let found = find(mark, in: bytes, from: position, ignoringCase: true) {
        let start = found + mark.count
        let secret = bytes[start...].prefix(while: isTokenByte)
        position = start
        guard secret.count >= 6 else { continue }
        bytes.replaceSubrange(start..<secret.endIndex, with: Self.replacement)
        changed = true
      }
    }
    return changed ? String(decoding: bytes, as: UTF8.self) : text
  }

  private func find(_ wanted: [UInt8], in bytes: [UInt8], from: Int, ignoringCase: Bool = false) -> Int? {
    guard let first = wanted.first, bytes.count - from >= wanted.count else { return nil }
    return bytes.withUnsafeBufferPointer { bytes in
      for start in from...bytes.count - wanted.count {
        guard folded(bytes[start], ignoringCase) == first else { continue }
        var length = 1
        while length < wanted.count, folded(bytes[start + length], ignoringCase) == wanted[length] { length += 1 }
        if length == wanted.count { return start }
      }
      return nil
    }
  }

  @inline(__always)
  private func folded(_ byte: UInt8, _ ignoringCase: Bool) -> UInt8 {
    ignoringCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }

  private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "-_+/=.~".utf8.contains(byte)
    }
  }

  private func percentEncoded(_ text: String) -> [UInt8] {
    text.utf8.flatMap { byte -> [UInt8] in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: return [byte]
      default:
        let hex = String(byte, radix: 16, uppercase: true)
        return Array((byte < 16 ? "%0" : "%").utf8) + Array(hex.utf8)
      }
    }
  }
}
