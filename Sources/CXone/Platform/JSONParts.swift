/// Splits the text of a JSON object or array into its parts without reading them, so that a value that strict JSON
/// refuses costs one part.
///
/// Takes linear time and no recursion. Each part is then read by the strict parser.
struct JSONParts {
  struct Part {
    /// The name of a member with its quotes; nil for an element of an array.
    var name: ArraySlice<UInt8>?
    var value: ArraySlice<UInt8>
  }

  private(set) var parts: [Part] = []

  /// Nil unless the text is one object or array with balanced brackets and closed strings.
  init?(_ text: ArraySlice<UInt8>) {
    let text = Self.trimmed(text)
    let isObject = text.first == UInt8(ascii: "{")
    guard isObject || text.first == UInt8(ascii: "["), text.count >= 2,
      text.last == UInt8(ascii: isObject ? "}" : "]")
    else { return nil }
    let body = text.dropFirst().dropLast()
    var (depth, start, index) = (0, body.startIndex, body.startIndex)
    var colon: Int?
    while index < body.endIndex {
      switch body[index] {
      case UInt8(ascii: "\""):
        guard let end = Self.endOfString(body, from: index) else { return nil }
        index = end
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        depth -= 1
        guard depth >= 0 else { return nil }
      case UInt8(ascii: ":") where depth == 0 && isObject && colon == nil: colon = index
      case UInt8(ascii: ",") where depth == 0:
        guard add(body[start..<index], colon, isObject) else { return nil }
        (start, colon) = (index + 1, nil)
      default: break
      }
      index += 1
    }
    guard depth == 0 else { return nil }
    if parts.isEmpty, Self.trimmed(body[start...]).isEmpty { return }
    guard add(body[start...], colon, isObject) else { return nil }
  }

  private mutating func add(_ text: ArraySlice<UInt8>, _ colon: Int?, _ isObject: Bool) -> Bool {
    guard isObject else {
      parts.append(Part(value: Self.trimmed(text)))
      return true
    }
    guard let colon else { return false }
    parts.append(
      Part(name: Self.trimmed(text[text.startIndex..<colon]), value: Self.trimmed(text[(colon + 1)...])))
    return true
  }

  /// The index of the closing quote; nil without one.
  private static func endOfString(_ text: ArraySlice<UInt8>, from start: Int) -> Int? {
    var index = start + 1
    while index < text.endIndex {
      switch text[index] {
      case UInt8(ascii: "\\"): index += 2
      case UInt8(ascii: "\""): return index
      default: index += 1
      }
    }
    return nil
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    var text = text.drop(while: isSpace)
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }
}
