import Crypto
import Foundation

/// The public key for verifying signatures of a name: `name+hash+key` (C2SP signed-note).
package struct NoteVerifierKey: Sendable, CustomStringConvertible {
  package let name: String
  /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).
  package let id: [UInt8]
  let key: Curve25519.Signing.PublicKey

  /// The algorithm byte for Ed25519.
  static let ed25519: UInt8 = 1

  init(name: String, key: Curve25519.Signing.PublicKey) {
    self.name = name
    self.key = key
    let hashed = Data(name.utf8) + [0x0A, Self.ed25519] + key.rawRepresentation
    id = Array(SHA256.hash(data: hashed).prefix(4))
  }

  /// Reads a verifier key; nil for malformed text, another algorithm, or a hash that does not match.
  package init?(_ text: String) {
    let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 3, isNoteName(parts[0]), let bytes = Data(base64Encoded: parts[2]), bytes.count == 33,
      bytes.first == Self.ed25519,
      let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes.dropFirst())
    else { return nil }
    self.init(name: parts[0], key: key)
    guard parts[1] == hexadecimal(id) else { return nil }
  }

  package var description: String {
    "\(name)+\(hexadecimal(id))+\((Data([Self.ed25519]) + key.rawRepresentation).base64EncodedString())"
  }

  /// The 32 bytes of the public key.
  package var publicKey: [UInt8] { Array(key.rawRepresentation) }
}

/// The private key of a name: `PRIVATE+KEY+name+hash+key`, as Go's `note` package writes it.
package struct NoteSigner: Sendable {
  package let verifierKey: NoteVerifierKey
  private let key: Curve25519.Signing.PrivateKey

  /// A new key; nil for an invalid name.
  package init?(newKeyNamed name: String) {
    guard isNoteName(name) else { return nil }
    key = Curve25519.Signing.PrivateKey()
    verifierKey = NoteVerifierKey(name: name, key: key.publicKey)
  }

  /// Reads a private key; nil for malformed text.
  package init?(_ text: String) {
    let parts = text.split(separator: "+", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 5, parts[0] == "PRIVATE", parts[1] == "KEY", isNoteName(parts[2]),
      let bytes = Data(base64Encoded: parts[4]), bytes.count == 33, bytes.first == NoteVerifierKey.ed25519,
      let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes.dropFirst())
    else { return nil }
    self.key = key
    verifierKey = NoteVerifierKey(name: parts[2], key: key.publicKey)
    guard parts[3] == hexadecimal(verifierKey.id) else { return nil }
  }

  /// The secret as text, to be stored in a file.
  package var revealed: String {
    let bytes = Data([NoteVerifierKey.ed25519]) + key.rawRepresentation
    return "PRIVATE+KEY+\(verifierKey.name)+\(hexadecimal(verifierKey.id))+\(bytes.base64EncodedString())"
  }

  /// A signed note; nil for a text that is not a valid note.
  package func sign(_ text: String) -> SignedNote? {
    guard isNoteText(text), let signature = try? key.signature(for: Data(text.utf8)) else { return nil }
    return SignedNote(
      text: text, signatures: [.init(name: verifierKey.name, keyID: verifierKey.id, bytes: Array(signature))])
  }
}

/// Whether a name is valid: not empty, no whitespace, no plus sign.
func isNoteName(_ name: String) -> Bool {
  !name.isEmpty && !name.unicodeScalars.contains { $0 == "+" || $0.properties.isWhitespace || $0.value < 0x20 }
}

/// Whether a text is valid: it ends with a line feed and has no other control characters.
func isNoteText(_ text: String) -> Bool {
  text.utf8.last == 0x0A && text.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0A }
}

/// Bytes as hexadecimal digits. Not shared with Model, so that this module has no dependencies within Tapedeck.
func hexadecimal(_ bytes: [UInt8]) -> String {
  bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
