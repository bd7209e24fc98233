/// The name of an object: its content's SHA-256 and what kind of file it is. Equal bytes have equal names.
package struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
  /// What an object holds; the raw value is its file's extension.
  package enum Kind: String, Sendable, CaseIterable {
    case wav, mp3
    /// A waveform in audiowaveform's format.
    case peaks = "dat"
  }

  package let sha256: String
  package let kind: Kind

  /// Nil unless the hash is 64 lower-case hexadecimal digits.
  package init?(sha256: String, kind: Kind) {
    let isHex = sha256.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    guard sha256.utf8.count == 64, isHex else { return nil }
    self.sha256 = sha256
    self.kind = kind
  }

  /// Reads what `description` wrote.
  package init?(_ text: String) {
    guard let name = text.split(separator: "/").last else { return nil }
    let parts = name.split(separator: ".")
    guard parts.count == 2, let kind = Kind(rawValue: String(parts[1])) else { return nil }
    self.init(sha256: String(parts[0]), kind: kind)
    guard description == text else { return nil }
  }

  /// `ab/abcdef….mp3`: where the object lies below the store's root.
  package var description: String { "\(sha256.prefix(2))/\(sha256).\(kind.rawValue)" }
}
