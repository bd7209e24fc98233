import Foundation
import Model

/// Recognizes the field `privacy` where a platform writes it in an unusual way.
enum PrivacyName {
  private static let name = "privacy"

  /// Whether a name is `privacy`, even in another case or with white space or invisible characters.
  static func isPrivacy(_ name: String) -> Bool {
    if name == Self.name { return true }
    guard name.utf8.count < 200 else { return false }
    if name.utf8.allSatisfy({ $0 < 0x80 }) { return spells(name) { $0 <= 0x20 || $0 == 0x7F ? nil : lowercased($0) } }
    let visible = name.unicodeScalars.filter { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .spaceSeparator, .lineSeparator, .paragraphSeparator: false
      default: !scalar.properties.isDefaultIgnorableCodePoint
      }
    }
    return String(String.UnicodeScalarView(visible)).lowercased() == Self.name
  }

  /// Whether a name looks like `privacy` and is another one: with letters of another alphabet, accents or separators.
  /// What such a field means is unknown, so its row is restricted.
  static func isImitated(by name: String) -> Bool {
    guard (7..<200).contains(name.utf8.count), !isPrivacy(name) else { return false }
    if name.utf8.allSatisfy({ $0 < 0x80 }) { return spells(name, letter: similarLetter) }
    let scalars = name.decomposedStringWithCompatibilityMapping.lowercased().unicodeScalars
    let letters = scalars.map { similar[$0] ?? $0 }.filter {
      $0.properties.isAlphabetic || $0.properties.numericType != nil
    }
    return String(String.UnicodeScalarView(letters)) == Self.name
  }

  /// Whether a field inside an object or array contradicts that a row is standard.
  static func isHidden(in text: ArraySlice<UInt8>) -> Bool {
    guard text.first == UInt8(ascii: "{") || text.first == UInt8(ascii: "[") else { return false }
    if let value = PlatformJSON.value(text) { return nestedPrivacy(value) == .restricted }
    // It cannot be read, so the name is searched for; an escape may stand for any letter of it.
    let words = String(decoding: text, as: UTF8.self).lowercased()
    return words.contains(name) || words.contains("\\u")
  }

  private static func nestedPrivacy(_ value: Any) -> Privacy {
    switch value {
    case let object as PlatformJSON.Object:
      object.map { name, value in
        if isImitated(by: name) { return Privacy.restricted }
        return max(isPrivacy(name) ? Privacy(platformJSON: value) : .standard, nestedPrivacy(value))
      }.max() ?? .standard
    case let list as [Any]: list.map(nestedPrivacy).max() ?? .standard
    default: .standard
    }
  }

  /// Whether the letters of an ASCII text are those of the name. Almost every name is ASCII, and the tables of Unicode
  /// are slow.
  ///
  /// - Parameter letter: the letter that a byte counts as; nil for one that does not count.
  private static func spells(_ text: String, letter: (UInt8) -> UInt8?) -> Bool {
    var rest = name.utf8[...]
    for byte in text.utf8 {
      guard let letter = letter(byte) else { continue }
      guard rest.popFirst() == letter else { return false }
    }
    return rest.isEmpty
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

  /// What `similar` says about ASCII.
  private static func similarLetter(_ byte: UInt8) -> UInt8? {
    switch lowercased(byte) {
    case UInt8(ascii: "l"), UInt8(ascii: "1"), UInt8(ascii: "!"), UInt8(ascii: "|"): UInt8(ascii: "i")
    case let byte where (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte): byte
    default: nil
    }
  }

  /// Letters that look like those of the name.
  private static let similar: [Unicode.Scalar: Unicode.Scalar] = [
    // Cyrillic
    "р": "p", "г": "r", "і": "i", "ї": "i", "ѵ": "v", "а": "a", "с": "c", "у": "y", "ү": "y",
    // Greek
    "ρ": "p", "ι": "i", "ν": "v", "υ": "v", "α": "a", "ϲ": "c", "γ": "y",
    // Latin, and signs
    "ı": "i", "ɩ": "i", "l": "i", "1": "i", "!": "i", "|": "i", "ɑ": "a", "ᴘ": "p", "ʀ": "r", "ɪ": "i", "ᴠ": "v",
    "ᴀ": "a", "ᴄ": "c", "ʏ": "y",
  ]
}

extension Privacy {
  /// Reads the platform's value: only a null one is missing; one of the wrong type counts as unknown, therefore
  /// restricted.
  init(platformJSON value: Any) {
    switch value {
    case is NSNull: self.init(platformValue: nil)
    case let text as String: self.init(platformValue: text)
    default: self = .restricted
    }
  }
}
