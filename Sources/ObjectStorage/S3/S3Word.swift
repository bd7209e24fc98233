/// The parts of an answer that are one word.
enum S3Word {
  /// The text of one element of a document with that root; nil when it is another document, or none at all.
  static func read(_ element: String, of root: String, in bytes: [UInt8]) -> String? {
    var found: String?
    do {
      try TagScanner.forEachElement(in: bytes) { path, text throws(TagScanner.Malformed) in
        guard path.first == root else { throw TagScanner.Malformed() }
        if path == [root, element], found == nil { found = text }
      }
    } catch { return nil }
    return found
  }
}
