/// The SHA-256 of a file's plain bytes: what rows, proofs and the API say of its content.
package struct ContentHash: Sendable, Hashable, RawRepresentable, Codable, CustomStringConvertible {
  /// 64 lower-case hexadecimal digits.
  package let rawValue: String

  /// Nil unless the text is 64 lower-case hexadecimal digits.
  package init?(rawValue: String) {
    guard rawValue.utf8.count == 64, isLowerCaseHex(rawValue) else { return nil }
    self.rawValue = rawValue
  }

  /// - Parameter digest: the 32 bytes of a SHA-256.
  package init(digest: some Sequence<UInt8>) { rawValue = hex(digest) }

  package var description: String { rawValue }
}

/// What proves a file's bytes: their hash and how many there are.
package struct ObjectContent: Sendable, Hashable {
  package var hash: ContentHash
  package var bytes: Int64

  package init(hash: ContentHash, bytes: Int64) {
    self.hash = hash
    self.bytes = bytes
  }
}

/// Whether a text consists of the digits 0 to 9 and a to f; true for an empty one.
func isLowerCaseHex(_ text: String) -> Bool {
  text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
}
