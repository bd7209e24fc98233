/// Finds the row after a broken one.
///
/// Each `,{"name":` may begin the next row, or an object of a list within the broken row. It belongs to the broken row
/// if
/// - it has the same names as the first object of a list that the bytes before it leave open, or
/// - the objects after it end with a bracket that is not the end of the page's list, or with a member of an object.
///
/// Where nothing decides, it is a row: an additional row is reported, but a missing one would be lost.
extension JSONRows {
  /// The position of the comma before the next row; nil when the broken row is the last one.
  mutating func nextRow(after start: Int) -> Int? {
    let own = name(ofObjectAt: firstByte(from: start) ?? start)
    // The lists that are open by their brackets alone, each with the position of its first object.
    var lists: [Int?] = []
    var index = start
    while index < text.endIndex, allowance > 0 {
      allowance -= 1
      switch text[index] {
      case UInt8(ascii: "["):
        let first = firstByte(from: index + 1)
        lists.append(first.flatMap { name(ofObjectAt: $0) == nil ? nil : $0 })
      case UInt8(ascii: "]"): _ = lists.popLast()
      case UInt8(ascii: ","):
        guard let object = firstByte(from: index + 1), name(ofObjectAt: object) != nil else { break }
        if let first = lists.last ?? nil, isSibling(object, of: first, in: own) { break }
        guard let end = endOfInnerList(from: object) else { return index }
        index = end
        continue
      default: break
      }
      index += 1
    }
    return nil
  }

  /// Whether two objects have the same names, as far as these can be read; a single name must differ from the first
  /// one of the row.
  private mutating func isSibling(_ object: Int, of first: Int, in own: ArraySlice<UInt8>?) -> Bool {
    let names = zip(names(ofObjectAt: object), names(ofObjectAt: first)).map { ($0, $1) }
    return names.allSatisfy { $0.elementsEqual($1) } && (names.count > 1 || names.first?.0 != own)
  }

  /// Where the list within a row ends, of which the object at `start` is an element; nil when that is a row.
  private mutating func endOfInnerList(from start: Int) -> Int? {
    var position = start
    while allowance > 0 {
      // In a list of objects only a row that is broken has members between them.
      if isMember(at: position) { return position }
      guard let end = endOfElement(from: position) else { return nil }
      if text[end] == UInt8(ascii: "]") { return endsPage(after: end) ? nil : end }
      position = end + 1
    }
    return nil
  }

  /// The position of the comma or bracket after an element of a list; nil when one of its strings or brackets does not
  /// end where it should.
  mutating func endOfElement(from start: Int) -> Int? {
    var scanner = JSONScanner(text, from: start)
    defer { allowance -= scanner.position - start }
    while let token = scanner.next() {
      if scanner.depth < 0 { return text[scanner.position - 1] == UInt8(ascii: "]") ? scanner.position - 1 : nil }
      if scanner.hasProblem { return nil }
      if token == .comma, scanner.depth == 0 { return scanner.position - 1 }
    }
    return nil
  }

  /// Whether only members of the page follow a bracket.
  mutating func endsPage(after bracket: Int) -> Bool {
    guard let next = firstByte(from: bracket + 1), [UInt8(ascii: ","), UInt8(ascii: "}")].contains(text[next])
    else { return false }
    var scanner = JSONScanner(text, from: next)
    defer { allowance -= scanner.position - bracket }
    while let token = scanner.next() {
      if scanner.depth < 0 {
        return text[scanner.position - 1] == UInt8(ascii: "}") && firstByte(from: scanner.position) == nil
      }
      if scanner.hasProblem || token == .unclosedString { return false }
    }
    return false
  }

  /// Whether the text at a position is `"name":`.
  func isMember(at position: Int) -> Bool {
    guard let quote = firstByte(from: position), text[quote] == UInt8(ascii: "\"") else { return false }
    var scanner = JSONScanner(text, from: quote)
    return scanner.next() == .string && scanner.next() == .colon
  }

  /// The names of an object; only the first one of an object that is broken.
  private mutating func names(ofObjectAt brace: Int) -> [ArraySlice<UInt8>] {
    if let end = endOfElement(from: brace), let parts = JSONParts(text[brace..<end]) {
      return parts.parts.compactMap(\.name)
    }
    return name(ofObjectAt: brace).map { [$0] } ?? []
  }

  /// The first name, with its quotes, of an object that begins with `{"name":`.
  private func name(ofObjectAt brace: Int) -> ArraySlice<UInt8>? {
    guard brace < text.endIndex, text[brace] == UInt8(ascii: "{"), let quote = firstByte(from: brace + 1),
      text[quote] == UInt8(ascii: "\""),
      let end = text[(quote + 1)...].prefix(200).firstIndex(of: UInt8(ascii: "\"")),
      let colon = firstByte(from: end + 1), text[colon] == UInt8(ascii: ":")
    else { return nil }
    return text[quote...end]
  }
}
