import Foundation
import NIOCore

/// Lenient reading of the platform's JSON, whose fields change their types between versions.
enum PlatformJSON {
  typealias Object = [String: Any]

  /// The JSON object in a body; nil for anything else.
  static func object(_ body: ByteBuffer) -> Object? {
    (try? JSONSerialization.jsonObject(with: Data(body.readableBytesView))) as? Object
  }

  /// Text, or a number as text; nil for null, empty text and anything else.
  static func text(_ value: Any?) -> String? {
    if let text = value as? String { return text.isEmpty ? nil : text }
    return wholeNumber(value).map(String.init)
  }

  /// A number without its fraction, or one given as text; nil for anything else and on overflow.
  static func wholeNumber(_ value: Any?) -> Int64? {
    switch value {
    case let text as String: Double(text).flatMap(whole)
    case let number as NSNumber where isBoolean(number): nil
    case let number as Int64: number
    case let number as Double: whole(number)
    default: nil
    }
  }

  /// An object as JSON text with sorted keys.
  static func written(_ object: Object) -> String {
    let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// Whether it was `true` or `false`. A cast to `Bool` would accept 0 and 1 too, but there is one object for each
  /// value.
  private static func isBoolean(_ number: NSNumber) -> Bool {
    number === NSNumber(value: true) || number === NSNumber(value: false)
  }

  private static func whole(_ number: Double) -> Int64? { Int64(exactly: number.rounded(.towardZero)) }
}
