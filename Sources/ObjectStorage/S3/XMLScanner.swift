/// Parses the subset of XML that S3 services send, in one pass over a body of limited length.
///
/// It reads elements, text, numeric entities and the five named ones, and skips attributes. Everything else is
/// malformed: document types, which could define entities that grow or read files, and comments and CDATA, which S3
/// does not send.
struct XMLScanner {
  struct Malformed: Error {}

  enum Token: Equatable {
    case open(String)
    case text(String)
    case close(String)
  }

  private static let maxDepth = 16
  private static let maxNameLength = 64

  private var rest: ArraySlice<UInt8>
  private var path: [String] = []
  private var isSelfClosed = false
  private var hasRoot = false

  init(_ bytes: [UInt8]) throws(Malformed) {
    rest = bytes[...]
    skip("\u{FEFF}")
    // S3 sends white space first while it assembles a large object.
    skipWhiteSpace()
    if skip("<?xml") {
      guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { throw Malformed() }
      rest = rest[(end + 1)...]
    }
  }

  /// Calls `body` at the end of each element, with the element names from the root down and the text directly inside.
  static func forEachElement(
    in bytes: [UInt8], _ body: (_ path: [String], _ text: String) throws(Malformed) -> Void
  ) throws(Malformed) {
    var scanner = try XMLScanner(bytes)
    var texts: [String] = []
    while let token = try scanner.next() {
      switch token {
      case .open: texts.append("")
      case .text(let text): texts[texts.count - 1] += text
      case .close(let name): try body(scanner.path + [name], texts.removeLast())
      }
    }
  }

  /// The next token; nil at the end of a complete document. White space outside the root is skipped.
  mutating func next() throws(Malformed) -> Token? {
    if isSelfClosed { return try close() }
    if path.isEmpty { skipWhiteSpace() }
    guard let first = rest.first else {
      guard path.isEmpty, hasRoot else { throw Malformed() }
      return nil
    }
    guard first == UInt8(ascii: "<") else { return .text(try text()) }
    rest.removeFirst()
    guard skip("/") else { return .open(try open()) }
    let name = try self.name()
    skipWhiteSpace()
    guard skip(">"), name == path.last else { throw Malformed() }
    return try close()
  }

  private mutating func close() throws(Malformed) -> Token {
    isSelfClosed = false
    guard let name = path.popLast() else { throw Malformed() }
    return .close(name)
  }

  private mutating func open() throws(Malformed) -> String {
    let name = try self.name()
    guard !path.isEmpty || !hasRoot, path.count < Self.maxDepth else { throw Malformed() }
    hasRoot = true
    path.append(name)
    var quote: UInt8?
    while let byte = rest.popFirst() {
      switch (byte, quote) {
      case (UInt8(ascii: "<"), _): throw Malformed()
      case (_, .some(byte)): quote = nil
      case (_, .some): break
      case (UInt8(ascii: "\""), nil), (UInt8(ascii: "'"), nil): quote = byte
      case (UInt8(ascii: ">"), nil): return name
      case (UInt8(ascii: "/"), nil):
        guard skip(">") else { throw Malformed() }
        isSelfClosed = true
        return name
      default: break
      }
    }
    throw Malformed()
  }

  private mutating func name() throws(Malformed) -> String {
    let name = rest.prefix { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5F: true
      default: false
      }
    }
    guard (1...Self.maxNameLength).contains(name.count) else { throw Malformed() }
    rest = rest[name.endIndex...]
    return String(decoding: name, as: UTF8.self)
  }

  private mutating func text() throws(Malformed) -> String {
    guard !path.isEmpty else { throw Malformed() }
    var out: [UInt8] = []
    while let byte = rest.first, byte != UInt8(ascii: "<") {
      rest.removeFirst()
      if byte == UInt8(ascii: "&") { out += Array(String(try entity()).utf8) } else { out.append(byte) }
    }
    guard let text = String(validating: out, as: UTF8.self) else { throw Malformed() }
    return text
  }

  private mutating func entity() throws(Malformed) -> Character {
    let word = rest.prefix(10).prefix { $0 != UInt8(ascii: ";") }
    rest = rest[word.endIndex...]
    guard skip(";") else { throw Malformed() }
    switch String(decoding: word, as: UTF8.self) {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    case let word where word.hasPrefix("#x"): return try character(UInt32(word.dropFirst(2), radix: 16))
    case let word where word.hasPrefix("#"): return try character(UInt32(word.dropFirst(1)))
    default: throw Malformed()
    }
  }

  private func character(_ number: UInt32?) throws(Malformed) -> Character {
    guard let number, number > 0, let scalar = Unicode.Scalar(number) else { throw Malformed() }
    return Character(scalar)
  }

  @discardableResult
  private mutating func skip(_ text: String) -> Bool {
    guard rest.starts(with: text.utf8) else { return false }
    rest = rest.dropFirst(text.utf8.count)
    return true
  }

  private mutating func skipWhiteSpace() {
    rest = rest.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
  }
}
