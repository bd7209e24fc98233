import Mustache

/// How a value is written into a page: as text, whatever it holds.
///
/// Byte by byte, where the library's own rule goes by what people see as one character: it takes `<` with a combining mark,
/// or with a prepended one such as U+0600, for another character than `<`, and browsers do not.
struct PageText: MustacheContentType {
  /// What every template begins with, so that this rule holds in it. Partials do not take it over from who includes them.
  static let pragma: String = {
    MustacheContentTypes.register(PageText(), named: "PAGE")
    return "{{% CONTENT_TYPE:PAGE}}"
  }()

  func escapeText(_ text: String) -> String {
    guard text.utf8.contains(where: { Self.escaped($0) != nil }) else { return text }
    var out: [UInt8] = []
    out.reserveCapacity(text.utf8.count * 2)
    for byte in text.utf8 {
      if let escaped = Self.escaped(byte) { out += escaped.utf8 } else { out.append(byte) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static func escaped(_ byte: UInt8) -> String? {
    switch byte {
    case UInt8(ascii: "<"): "&lt;"
    case UInt8(ascii: ">"): "&gt;"
    case UInt8(ascii: "&"): "&amp;"
    case UInt8(ascii: "\""): "&quot;"
    case UInt8(ascii: "'"): "&#39;"
    default: nil
    }
  }
}
