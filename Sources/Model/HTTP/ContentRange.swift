/// A parsed `Content-Range` header (RFC 9110 §14.4); its numbers are unbounded and not trusted.
package enum ContentRange: Equatable, Sendable {
  /// The header is absent.
  case missing
  /// The header is unusable: other units, no total, or numbers that overflow or contradict each other.
  case broken
  /// `bytes first-last/total`; `first ≤ last < total`.
  case bytes(first: Int64, last: Int64, total: Int64)
  /// `bytes */total`, as sent with 416.
  case unsatisfied(total: Int64)

  /// Reads every field of that name; several fields are broken unless they are equal.
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
    let parts = field.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bytes" else { return nil }
    let halves = parts[1].split(separator: "/", omittingEmptySubsequences: false).map(\.trimmingHTTPWhitespace)
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

/// A number of bytes in decimal digits; nil for anything else and on overflow.
package func byteCount(_ text: some StringProtocol) -> Int64? {
  text.isASCIIDigits ? Int64(text) : nil
}
