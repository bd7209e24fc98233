import Model

/// The part of a file that a request selects with `Range` and `If-Range` (RFC 9110, section 14).
enum ByteRange: Equatable {
  /// The whole file: no range, a malformed one, several, or one of another version of the file.
  case whole
  /// These bytes.
  case part(Range<Int64>)
  /// A well-formed range outside of the file.
  case unsatisfiable

  /// - Parameters:
  ///   - header: the value of `Range`.
  ///   - ifRange: the value of `If-Range`; dates never match, as the files have none.
  ///   - etag: the file's strong tag, quotes included.
  ///   - length: the file's length in bytes.
  init(_ header: String?, ifRange: String?, etag: String, length: Int64) {
    guard let header, ifRange == nil || ifRange == etag else {
      self = .whole
      return
    }
    // By bytes, which takes a fraction of the time that splitting by characters takes.
    guard let equals = header.utf8.firstIndex(of: UInt8(ascii: "=")),
      header[..<equals] == "bytes" || header[..<equals].lowercased().trimmingHTTPWhitespace == "bytes"
    else {
      self = .whole
      return
    }
    // Several ranges may be answered with the whole file (section 14.2), and players do not send them.
    let span = header[header.utf8.index(after: equals)...].trimmingHTTPWhitespace
    guard let dash = span.utf8.firstIndex(of: UInt8(ascii: "-")), let first = Position(span[..<dash]),
      let last = Position(span[span.utf8.index(after: dash)...])
    else {
      self = .whole
      return
    }
    switch (first, last) {
    case (.missing, .missing): self = .whole
    case (.missing, .at(let count)):
      self = count == 0 || length == 0 ? .unsatisfiable : .part(max(0, length - count)..<length)
    case (.at(let first), .missing): self = first < length ? .part(first..<length) : .unsatisfiable
    case (.at(let first), .at(let last)):
      if last < first {
        self = .whole
      } else {
        self = first < length ? .part(first..<min(last, length - 1) + 1) : .unsatisfiable
      }
    }
  }

  /// One end of a range; a number too large for 64 bits counts as the largest.
  private enum Position {
    case missing
    case at(Int64)

    init?(_ text: Substring) {
      guard !text.isEmpty else {
        self = .missing
        return
      }
      guard text.isASCIIDigits else { return nil }
      self = .at(Int64(text) ?? .max)
    }
  }
}
