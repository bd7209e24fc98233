import Foundation
import Model

/// An object of the platform's answer. Names are compared without case, because they differ between versions.
struct LenientObject {
  /// The object as it came.
  let sent: PlatformJSON.Object
  private let fields: PlatformJSON.Object

  /// Nil for anything but an object.
  init?(_ value: Any?) {
    guard let object = value as? PlatformJSON.Object else { return nil }
    sent = object
    fields = Dictionary(object.map { ($0.key.lowercased(), $0.value) }) { first, _ in first }
  }

  /// The first of these fields that is neither absent nor null.
  func value(_ names: String...) -> Any? { value(names) }

  private func value(_ names: [String]) -> Any? {
    for name in names {
      if let value = fields[name.lowercased()], !(value is NSNull) { return value }
    }
    return nil
  }

  /// Text, or a whole number as text; nil when it is absent or empty.
  func text(_ names: String...) -> String? { PlatformJSON.text(value(names)) }

  /// A truth value, also as text or number.
  func flag(_ names: String...) -> Bool? {
    switch value(names) {
    case let number as NSNumber: number.boolValue
    case let text as String:
      switch text.lowercased() {
      case "true", "1", "yes": true
      case "false", "0", "no": false
      default: nil
      }
    default: nil
    }
  }

  /// A moment; nil without a zone, which could be hours off.
  func moment(_ names: String...) -> Instant? { value(names).flatMap { Instant(platformValue: $0) } }

  func seconds(_ names: String...) -> Int? { value(names).flatMap { PlatformDuration.seconds($0) } }

  func number(_ names: String...) -> Int? { PlatformJSON.wholeNumber(value(names)).flatMap { Int(exactly: $0) } }

  func object(_ names: String...) -> LenientObject? { LenientObject(value(names)) }

  /// The objects of a list; an object alone counts as a list of one. Nil when there is neither.
  func objects(_ names: String...) -> [LenientObject]? { Self.list(value(names)) }

  static func list(_ value: Any?) -> [LenientObject]? {
    switch value {
    case let list as [Any]: list.compactMap { LenientObject($0) }
    case let object as PlatformJSON.Object: LenientObject(object).map { [$0] }
    default: nil
    }
  }
}
