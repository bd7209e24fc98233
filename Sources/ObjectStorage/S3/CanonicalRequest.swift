import Model

/// The canonical form of a request that AWS Signature Version 4 signs ("Create a canonical request").
package struct CanonicalRequest: Sendable, Equatable {
  /// The path as it is signed and must be sent.
  package let path: String
  /// The query as it is signed and must be sent, without `?`; may be empty.
  package let query: String
  /// The names of the signed headers in lower case, separated by semicolons.
  package let signedHeaders: String
  package let text: String

  /// - Parameters:
  ///   - path: not percent-encoded, with its first slash. It is not normalized: S3 does not interpret `..` or empty
  ///     segments.
  ///   - query: not percent-encoded; a parameter without a value has an empty one.
  ///   - headers: every header to sign, including `host` and `x-amz-date`.
  ///   - payloadHash: the SHA-256 of the body in hexadecimal, or one of the constants that may replace it.
  package init(
    method: String, path: String, query: [(name: String, value: String)],
    headers: [(name: String, value: String)], payloadHash: String
  ) {
    self.path = percentEncoded(path, keeping: "-._~/")
    self.query =
      query
      .map { (name: percentEncoded($0.name), value: percentEncoded($0.value)) }
      .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
      .map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    let values = Dictionary(grouping: headers) { $0.name.lowercased() }
      .mapValues { $0.map { Self.collapsed($0.value) }.joined(separator: ",") }
      .sorted { $0.key < $1.key }
    signedHeaders = values.map(\.key).joined(separator: ";")
    let lines = values.map { "\($0.key):\($0.value)\n" }.joined()
    text = [method, self.path, self.query, lines, signedHeaders, payloadHash].joined(separator: "\n")
  }

  /// Trims white space, and replaces each run of it by one space.
  private static func collapsed(_ value: String) -> String {
    value.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
