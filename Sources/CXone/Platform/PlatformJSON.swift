import Foundation
import Model
import NIOCore

/// Lenient reading of the platform's JSON, whose fields change their types between versions.
enum PlatformJSON {
  typealias Object = [String: Any]

  /// A value that strict JSON accepts; nil for anything else.
  static func value(_ text: ArraySlice<UInt8>) -> Any? {
    try? JSONSerialization.jsonObject(with: Data(text), options: .fragmentsAllowed)
  }

  /// Whether the text is a number of digits with an optional sign.
  static func isWholeNumber(_ text: ArraySlice<UInt8>) -> Bool {
    let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
    return !digits.isEmpty && digits.allSatisfy { (0x30...0x39).contains($0) }
      && (digits.count == 1 || digits.first != 0x30)
  }

  /// A string that strict JSON refuses, with U+FFFD or a space for what it cannot contain; nil for other values.
  static func repairedText(_ text: ArraySlice<UInt8>) -> String? {
    guard text.first == UInt8(ascii: "\"") else { return nil }
    let printable = String(decoding: text, as: UTF8.self).unicodeScalars.map { $0.value < 0x20 ? " " : Character($0) }
    let valid = String(printable)
    let escapes = valid.replacing(/(\\\\)|(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u[dD][89a-fA-F]../) { match in
      match.1 ?? match.2 ?? "\\ufffd"
    }
    return value(Array(escapes.utf8)[...]) as? String
  }

  /// The JSON object in a body; nil for anything else.
  static func object(_ body: ByteBuffer) -> Object? {
    value(utf8(body)) as? Object
  }

  /// The bytes of a body without a byte order mark; UTF-16 and UTF-32, which have a NUL among the first bytes, are
  /// converted.
  static func utf8(_ body: ByteBuffer) -> ArraySlice<UInt8> {
    let bytes = Array(body.readableBytesView)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return bytes[3...] }
    let zeros = bytes.prefix(4).map { $0 == 0 }
    let isUTF32 = zeros == [true, true, true, false] || zeros == [false, true, true, true]
    if bytes.starts(with: [0xFF, 0xFE, 0, 0]) || bytes.starts(with: [0, 0, 0xFE, 0xFF]) || isUTF32 {
      let units = units(bytes, UInt32.self, isBigEndian: bytes[0] == 0)
      return Array(String(decoding: units, as: UTF32.self).utf8)[...]
    }
    let hasMark = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
    guard hasMark || zeros == [true, false, true, false] || zeros == [false, true, false, true] else {
      return bytes[...]
    }
    let units = units(bytes, UInt16.self, isBigEndian: bytes[0] == 0 || bytes[0] == 0xFE)
    return Array(String(decoding: units, as: UTF16.self).utf8)[...]
  }

  /// The code units of UTF-16 or UTF-32 without a byte order mark. A unit that is cut off becomes U+FFFD.
  private static func units<Unit: FixedWidthInteger>(
    _ bytes: [UInt8], _ type: Unit.Type, isBigEndian: Bool
  ) -> ArraySlice<Unit> {
    let width = Unit.bitWidth / 8
    let units = stride(from: 0, to: bytes.count, by: width).map { start -> Unit in
      let unit = bytes[start...].prefix(width)
      guard unit.count == width else { return 0xFFFD }
      return (isBigEndian ? Array(unit) : unit.reversed()).reduce(0) { $0 << 8 | Unit($1) }
    }
    return units.drop { $0 == 0xFEFF }
  }

  /// Text, or a number as text; nil for null, empty text and anything else.
  static func text(_ value: Any?) -> String? {
    if let text = value as? String { return text.isEmpty ? nil : text }
    if let number = value as? PlatformRow.ExactInteger { return number.digits }
    return wholeNumber(value).map(String.init)
  }

  /// A number without its fraction, or one given as text; nil for anything else and on overflow.
  static func wholeNumber(_ value: Any?) -> Int64? {
    switch value {
    case let number as PlatformRow.ExactInteger: Int64(number.digits)
    case let text as String: decimalNumber(text).flatMap(whole)
    case let number as NSNumber where isBoolean(number): nil
    case let number as Int64: number
    case let number as Double: whole(number)
    default: nil
    }
  }

  /// A value as JSON text with sorted keys.
  static func written(_ value: Any) -> String {
    let data = try? JSONSerialization.data(
      withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? (value is Object ? "{}" : "null")
  }

  /// Whether it was `true` or `false`. A cast to `Bool` would accept 0 and 1 too, but there is one object for each
  /// value.
  static func isBoolean(_ number: NSNumber) -> Bool {
    number === NSNumber(value: true) || number === NSNumber(value: false)
  }

  private static func whole(_ number: Double) -> Int64? { Int64(exactly: number.rounded(.towardZero)) }
}
