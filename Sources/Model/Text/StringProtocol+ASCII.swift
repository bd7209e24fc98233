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

extension String {
  /// The longest prefix that fits into `limit` bytes of UTF-8 without splitting a Unicode scalar.
  package func cut(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = utf8.index(utf8.startIndex, offsetBy: max(0, limit))
    while end.samePosition(in: unicodeScalars) == nil { utf8.formIndex(before: &end) }
    return String(unicodeScalars[..<end])
  }
}
