/// What the header `Content-Range` says (RFC 9110 §14.4), read without trust: its numbers are unbounded.
package enum ContentRange: Equatable, Sendable {
  /// There is none.
  case missing
  /// It is there and cannot be used: other units, no total, numbers that overflow or contradict each other.
  case broken
  /// `bytes first-last/total`; `first ≤ last < total`.
  case bytes(first: Int64, last: Int64, total: Int64)
  /// `bytes */total`, the form of a 416.
  case unsatisfied(total: Int64)

  /// Reads every header field of that name; more than one is broken unless they agree.
  package init(_ fields: [String]) {
    guard let field = fields.first else {
      self = .missing
      return
    }
    guard fields.allSatisfy({ $0 == field }) else {
      self = .broken
      return
    }
    self = ContentRange(parsing: field) ?? .broken
  }

  private init?(parsing field: String) {
    let words = field.split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
    let halves = words[1].split(separator: "/", omittingEmptySubsequences: false).map(trimmed)
    guard halves.count == 2, let total = byteCount(halves[1]) else { return nil }
    if halves[0] == "*" {
      self = .unsatisfied(total: total)
      return
    }
    let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = byteCount(ends[0]), let last = byteCount(ends[1]), first <= last, last < total
    else { return nil }
    self = .bytes(first: first, last: last, total: total)
  }
}

/// A count of bytes in decimal digits; nil for anything else and for more than fits.
package func byteCount(_ text: some StringProtocol) -> Int64? {
  guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
  return Int64(text)
}

private func trimmed(_ text: Substring) -> Substring {
  var text = text
  while text.first == " " { text.removeFirst() }
  while text.last == " " { text.removeLast() }
  return text
}
