extension StringProtocol {
  /// Whether the text is one or more of the digits `0` to `9`.
  package var isASCIIDigits: Bool { !isEmpty && utf8.allSatisfy { (0x30...0x39).contains($0) } }

  /// The text without the optional whitespace of HTTP (spaces and tabs, RFC 9110 §5.6.3) at both ends.
  package var trimmingHTTPWhitespace: SubSequence {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
      return self[endIndex...]
    }
    return self[first...last]
  }
}

/// A finite number in decimal digits, such as `1.5` or `1e3`; nil for anything else, also for `0x10`, `inf` and `nan`.
package func decimalNumber(_ text: some StringProtocol) -> Double? {
  guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || "+-.eE".utf8.contains($0) }) else { return nil }
  return Double(text).flatMap { $0.isFinite ? $0 : nil }
}

extension String {
  /// The longest prefix that fits into `limit` bytes of UTF-8 without splitting a Unicode scalar.
  package func cut(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = utf8.index(utf8.startIndex, offsetBy: max(0, limit))
    while end.samePosition(in: unicodeScalars) == nil { utf8.formIndex(before: &end) }
    return String(unicodeScalars[..<end])
  }

  /// The text, or as much of it as fits into `limit` bytes of UTF-8 with an ellipsis.
  package func shortened(toBytes limit: Int) -> String {
    utf8.count > limit ? cut(toBytes: limit - "…".utf8.count) + "…" : self
  }

  /// The text without control characters, and marks that change the direction of text, for a name that is shown.
  package var withoutControls: String {
    guard unicodeScalars.contains(where: Self.isControl) else { return self }
    return String(
      String.UnicodeScalarView(
        unicodeScalars.map { $0 == "\t" || $0 == "\n" ? " " : $0 }.filter { !Self.isControl($0) }))
  }

  /// The text with names such as `[U+202E]` in place of control characters, other than line feeds and tabs, and of
  /// characters that force the direction of text, for text that people read.
  package var showingControls: String { naming(Self.deceives) }

  /// The text on one line, for every place where a line is a record of its own: a space in place of each tab and line
  /// break of Unicode, because scripts split text at all of them, and names such as `[U+200B]` in place of other
  /// control characters and of characters that change the direction of text or have no width.
  package var onOneLine: String {
    guard unicodeScalars.contains(where: \.misleadsInLine) else { return self }
    let scalars = replacing("\r\n", with: "\n").unicodeScalars
    return String(String.UnicodeScalarView(scalars.map { $0 == "\t" || $0.breaksLine ? " " : $0 }))
      .naming(\.misleadsInLine)
  }

  private func naming(_ isNamed: (Unicode.Scalar) -> Bool) -> String {
    guard unicodeScalars.contains(where: isNamed) else { return self }
    var shown = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      guard isNamed(scalar) else {
        shown.append(scalar)
        continue
      }
      let digits = String(scalar.value, radix: 16, uppercase: true)
      shown.append(contentsOf: "[U+\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)]".unicodeScalars)
    }
    return String(shown)
  }

  private static func deceives(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A: false
    case ..<0x20, 0x7F...0x9F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
    default: false
    }
  }
}

extension Unicode.Scalar {
  /// Whether readers of text may end a line here.
  package var breaksLine: Bool {
    switch value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// Whether a line with this character is not what it seems: a control character, a line break, or one that changes
  /// the direction of text or has no width. The joiners that words and emoji need are not among them.
  package var misleadsInLine: Bool {
    switch value {
    case ..<0x20, 0x7F...0x9F, 0x061C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xE0000...0xE007F:
      true
    default: false
    }
  }
}
