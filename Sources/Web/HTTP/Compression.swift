import HTTPTypes
import Hummingbird

extension Request {
  /// Whether the client accepts responses in gzip (RFC 9110, 12.5.3).
  var acceptsGzip: Bool {
    guard let header = headers[.acceptEncoding] else { return false }
    var acceptsAny = false
    for item in header.split(separator: ",") {
      let words = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
      guard let coding = words.first else { continue }
      let weight = words.dropFirst().first { $0.hasPrefix("q=") }
      // 0 in any spelling, such as 0.000, refuses the coding.
      let isAccepted = weight?.dropFirst(2).contains { ("1"..."9").contains($0) } ?? true
      if coding == "gzip" || coding == "x-gzip" { return isAccepted }
      if coding == "*" { acceptsAny = isAccepted }
    }
    return acceptsAny
  }
}

/// Only scripts, styles and peaks are compressed. The length of a compressed text reveals which words occur in it
/// twice, and pages contain secrets, such as the token of their forms, next to words that others chose: searches in the
/// access log, IDs and names of the platform (the attack is known as BREACH).
extension Response {
  /// Describes a body in gzip of a file with this tag. Ranges and digests would be those of the compressed bytes, which
  /// may differ from one response to the next.
  static func describeGzip(of etag: String, in headers: inout HTTPFields) {
    headers[.contentEncoding] = "gzip"
    headers[.eTag] = gzipTag(of: etag)
    headers[.reprDigest] = nil
    headers[.acceptRanges] = nil
  }

  /// The strong tag of the compressed form of a file.
  static func gzipTag(of etag: String) -> String { etag.dropLast() + "-gzip\"" }
}
