package import Model
package import NIOHTTP1

/// The status and headers of a download response, reduced to what determines how the download continues.
package struct DownloadAnswer: Equatable, Sendable {
  package enum Tag: Equatable, Sendable {
    case missing
    /// Can be equal for different files, so it proves nothing.
    case weak
    case strong(String)
  }

  package enum Coding: Equatable, Sendable {
    /// The bytes are those of the file.
    case plain
    /// A content or transfer coding, or several ranges in one body: the bytes are not those of the file.
    case foreign
  }

  package var status: Int
  package var contentRange: ContentRange
  package var tag: Tag
  package var validators: WeakValidators
  package var coding: Coding
  /// A value of `Content-Encoding` that is not a content coding, so that the bytes are not encoded.
  package var ignoredCoding: String?
  package var contentLength: Int64?
  /// Whether the body ends with the connection only, so that a complete and a truncated one look the same.
  package var endsWithConnection: Bool

  package init(
    status: Int, contentRange: ContentRange = .missing, tag: Tag = .missing,
    validators: WeakValidators = WeakValidators(),
    coding: Coding = .plain, contentLength: Int64? = nil, endsWithConnection: Bool = false
  ) {
    self.status = status
    self.contentRange = contentRange
    self.tag = tag
    self.validators = validators
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
    validators = WeakValidators(tag: Tag.opaque(headers["ETag"]), modified: agreed(headers["Last-Modified"]))
    contentLength = headers.first(name: "Content-Length").flatMap { byteCount($0) }
    let transfer = headers[canonicalForm: "Transfer-Encoding"].map { $0.lowercased() }
    endsWithConnection = contentLength == nil && transfer.last != "chunked"
    // The client has decoded the chunks, but no other coding.
    let content = headers[canonicalForm: "Content-Encoding"].map { $0.lowercased() }.filter { !$0.isEmpty }
    ignoredCoding = content.first { !ContentCoding.isKnown($0) && $0 != "identity" }
    let codings = content.filter { ContentCoding.isKnown($0) } + transfer.filter { $0 != "chunked" }
    let isMultipart = headers.first(name: "Content-Type")?.lowercased().hasPrefix("multipart/") ?? false
    if isMultipart || codings.contains(where: { $0 != "identity" && $0 != "" }) { coding = .foreign }
    // Some proxies rewrite one of the two headers; neither can be trusted then.
    if case .bytes(let first, let last, _) = contentRange, let contentLength, contentLength != last - first + 1 {
      contentRange = .broken
    }
  }
}

extension DownloadAnswer {
  /// Whether a body that ended without an error is known to be the complete file.
  ///
  /// Its framing must say where it ends, and no header may contradict it.
  package var provesItsEnd: Bool {
    switch contentRange {
    case .missing, .bytes: !endsWithConnection
    case .unsatisfied(let total): contentLength == total
    case .broken: false
    }
  }
}

extension DownloadAnswer.Tag {
  /// Reads all `ETag` fields. A tag that violates RFC 9110 §8.8.3 counts as weak; so do an empty tag, which identifies
  /// no version, and several different ones.
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

  /// The tag without the prefix of a weak one, for comparison; nil when fields contradict each other.
  static func opaque(_ fields: [String]) -> String? {
    agreed(fields).map { $0.hasPrefix("W/") ? String($0.dropFirst(2)) : $0 }
  }

  /// The tag if it is strong.
  var strong: String? {
    if case .strong(let tag) = self { tag } else { nil }
  }
}

/// The value of a header; nil when it is absent or several fields differ.
private func agreed(_ fields: [String]) -> String? {
  fields.first.flatMap { first in fields.allSatisfy { $0 == first } ? first : nil }
}
