/// The name of a configured source: 1–40 characters of `a-z`, `0-9`, `-`, `_`.
package struct SourceID: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String

  /// The source described by the unprefixed environment variables, and meant by a path without a source.
  package static let `default` = SourceID(unchecked: "default")

  private init(unchecked: String) { rawValue = unchecked }

  /// Nil unless the name is valid.
  package init?(_ name: String) {
    let allowed = name.utf8.allSatisfy {
      (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x5F
    }
    guard allowed, (1...40).contains(name.utf8.count) else { return nil }
    rawValue = name
  }

  package var description: String { rawValue }
}

/// The platform's ID of a recording: 1–500 bytes of Unicode text without control characters, line separators and marks
/// that change the direction of text, but not `.` or `..`, and not with the prefix of a token, session or webhook
/// secret in it, even percent-encoded: a secret that is pasted in its place must not be logged or sent to the platform.
/// Never used as a file name.
///
/// Ids are compared by their bytes, as in the database: a composed and a decomposed letter are different.
package struct RecordingID: Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String

  /// The maximum number of bytes of UTF-8.
  package static let maxLength = 500

  /// Nil unless the text is valid.
  package init?(_ text: String) {
    guard (1...Self.maxLength).contains(text.utf8.count), text != ".", text != "..",
      text.unicodeScalars.allSatisfy(Self.allows), !Redactor.hasSecretPrefix(text)
    else { return nil }
    rawValue = text
  }

  private static func allows(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case ..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: false
    default: true
    }
  }

  package static func == (a: RecordingID, b: RecordingID) -> Bool { a.rawValue.utf8.elementsEqual(b.rawValue.utf8) }

  package func hash(into hasher: inout Hasher) {
    var text = rawValue
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }

  package var description: String { rawValue }

  /// The ID as one path segment: every byte except letters, digits, `-`, `.` and `_` is percent-encoded. `~` is encoded
  /// because it separates source and ID.
  package var pathSegment: String { percentEncoded(rawValue, keeping: "-._") }
}

/// Identifies a recording throughout Tapedeck: its source and the platform's ID.
package struct RecordingKey: Hashable, Sendable, CustomStringConvertible {
  package var source: SourceID
  package var id: RecordingID

  package init(source: SourceID = .default, id: RecordingID) {
    self.source = source
    self.id = id
  }

  /// Reads one *undecoded* path segment: `{id}` for the default source, or `{source}~{id}`; decodes exactly once.
  ///
  /// - Throws: `invalidRecordingID` for anything else.
  package init(pathSegment: some StringProtocol) throws(TapedeckError) {
    let separator = pathSegment.utf8.firstIndex(of: UInt8(ascii: "~"))
    let source = separator.map { SourceID(String(pathSegment[..<$0])) } ?? .default
    let encoded = separator.map { pathSegment[pathSegment.utf8.index(after: $0)...] } ?? pathSegment[...]
    guard let source, let text = percentDecoded(encoded), let id = RecordingID(text) else {
      throw TapedeckError(.invalidRecordingID)
    }
    self.init(source: source, id: id)
  }

  /// The key as one path segment; `init(pathSegment:)` reads it back.
  package var pathSegment: String {
    source == .default ? id.pathSegment : "\(source.rawValue)~\(id.pathSegment)"
  }

  /// For logs and messages.
  package var description: String { source == .default ? id.rawValue : "\(source.rawValue)~\(id.rawValue)" }
}
