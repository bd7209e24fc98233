package import Model
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
    /// A content or transfer coding, or several ranges in one body: the bytes are not the file's.
    case foreign
  }

  package var status: Int
  package var contentRange: ContentRange
  package var tag: Tag
  package var mark: VersionMark
  package var coding: Coding
  package var contentLength: Int64?
  /// Whether only the connection's end tells where the body ends, so that a whole one and a cut one look alike.
  package var endsWithConnection: Bool

  package init(
    status: Int, contentRange: ContentRange = .missing, tag: Tag = .missing, mark: VersionMark = VersionMark(),
    coding: Coding = .plain, contentLength: Int64? = nil, endsWithConnection: Bool = false
  ) {
    self.status = status
    self.contentRange = contentRange
    self.tag = tag
    self.mark = mark
    self.coding = coding
    self.contentLength = contentLength
    self.endsWithConnection = endsWithConnection
  }
}

extension DownloadAnswer {
  package init(status: Int, headers: HTTPHeaders) {
    self.init(status: status)
    contentRange = ContentRange(headers["Content-Range"])
    tag = Tag(headers["ETag"])
    mark = VersionMark(tag: Tag.opaque(headers["ETag"]), modified: agreed(headers["Last-Modified"]))
    contentLength = headers.first(name: "Content-Length").flatMap { byteCount($0) }
    let transfer = headers[canonicalForm: "Transfer-Encoding"].map { $0.lowercased() }
    endsWithConnection = contentLength == nil && transfer.last != "chunked"
    // Chunks are taken apart before the bytes come here; nothing else is.
    let codings =
      headers[canonicalForm: "Content-Encoding"].map { $0.lowercased() } + transfer.filter { $0 != "chunked" }
    let isMultipart = headers.first(name: "Content-Type")?.lowercased().hasPrefix("multipart/") ?? false
    if isMultipart || codings.contains(where: { $0 != "identity" && $0 != "" }) { coding = .foreign }
    // A proxy that rewrites one header and not the other: neither says what the body is.
    if case .bytes(let first, let last, _) = contentRange, let contentLength, contentLength != last - first + 1 {
      contentRange = .broken
    }
  }
}

extension DownloadAnswer {
  /// Whether a whole body that ended without an error is known to be all of the file.
  ///
  /// Its framing must say where it ends, and no header may say something else.
  package var provesItsEnd: Bool {
    switch contentRange {
    case .missing, .bytes: !endsWithConnection
    case .unsatisfied(let total): contentLength == total
    case .broken: false
    }
  }
}

extension DownloadAnswer.Tag {
  /// Reads every field `ETag`. What has not the form of RFC 9110 §8.8.3 proves as little as a weak one; so do an empty
  /// tag, which names no version, and several that differ.
  package init(_ fields: [String]) {
    guard let field = fields.first else {
      self = .missing
      return
    }
    let bytes = Array(field.utf8)
    let isQuoted = bytes.count > 2 && bytes.first == 0x22 && bytes.last == 0x22
    let isClean = bytes.dropFirst().dropLast().allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }
    self = isQuoted && isClean && agreed(fields) != nil ? .strong(field) : .weak
  }

  /// The tag without the sign of a weak one, for comparison; nil where fields contradict each other.
  static func opaque(_ fields: [String]) -> String? {
    agreed(fields).map { $0.hasPrefix("W/") ? String($0.dropFirst(2)) : $0 }
  }

  /// The tag if it is strong.
  var strong: String? {
    if case .strong(let tag) = self { tag } else { nil }
  }
}

/// The one value of a header; nil without one, and when several contradict each other.
private func agreed(_ fields: [String]) -> String? {
  fields.first.flatMap { first in fields.allSatisfy { $0 == first } ? first : nil }
}
