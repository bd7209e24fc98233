import Mustache

/// Escapes values that are inserted into a page.
///
/// Works on bytes. The library's own escaping works on grapheme clusters and misses a `<` that is combined with a mark,
/// such as U+0600; browsers do not.
struct PageText: MustacheContentType {
  /// The first characters of every template, which select this escaping. Partials do not inherit it from the including
  /// template.
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
