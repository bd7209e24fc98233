/// A request in the one spelling that both sides of a Signature Version 4 compute ("Create a canonical request").
package struct CanonicalRequest: Sendable, Equatable {
  /// The path as it is signed and as it has to be sent.
  package let path: String
  /// The query as it is signed and as it has to be sent, without `?`; empty where there is none.
  package let query: String
  /// The names of the headers that are signed, in lower case, with a semicolon between.
  package let signedHeaders: String
  package let text: String

  /// - Parameters:
  ///   - path: decoded, from the first slash on. It is signed as it stands: S3 knows no `..` and no empty segments.
  ///   - query: decoded; a parameter without a value has an empty one.
  ///   - headers: every header to sign. `host` and `x-amz-date` have to be among them.
  ///   - payloadHash: SHA-256 of the body in hexadecimal, or one of the words that stand in its place.
  package init(
    method: String, path: String, query: [(name: String, value: String)],
    headers: [(name: String, value: String)], payloadHash: String
  ) {
    self.path = Self.encoded(path, keeping: "/")
    self.query =
      query
      .map { (name: Self.encoded($0.name), value: Self.encoded($0.value)) }
      .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
      .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    let values = Dictionary(grouping: headers) { $0.name.lowercased() }
      .mapValues { $0.map { Self.collapsed($0.value) }.joined(separator: ",") }
      .sorted { $0.key < $1.key }
    signedHeaders = values.map(\.key).joined(separator: ";")
    let lines = values.map { "\($0.key):\($0.value)\n" }.joined()
    text = [method, self.path, self.query, lines, signedHeaders, payloadHash].joined(separator: "\n")
  }

  /// Every byte that is not unreserved (RFC 3986) or kept, percent-encoded; Foundation leaves some of them as they are.
  static func encoded(_ text: String, keeping kept: Unicode.Scalar? = nil) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var out: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
      case _ where kept.map { UInt32(byte) == $0.value } ?? false: out.append(byte)
      default: out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// Without white space at the ends, and with one space for any between.
  private static func collapsed(_ value: String) -> String {
    value.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
