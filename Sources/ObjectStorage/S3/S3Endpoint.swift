import Foundation
import Model

/// The server of an object store.
struct S3Endpoint: Sendable, Equatable {
  let scheme: String
  /// The host, and the port unless it is the scheme's own: what `Host` says.
  let authority: String

  /// Amazon's own in a region.
  init(region: String) {
    scheme = "https"
    authority = "s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
  }

  /// Reads `https://host:port`; http where the host is loopback or `allowsPlain`. Nil for anything else.
  init?(_ text: String, allowsPlain: Bool) {
    guard let parts = URLComponents(string: text, encodingInvalidCharacters: false),
      let scheme = parts.scheme?.lowercased(), let host = parts.host?.lowercased(),
      parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
      parts.path.isEmpty || parts.path == "/"
    else { return nil }
    let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    guard !bare.isEmpty, bare.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    switch scheme {
    case "https": break
    case "http" where allowsPlain || isLoopback(host: bare): break
    default: return nil
    }
    self.scheme = scheme
    let name = bare.contains(":") ? "[\(bare)]" : bare
    switch parts.port {
    case nil, scheme == "https" ? 443 : 80: authority = name
    case .some(let port) where (1...65_535).contains(port): authority = "\(name):\(port)"
    default: return nil
    }
  }
}
