import HTTPTypes
import Hummingbird

extension Request {
  /// Whether the client says, in `If-None-Match`, that it has the version of this strong tag (RFC 9110, 13.1.2).
  func hasVersion(_ etag: String) -> Bool {
    guard let header = headers[.ifNoneMatch] else { return false }
    // Our tags hold no comma, so a list can be taken apart at its commas.
    return header.split(separator: ",").contains { item in
      let tag = item.trimmingPrefix { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
      // Weak comparison.
      return tag == "*" || tag == etag || tag == "W/\(etag)"
    }
  }
}
