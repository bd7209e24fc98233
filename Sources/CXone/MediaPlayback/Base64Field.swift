import NIOCore

/// Decodes the base64 text of one field of a JSON answer while it arrives, so that a recording of any length takes no
/// memory: `{"files": {"file": "UklGR…", "fileName": "…"}}`.
///
/// Pure. The field is found by its name at any depth. Everything else is ignored.
struct Base64Field {
  /// What goes wrong with an answer.
  enum Problem: Error, Equatable {
    /// A character that base64 does not have, or text after the padding.
    case notBase64
    /// The answer ended before the field, or inside it.
    case incomplete
  }

  private enum Place: Equatable {
    /// Between texts.
    case outside
    /// In a name, or in the text of another field.
    case text
    /// In the text of the field.
    case field
  }

  /// A longer name is not the one that is looked for.
  private static let maxNameLength = 64

  private let name: [UInt8]
  private var place = Place.outside
  /// What a backslash began: nothing yet, or the digits of `\u`.
  private var escape: [UInt8]?
  private var lastText: [UInt8] = []
  /// Whether the next text is that of the field.
  private var isNext = false
  private var bits: UInt32 = 0
  private var bitCount = 0
  private var digitCount = 0
  private var padding = 0
  /// Whether the text of the field has ended.
  private(set) var isComplete = false

  init(_ name: String) { self.name = Array(name.utf8) }

  /// Reads the next bytes of the answer; returns the decoded bytes.
  ///
  /// - Throws: `notBase64`.
  mutating func read(_ bytes: some Sequence<UInt8>) throws(Problem) -> [UInt8] {
    var decoded: [UInt8] = []
    for byte in bytes {
      guard let character = unescaped(byte) else { continue }
      switch place {
      case .outside: readOutside(character.byte)
      case .text:
        if character.isQuote {
          place = .outside
        } else if lastText.count <= Self.maxNameLength {
          lastText.append(character.byte)
        }
      case .field:
        if character.isQuote {
          guard (digitCount + padding) % 4 == 0 || padding == 0 && digitCount % 4 != 1 else { throw .notBase64 }
          place = .outside
          isComplete = true
        } else {
          try decode(character.byte, into: &decoded)
        }
      }
    }
    return decoded
  }

  /// Checks that the field was read to its end.
  ///
  /// - Throws: `incomplete`.
  func finish() throws(Problem) { if !isComplete { throw .incomplete } }

  private mutating func readOutside(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""):
      place = isNext && !isComplete ? .field : .text
      (isNext, lastText) = (false, [])
    case UInt8(ascii: ":"): isNext = lastText == name
    case 0x20, 0x09, 0x0A, 0x0D: break
    // Another kind of value, or the end of one.
    default: isNext = false
    }
  }

  /// A character of the text of the answer. Some writers escape `/` and `+`. Nil inside of an escape.
  private mutating func unescaped(_ byte: UInt8) -> (byte: UInt8, isQuote: Bool)? {
    guard place != .outside else { return (byte, false) }
    guard var begun = escape else {
      if byte == UInt8(ascii: "\\") {
        escape = []
        return nil
      }
      return (byte, byte == UInt8(ascii: "\""))
    }
    begun.append(byte)
    if begun.first == UInt8(ascii: "u") {
      escape = begun
      guard begun.count == 5 else { return nil }
      escape = nil
      let value = UInt32(String(decoding: begun.dropFirst(), as: UTF8.self), radix: 16) ?? 0
      // No character of base64 is beyond ASCII.
      return (value < 0x80 ? UInt8(value) : 0xFF, false)
    }
    escape = nil
    switch byte {
    case UInt8(ascii: "n"): return (0x0A, false)
    case UInt8(ascii: "r"): return (0x0D, false)
    case UInt8(ascii: "t"): return (0x09, false)
    default: return (byte, false)
    }
  }

  private mutating func decode(_ byte: UInt8, into decoded: inout [UInt8]) throws(Problem) {
    let value: UInt32
    switch byte {
    case 0x41...0x5A: value = UInt32(byte - 0x41)
    case 0x61...0x7A: value = UInt32(byte - 0x61 + 26)
    case 0x30...0x39: value = UInt32(byte - 0x30 + 52)
    case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
    case UInt8(ascii: "="):
      padding += 1
      guard padding <= 2 else { throw .notBase64 }
      return
    // Lines are sometimes broken.
    case 0x20, 0x09, 0x0A, 0x0D: return
    default: throw .notBase64
    }
    guard padding == 0 else { throw .notBase64 }
    digitCount += 1
    bits = bits << 6 | value
    bitCount += 6
    guard bitCount >= 8 else { return }
    bitCount -= 8
    decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
    bits &= (1 << UInt32(bitCount)) - 1
  }
}
