extension String {
  /// As much of the beginning as fits into so many bytes of UTF-8; no scalar is cut in two.
  package func cut(toBytes limit: Int) -> String {
    guard utf8.count > limit else { return self }
    var end = utf8.index(utf8.startIndex, offsetBy: max(0, limit))
    while end.samePosition(in: unicodeScalars) == nil { utf8.formIndex(before: &end) }
    return String(unicodeScalars[..<end])
  }
}
