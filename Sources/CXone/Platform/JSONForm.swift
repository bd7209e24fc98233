/// Checks that an object has the form of JSON, apart from the values of its members.
///
/// A text or word that strict JSON refuses is accepted as a value when it is clear where it ends: `"caf` + a byte that
/// is not UTF-8 + `"`, `NaN`, `01`, `'x'`. Anything else between two separators may hide a member: a missing comma, a
/// comment, a name that cannot be read.
///
/// Takes linear time and does not recurse.
enum JSONForm {
  private enum Expected { case item, value, separator }

  static func isIntact(_ object: ArraySlice<UInt8>) -> Bool {
    guard object.first == UInt8(ascii: "{") else { return false }
    var rest = object
    // The closing brackets of what is open.
    var open: [UInt8] = []
    var expected = Expected.value
    repeat {
      skipSpace(&rest)
      guard let byte = rest.first else { return false }
      switch expected {
      // A comma after the last item hides nothing.
      case .item where byte == open.last, .separator where byte == open.last:
        rest.removeFirst()
        open.removeLast()
        expected = .separator
      case .separator:
        guard byte == UInt8(ascii: ",") else { return false }
        rest.removeFirst()
        expected = .item
      case .item where open.last == UInt8(ascii: "}"):
        guard takeName(&rest) else { return false }
        expected = .value
      case .item, .value:
        guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") else {
          guard takeScalar(&rest) else { return false }
          expected = .separator
          break
        }
        rest.removeFirst()
        // The closing bracket of both kinds is two code points after the opening one.
        open.append(byte + 2)
        expected = .item
      }
    } while !open.isEmpty
    skipSpace(&rest)
    return rest.isEmpty
  }

  private static func takeName(_ rest: inout ArraySlice<UInt8>) -> Bool {
    let start = rest
    guard rest.first == UInt8(ascii: "\""), takeString(&rest),
      PlatformJSON.value(start[..<rest.startIndex]) is String
    else { return false }
    skipSpace(&rest)
    return rest.popFirst() == UInt8(ascii: ":")
  }

  private static func takeScalar(_ rest: inout ArraySlice<UInt8>) -> Bool {
    switch rest.first {
    case UInt8(ascii: "\""): return takeString(&rest)
    case UInt8(ascii: "'"):
      rest.removeFirst()
      rest = rest.drop(while: isWordByte)
      return rest.popFirst() == UInt8(ascii: "'")
    default:
      let word = rest.prefix(while: isWordByte)
      rest = rest.dropFirst(word.count)
      return !word.isEmpty
    }
  }

  /// Takes a string with its quotes; false when it is not closed.
  private static func takeString(_ rest: inout ArraySlice<UInt8>) -> Bool {
    rest.removeFirst()
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return true }
      if byte == UInt8(ascii: "\\") { _ = rest.popFirst() }
    }
    return false
  }

  private static func skipSpace(_ rest: inout ArraySlice<UInt8>) {
    rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
    default: false
    }
  }
}
