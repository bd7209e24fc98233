import Foundation
import Model

/// A URL that requests may be sent to: https, or http on loopback; without user name and fragment.
struct PlatformAddress: Equatable {
  /// The complete URL; a base URL has no trailing slash.
  let text: String
  /// In lower case, without brackets.
  let host: String
  /// Scheme, host and port.
  let origin: String

  /// Reads a base URL, which must have no query.
  init?(base: String) {
    guard var components = URLComponents(string: base), components.query == nil else { return nil }
    while components.path.hasSuffix("/") { components.path.removeLast() }
    self.init(components)
  }

  /// Reads the target of a redirect from `origin`: a URL or a path.
  init?(location: String, relativeTo origin: String) {
    guard let url = URL(string: location, relativeTo: URL(string: origin)),
      let components = URLComponents(url: url, resolvingAgainstBaseURL: true)
    else { return nil }
    self.init(components)
  }

  private init?(_ components: URLComponents) {
    guard let host = components.host.flatMap(hostName), components.user == nil, components.password == nil,
      components.fragment == nil, components.hasUsablePort, let text = components.string,
      text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    switch components.scheme?.lowercased() {
    case "https": break
    case "http" where isLoopback(host: host): break
    default: return nil
    }
    let scheme = components.scheme?.lowercased() ?? ""
    self.host = host
    self.text = text
    origin = "\(scheme)://\(host):\(components.port ?? (scheme == "https" ? 443 : 80))"
  }

  /// Whether a text is a host, or `*.` and a host of two or more parts.
  static func isPattern(_ text: String) -> Bool {
    let isWildcard = text.hasPrefix("*.")
    let host = isWildcard ? text.dropFirst(2) : text[...]
    // Only an IPv6 address has colons. It is compared without brackets.
    if host.contains(":") {
      return !isWildcard && host.count { $0 == ":" } >= 2 && host.allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    let isName = labels.allSatisfy { label in
      (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
        && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
    }
    return isName && (!isWildcard || labels.count >= 2)
  }

  /// Whether the host matches a pattern; `*.example.com` matches every host below `example.com`.
  func isAllowed(by patterns: [String]) -> Bool {
    patterns.contains { $0.hasPrefix("*.") ? host.hasSuffix($0.dropFirst()) : host == $0 }
  }
}
