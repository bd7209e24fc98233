/// The name of a configured source of recordings: 1–40 of `a-z`, `0-9`, `-`, `_`.
package struct SourceID: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String

  /// The source that the plain environment variables describe, and that an address without a source means.
  package static let `default` = SourceID(unchecked: "default")

  private init(unchecked: String) { rawValue = unchecked }

  /// Nil unless the name has the right form.
  package init?(_ name: String) {
    let allowed = name.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
    }
    guard allowed, (1...40).contains(name.utf8.count) else { return nil }
    rawValue = name
  }

  package var description: String { rawValue }
}

/// The platform's id of a recording: 1–200 printable ASCII characters, never `.` or `..`. Never used as a file name.
package struct RecordingID: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String

  /// Nil unless the text has the right form.
  package init?(_ text: String) {
    guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }), text != ".",
      text != ".."
    else { return nil }
    rawValue = text
  }

  package var description: String { rawValue }

  /// The id as one segment of a path, every byte that is not unreserved (RFC 3986) percent-encoded, and `~` too.
  package var pathSegment: String { percentEncoded(rawValue) }
}

/// What names a recording everywhere in Tapedeck: its source and the platform's id.
package struct RecordingKey: Hashable, Sendable, CustomStringConvertible {
  package var source: SourceID
  package var id: RecordingID

  package init(source: SourceID = .default, id: RecordingID) {
    self.source = source
    self.id = id
  }

  /// Reads one *undecoded* segment of an address: `{id}` of the default source, or `{source}~{id}`; decodes exactly once.
  ///
  /// - Throws: `invalidRecordingID` for anything else.
  package init(pathSegment: some StringProtocol) throws(TapedeckError) {
    let parts = pathSegment.split(separator: "~", maxSplits: 1, omittingEmptySubsequences: false)
    let source = parts.count == 2 ? SourceID(String(parts[0])) : .default
    guard let source, let last = parts.last, let text = percentDecoded(last), let id = RecordingID(text) else {
      throw TapedeckError(.invalidRecordingID)
    }
    self.init(source: source, id: id)
  }

  /// The key as one segment of an address; `init(pathSegment:)` reads it back.
  package var pathSegment: String {
    source == .default ? id.pathSegment : "\(source.rawValue)~\(id.pathSegment)"
  }

  /// For logs and messages.
  package var description: String { source == .default ? id.rawValue : "\(source.rawValue)~\(id.rawValue)" }
}

private func percentEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var out: [UInt8] = []
  out.reserveCapacity(text.utf8.count)
  for byte in text.utf8 {
    switch byte {
    case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F: out.append(byte)
    default: out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: out, as: UTF8.self)
}

private func percentDecoded(_ text: some StringProtocol) -> String? {
  var out: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == 0x25 else {
      out.append(byte)
      continue
    }
    guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else { return nil }
    out.append(high << 4 | low)
  }
  return String(validating: out, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x41...0x46: byte - 0x41 + 10
  case 0x61...0x66: byte - 0x61 + 10
  default: nil
  }
}
