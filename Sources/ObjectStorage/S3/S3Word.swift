/// The parts of an answer that are one word.
enum S3Word {
  /// The text of an element directly below the root; nil when there is none, or no document at all.
  ///
  /// - Parameter root: nil for any that is no error: stores name the roots of their results differently.
  static func read(_ element: String, of root: String? = nil, in bytes: [UInt8]) -> String? {
    var found: String?
    do {
      try TagScanner.forEachElement(in: bytes) { path, text throws(TagScanner.Malformed) in
        guard root.map({ $0 == path[0] }) ?? (path[0] != "Error") else { throw TagScanner.Malformed() }
        if path.count == 2, path[1] == element, found == nil { found = text }
      }
    } catch { return nil }
    return found
  }
}
