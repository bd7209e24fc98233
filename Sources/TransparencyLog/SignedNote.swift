import Crypto
import Foundation

/// A text with signatures (C2SP signed-note): the text, an empty line, and for each signature
/// `— name base64(key id ‖ signature)`.
package struct SignedNote: Sendable {
  struct Signature: Sendable {
    var name: String
    var keyID: [UInt8]
    var bytes: [UInt8]
  }

  /// The signed text; ends with a line feed.
  package let text: String
  let signatures: [Signature]

  init(text: String, signatures: [Signature]) {
    self.text = text
    self.signatures = signatures
  }

  /// Reads a note; nil for malformed text. Signatures are not verified yet.
  package init?(parsing note: String) {
    let lines = Array(note.utf8)
    guard isNoteText(note), let split = Self.lastBlankLine(lines) else { return nil }
    text = String(decoding: lines[..<(split + 1)], as: UTF8.self)
    var signatures: [Signature] = []
    for line in String(decoding: lines[(split + 2)...], as: UTF8.self).split(
      separator: "\n", omittingEmptySubsequences: false
    ).dropLast() {
      let parts = line.split(separator: " ", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "—", isNoteName(String(parts[1])),
        let bytes = Data(base64Encoded: String(parts[2])),
        bytes.count > 4, signatures.count < 100
      else { return nil }
      signatures.append(
        Signature(name: String(parts[1]), keyID: Array(bytes.prefix(4)), bytes: Array(bytes.dropFirst(4))))
    }
    guard !signatures.isEmpty else { return nil }
    self.signatures = signatures
  }

  /// The note as text.
  package var encoded: String {
    let lines = signatures.map { "— \($0.name) \(Data($0.keyID + $0.bytes).base64EncodedString())\n" }
    return "\(text)\n\(lines.joined())"
  }

  /// The SHA-256 of the note as text, as `sha256sum` prints it for a file with it.
  package var sha256: String {
    SHA256.hash(data: Data(encoded.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Whether a key signed it: at least one signature is by that key, and all of them are valid.
  package func isSigned(by key: NoteVerifierKey) -> Bool {
    let own = signatures.filter { $0.name == key.name && $0.keyID == key.id }
    return !own.isEmpty && own.allSatisfy { key.key.isValidSignature($0.bytes, for: Data(text.utf8)) }
  }

  /// The position of the last two consecutive line feeds.
  private static func lastBlankLine(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 2 else { return nil }
    return stride(from: bytes.count - 2, through: 0, by: -1).first { bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A }
  }
}
