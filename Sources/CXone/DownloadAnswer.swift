package import NIOHTTP1

/// The head of an answer to a download, reduced to what decides how to go on.
package struct DownloadAnswer: Equatable, Sendable {
  package enum Tag: Equatable, Sendable {
    case missing
    /// It may be the same for files that differ, so it proves nothing.
    case weak
    case strong(String)
  }

  package enum Coding: Equatable, Sendable {
    /// The bytes are the file's.
    case plain
    /// A content coding or several ranges in one body: the bytes are not the file's.
    case foreign
  }

  package var status: Int
  package var contentRange: ContentRange
  package var tag: Tag
  package var coding: Coding
  package var contentLength: Int64?

  package init(
    status: Int, contentRange: ContentRange = .missing, tag: Tag = .missing, coding: Coding = .plain,
    contentLength: Int64? = nil
  ) {
    self.status = status
    self.contentRange = contentRange
    self.tag = tag
    self.coding = coding
    self.contentLength = contentLength
  }
}

extension DownloadAnswer {
  package init(status: Int, headers: HTTPHeaders) {
    self.init(status: status)
    contentRange = ContentRange(headers["Content-Range"])
    tag = Tag(headers.first(name: "ETag"))
    contentLength = headers.first(name: "Content-Length").flatMap { byteCount($0) }
    let codings = headers[canonicalForm: "Content-Encoding"].map { $0.lowercased() }
    let isMultipart = headers.first(name: "Content-Type")?.lowercased().hasPrefix("multipart/") ?? false
    if isMultipart || codings.contains(where: { $0 != "identity" && $0 != "" }) { coding = .foreign }
    // A proxy that rewrites one header and not the other: neither says what the body is.
    if case .bytes(let first, let last, _) = contentRange, let contentLength, contentLength != last - first + 1 {
      contentRange = .broken
    }
  }
}

extension DownloadAnswer.Tag {
  /// Reads `ETag`; what has not the form of RFC 9110 §8.8.3 proves as little as a weak one.
  package init(_ field: String?) {
    guard let field else {
      self = .missing
      return
    }
    let bytes = Array(field.utf8)
    let isQuoted = bytes.count >= 2 && bytes.first == 0x22 && bytes.last == 0x22
    let isClean = bytes.dropFirst().dropLast().allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }
    self = isQuoted && isClean ? .strong(field) : .weak
  }

  /// The tag if it is strong.
  var strong: String? {
    if case .strong(let tag) = self { tag } else { nil }
  }
}
