/// The name of an object in the store: 128 random bits and the kind of file.
///
/// It says nothing about the content; the catalog knows which `ContentHash` it stands for. A name is never used again
/// for other bytes.
package struct ObjectName: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
  /// What an object holds; the raw value is its file's extension.
  package enum Kind: String, Sendable, CaseIterable {
    case wav, w64, mp4, ogg, flac, amr
    /// The archived MP3, or an original that is one.
    case mp3
    /// A waveform in audiowaveform's format.
    case peaks = "dat"

    /// The media type (RFC 6381, RFC 4867 and common use).
    package var contentType: String {
      switch self {
      case .wav: "audio/wav"
      case .w64: "audio/x-w64"
      case .mp4: "audio/mp4"
      case .ogg: "audio/ogg"
      case .flac: "audio/flac"
      case .amr: "audio/amr"
      case .mp3: "audio/mpeg"
      case .peaks: "application/octet-stream"
      }
    }
  }

  /// 32 lower-case hexadecimal digits.
  package let digits: String
  package let kind: Kind

  /// Nil unless there are 32 lower-case hexadecimal digits.
  package init?(digits: String, kind: Kind) {
    guard digits.utf8.count == 32, isLowerCaseHex(digits) else { return nil }
    self.digits = digits
    self.kind = kind
  }

  private init(bytes: [UInt8], kind: Kind) {
    digits = hex(bytes)
    self.kind = kind
  }

  /// A new name.
  package static func random(_ kind: Kind) -> ObjectName { ObjectName(bytes: randomBytes(16), kind: kind) }

  /// Reads a `rawValue`; nil for anything else.
  package init?(rawValue: String) {
    guard let file = rawValue.split(separator: "/").last else { return nil }
    let parts = file.split(separator: ".")
    guard parts.count == 2, let kind = Kind(rawValue: String(parts[1])) else { return nil }
    self.init(digits: String(parts[0]), kind: kind)
    guard self.rawValue == rawValue else { return nil }
  }

  /// `ab/abcdef….mp3`: the path below the store's root. The folder is the first two digits.
  package var rawValue: String { "\(digits.prefix(2))/\(file)" }

  /// `abcdef….mp3`: the path without its folder.
  package var file: String { "\(digits).\(kind.rawValue)" }

  package var description: String { rawValue }

  // Without these, names are compared by their raw values, which are made each time.
  package static func == (a: ObjectName, b: ObjectName) -> Bool { a.digits == b.digits && a.kind == b.kind }

  package func hash(into hasher: inout Hasher) { hasher.combine(digits) }
}
