/// The parts of an upload, as they are announced at its end.
enum CompletedParts {
  struct Part: Sendable {
    var etag: String
    /// In base64; nil for an upload without checksums of its parts.
    var checksum: String?
  }

  /// The body of CompleteMultipartUpload.
  static func encode(_ parts: [Part]) -> [UInt8] {
    let list = parts.enumerated().map { index, part in
      "<Part>" + (part.checksum.map { "<ChecksumSHA256>\(escaped($0))</ChecksumSHA256>" } ?? "")
        + "<ETag>\(escaped(part.etag))</ETag><PartNumber>\(index + 1)</PartNumber></Part>"
    }
    return Array(
      ("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + list.joined()
        + "</CompleteMultipartUpload>").utf8)
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
