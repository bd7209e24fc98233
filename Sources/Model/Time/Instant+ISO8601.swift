// Not Foundation's ISO8601FormatStyle: it loses a millisecond in about half of all values, and accepts
// "2026-02-30T25:00:00Z!".
extension Instant {
  /// Reads RFC 3339 with or without a fraction of a second, which is truncated to milliseconds; nil for anything else,
  /// including a date that does not exist or a missing zone. A leap second is read as the following second.
  package init?(iso8601 text: String) {
    var scanner = Scanner(text)
    guard let year = scanner.number(digits: 4), scanner.skip("-"), let month = scanner.number(digits: 2),
      scanner.skip("-"), let day = scanner.number(digits: 2), scanner.skip("T"),
      let hour = scanner.number(digits: 2), hour < 24, scanner.skip(":"),
      let minute = scanner.number(digits: 2), minute < 60, scanner.skip(":"),
      let second = scanner.number(digits: 2), second <= 60, let fraction = scanner.fraction(),
      let offset = scanner.zone(), scanner.isAtEnd, let date = CivilDate(year: year, month: month, day: day)
    else { return nil }
    let seconds = date.daysSinceEpoch * 86_400 + hour * 3600 + minute * 60 + second - offset
    milliseconds = Int64(seconds * 1000 + fraction)
  }

  /// `YYYY-MM-DDTHH:MM:SSZ`, truncated to seconds: the documented form for QM systems, also sent to the platform.
  ///
  /// A moment outside the years 0 to 9999 is written as the nearest one inside.
  package var iso8601: String { "\(secondsText)Z" }

  /// `YYYY-MM-DDTHH:MM:SS.mmmZ`; otherwise like `iso8601`. Reading it back gives the same moment.
  package var iso8601Milliseconds: String { "\(secondsText).\(padded(writable.modulo(1000), 3))Z" }

  private var secondsText: String {
    let days = Int((writable - writable.modulo(86_400_000)) / 86_400_000)
    let seconds = writable.modulo(86_400_000) / 1000
    let date = CivilDate(daysSinceEpoch: days)
    return "\(padded(Int64(date.year), 4))-\(padded(Int64(date.month), 2))-\(padded(Int64(date.day), 2))T"
      + "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
  }

  /// From 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999Z.
  private var writable: Int64 { min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999) }

  private func padded(_ number: Int64, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}

extension Int64 {
  /// The remainder of a division that rounds down; never negative.
  fileprivate func modulo(_ divisor: Int64) -> Int64 {
    let rest = self % divisor
    return rest < 0 ? rest + divisor : rest
  }
}

/// Reads ASCII text from front to back.
private struct Scanner {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = text.utf8[...] }

  var isAtEnd: Bool { rest.isEmpty }

  /// Exactly this many digits.
  mutating func number(digits: Int) -> Int? {
    let field = rest.prefix(digits)
    guard field.count == digits, field.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    rest = rest.dropFirst(digits)
    return field.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard let first = rest.first, UInt32(first) == character.value else { return false }
    rest = rest.dropFirst()
    return true
  }

  /// Milliseconds; 0 without a fraction, nil for a point without digits.
  mutating func fraction() -> Int? {
    guard skip(".") else { return 0 }
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard !digits.isEmpty else { return nil }
    rest = rest[digits.endIndex...]
    return zip(digits, [100, 10, 1]).reduce(0) { $0 + Int($1.0 - 0x30) * $1.1 }
  }

  /// Seconds east of Greenwich: `Z`, `+HH:MM`, `+HHMM` or `+HH`.
  mutating func zone() -> Int? {
    if skip("Z") { return 0 }
    let isEast = skip("+")
    guard isEast || skip("-"), let hours = number(digits: 2), hours < 24 else { return nil }
    let minutes = skip(":") || !isAtEnd ? number(digits: 2) : 0
    guard let minutes, minutes < 60 else { return nil }
    return (isEast ? 1 : -1) * (hours * 3600 + minutes * 60)
  }
}
