import HTTPTypes
import Hummingbird

extension Request {
  /// Whether the client says, in `If-None-Match`, that it has the version of this strong tag (RFC 9110, 13.1.2).
  func hasVersion(_ etag: String) -> Bool {
    guard let header = headers[.ifNoneMatch] else { return false }
    // These tags contain no comma, so commas separate the list.
    return header.split(separator: ",").contains { item in
      let tag = item.trimmingPrefix { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
      // Weak comparison.
      return tag == "*" || tag == etag || tag == "W/\(etag)"
    }
  }
}
