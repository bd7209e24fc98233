import Foundation

extension PageNotes {
  /// Whether a text has the form of a `Link` header with a next page.
  static func linksNextPage(_ text: String) -> Bool {
    text.lowercased().split { $0 == ";" || $0 == "," }.contains { parameter in
      let parts = parameter.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == "rel" else { return false }
      return parts[1].split { $0.isWhitespace || $0 == "\"" || $0 == "'" }.contains("next")
    }
  }

  /// Null, and empty texts, arrays and objects, including nested ones.
  static func isVoid(_ value: Any) -> Bool {
    switch value {
    case is NSNull: true
    case let text as String: text.isEmpty
    case let object as PlatformJSON.Object: object.values.allSatisfy(isVoid)
    case let list as [Any]: list.isEmpty
    default: false
    }
  }

  /// Whether a value has no objects.
  static func isPlain(_ value: Any) -> Bool {
    if let list = value as? [Any] { return list.allSatisfy(isPlain) }
    return !(value is PlatformJSON.Object)
  }

  /// Whether a value means true or false; nil when it means neither.
  static func truth(_ value: Any) -> Bool? {
    switch (value as? String)?.lowercased() ?? (value as? NSNumber)?.stringValue {
    case "true", "yes", "y", "1": true
    case "false", "no", "n", "0": false
    default: nil
    }
  }

  /// Whether a value means that all is well.
  static func isGood(_ value: Any) -> Bool {
    let text = (value as? String)?.lowercased() ?? (value as? NSNumber)?.stringValue
    return text.map { ["ok", "success", "successful", "succeeded", "none", "completed", "200", "0"].contains($0) }
      ?? false
  }

  static func isText(_ value: Any, _ text: String?) -> Bool { text != nil && value as? String == text }
}
