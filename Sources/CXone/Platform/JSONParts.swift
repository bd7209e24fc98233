/// Splits the text of a JSON object or array into its parts without reading them, so that a value that strict JSON
/// refuses affects one part only.
///
/// Takes linear time and does not recurse. Each part is then read by the strict parser.
struct JSONParts {
  struct Part {
    /// The name of a member with its quotes; nil for an element of an array.
    var name: ArraySlice<UInt8>?
    var value: ArraySlice<UInt8>
  }

  private(set) var parts: [Part] = []
  /// Whether a string or bracket does not end where it should, so that a part may contain other parts.
  private(set) var isAmbiguous = false

  /// Nil unless the text is one object or array with balanced brackets and closed strings.
  init?(_ text: ArraySlice<UInt8>) {
    let text = text.trimmedJSON
    let isObject = text.first == UInt8(ascii: "{")
    guard isObject || text.first == UInt8(ascii: "["), text.count >= 2,
      text.last == UInt8(ascii: isObject ? "}" : "]"),
      split(text.dropFirst().dropLast(), isObject: isObject, stopsAtProblem: false)
    else { return nil }
  }

  /// The members of an object before the first string or bracket that does not end where it should.
  init(beginningOf text: ArraySlice<UInt8>) {
    isAmbiguous = true
    _ = split(text.trimmedJSON.dropFirst(), isObject: true, stopsAtProblem: true)
  }

  /// - Returns: false when a string is not closed or the brackets are not balanced.
  private mutating func split(_ body: ArraySlice<UInt8>, isObject: Bool, stopsAtProblem: Bool) -> Bool {
    var scanner = JSONScanner(body)
    var start = body.startIndex
    var colon: Int?
    while let token = scanner.next() {
      if scanner.hasProblem {
        isAmbiguous = true
        if stopsAtProblem { return false }
      }
      switch token {
      case .unclosedString: return false
      case .closing where scanner.depth < 0: return false
      case .colon where scanner.depth == 0 && isObject && colon == nil: colon = scanner.position - 1
      case .comma where scanner.depth == 0:
        guard add(body[start..<(scanner.position - 1)], colon, isObject) else { return false }
        (start, colon) = (scanner.position, nil)
      default: break
      }
    }
    guard scanner.depth == 0 else { return false }
    // Empty, or a comma after the last part.
    if body[start...].trimmedJSON.isEmpty { return true }
    return add(body[start...], colon, isObject)
  }

  private mutating func add(_ text: ArraySlice<UInt8>, _ colon: Int?, _ isObject: Bool) -> Bool {
    guard isObject else {
      parts.append(Part(value: text.trimmedJSON))
      return true
    }
    guard let colon else { return false }
    parts.append(Part(name: text[text.startIndex..<colon].trimmedJSON, value: text[(colon + 1)...].trimmedJSON))
    return true
  }
}

/// Finds the structure of JSON text: strings, brackets, commas and colons.
struct JSONScanner {
  enum Token { case string, unclosedString, opening, closing, comma, colon }

  private static let afterString = Array(":,}]".utf8)

  private let text: ArraySlice<UInt8>
  /// After the last token.
  private(set) var position: Int
  /// How many brackets are open; negative after a closing one too many.
  private(set) var depth = 0
  /// Whether the last token cannot be where it is: a string before other text, a bracket that closes another kind, or
  /// an object without a name in an object.
  private(set) var hasProblem = false
  private var open: [UInt8] = []

  init(_ text: ArraySlice<UInt8>, from start: Int? = nil) {
    self.text = text
    position = start ?? text.startIndex
  }

  /// Nil at the end of the text.
  mutating func next() -> Token? {
    hasProblem = false
    while position < text.endIndex {
      let byte = text[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return string()
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        // The closing bracket of both kinds is two code points after the opening one.
        open.append(byte + 2)
        return .opening
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        hasProblem = open.popLast() != byte
        return .closing
      case UInt8(ascii: ","):
        hasProblem = open.last == UInt8(ascii: "}") && text[position...].first { !$0.isJSONSpace } == UInt8(ascii: "{")
        return .comma
      case UInt8(ascii: ":"): return .colon
      default: break
      }
    }
    return nil
  }

  private mutating func string() -> Token {
    while position < text.endIndex {
      let byte = text[position]
      position += byte == UInt8(ascii: "\\") ? 2 : 1
      guard byte == UInt8(ascii: "\"") else { continue }
      let next = text[position...].first { !$0.isJSONSpace }
      hasProblem = next.map { !Self.afterString.contains($0) } ?? false
      return .string
    }
    position = text.endIndex
    hasProblem = true
    return .unclosedString
  }
}

extension UInt8 {
  /// Whether it is white space between parts of a row; strict JSON does not allow vertical tabs and form feeds.
  var isJSONSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
}

extension ArraySlice<UInt8> {
  var trimmedJSON: ArraySlice<UInt8> {
    var text = drop(while: \.isJSONSpace)
    while let last = text.last, last.isJSONSpace { text.removeLast() }
    return text
  }
}
