import Model

/// The single byte range of a request (RFC 9110 §14.1.2).
enum ByteRange: Equatable {
  /// From a position up to and including another, or to the end.
  case from(Int, through: Int?)
  /// This many bytes at the end.
  case last(Int)

  /// Nil for several ranges, other units and malformed headers, which are ignored.
  init?(_ header: String?) {
    guard let header, header.hasPrefix("bytes=") else { return nil }
    let parts = header.dropFirst(6).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let first = ByteRange.number(parts[0]), let last = ByteRange.number(parts[1]) else {
      return nil
    }
    switch (first, last) {
    case (nil, nil): return nil
    case (nil, let count?): self = .last(count)
    case (let start?, nil): self = .from(start, through: nil)
    case (let start?, let end?):
      guard start <= end else { return nil }
      self = .from(start, through: end)
    }
  }

  /// `.some(nil)` for an empty text, nil for anything that is not a number; larger numbers than 64 bits are clamped.
  private static func number(_ text: Substring) -> Int?? {
    if text.isEmpty { return .some(nil) }
    guard text.isASCIIDigits else { return nil }
    return .some(Int(text) ?? Int.max)
  }

  /// The first requested byte, where it does not depend on the size of the file.
  var start: Int? {
    if case .from(let start, _) = self { start } else { nil }
  }

  /// The requested positions in a file of this size; nil when it has none of them.
  func positions(in total: Int) -> Range<Int>? {
    switch self {
    case .from(let start, let end):
      guard start < total else { return nil }
      return start..<min(total, (end ?? total - 1) >= total ? total : (end ?? total - 1) + 1)
    case .last(let count):
      guard count > 0, total > 0 else { return nil }
      return max(0, total - min(count, total))..<total
    }
  }
}
