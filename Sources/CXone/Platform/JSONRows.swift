/// Splits a page whose strings or brackets do not all end where they should, so that a broken row affects no other row.
///
/// A broken row ends where the next one begins: at `,{"name":`, which a string cannot contain with these quotes, unless
/// an object of a list inside the row begins there. See `nextRow(after:)`.
struct JSONRows {
  /// The members of the page next to the list.
  private(set) var members: [JSONParts.Part] = []
  private(set) var rows: [ArraySlice<UInt8>] = []

  let text: ArraySlice<UInt8>
  /// How many bytes may still be read: rows that are broken in certain ways are read several times.
  var allowance: Int

  /// Nil when the list or its end cannot be found.
  init?(_ text: ArraySlice<UInt8>, list name: String) {
    self.text = text
    allowance = 16 * text.count + 4096
    guard let list = listStart(named: name),
      let before = JSONParts("{" + withoutComma(text[text.index(after: text.startIndex)..<list.name]) + "}"),
      let end = splitRows(from: list.body), let after = tail(from: end)
    else { return nil }
    members = before.parts + after
  }

  private func listStart(named name: String) -> (name: Int, body: Int)? {
    var scanner = JSONScanner(text)
    let quoted = Array("\"\(name)\"".utf8)
    while true {
      let start = scanner.position
      guard let token = scanner.next(), !scanner.hasProblem else { return nil }
      guard token == .string, scanner.depth == 1, text[start..<scanner.position].trimmedJSON.elementsEqual(quoted)
      else { continue }
      let begin = scanner.position - quoted.count
      guard scanner.next() == .colon, scanner.next() == .opening, text[scanner.position - 1] == UInt8(ascii: "[")
      else { return nil }
      return (begin, scanner.position)
    }
  }

  /// - Returns: the position after the list; nil when it is not found.
  private mutating func splitRows(from start: Int) -> Int? {
    var position = start
    while true {
      // Empty, or a comma after the last row.
      if let next = firstByte(from: position), text[next] == UInt8(ascii: "]") { return next + 1 }
      guard allowance > 0 else { return nil }
      if let end = endOfWholeRow(from: position) {
        rows.append(text[position..<end].trimmedJSON)
        if text[end] == UInt8(ascii: "]") { return end + 1 }
        position = end + 1
      } else if let end = nextRow(after: position) {
        rows.append(text[position..<end].trimmedJSON)
        position = end + 1
      } else {
        guard let end = endOfList(from: position) else { return nil }
        rows.append(text[position..<end].trimmedJSON)
        return end + 1
      }
    }
  }

  /// The position of the comma or bracket after a row in which every string and bracket ends where it should.
  private mutating func endOfWholeRow(from start: Int) -> Int? {
    endOfElement(from: start).flatMap { text[$0] == UInt8(ascii: ",") && isMember(at: $0 + 1) ? nil : $0 }
  }

  /// The bracket that ends the list: the first one after which the rest of the page can be read.
  private mutating func endOfList(from start: Int) -> Int? {
    var index = start
    while allowance > 0, let bracket = text[index...].firstIndex(of: UInt8(ascii: "]")) {
      allowance -= bracket - index
      if endsPage(after: bracket), tail(from: bracket + 1) != nil { return bracket }
      index = bracket + 1
    }
    return nil
  }

  /// The members after the list; nil when they cannot be read without doubt.
  private func tail(from position: Int) -> [JSONParts.Part]? {
    let rest = text[position...].trimmedJSON
    guard rest.first == UInt8(ascii: ",") || rest.elementsEqual("}".utf8) else { return nil }
    guard let parts = JSONParts("{" + withoutComma(rest)), !parts.isAmbiguous,
      parts.parts.allSatisfy({ PlatformJSON.value($0.value) != nil && $0.name.flatMap(PlatformJSON.value) is String })
    else { return nil }
    return parts.parts
  }

  /// The position of the first byte that is not white space.
  func firstByte(from position: Int) -> Int? {
    position <= text.endIndex ? text[position...].firstIndex { !$0.isJSONSpace } : nil
  }

  private func withoutComma(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var text = text.trimmedJSON
    if text.first == UInt8(ascii: ",") { text.removeFirst() }
    if text.last == UInt8(ascii: ",") { text.removeLast() }
    return text
  }
}

private func + (left: String, right: ArraySlice<UInt8>) -> ArraySlice<UInt8> { Array(left.utf8)[...] + right }
private func + (left: ArraySlice<UInt8>, right: String) -> ArraySlice<UInt8> { left + Array(right.utf8)[...] }
