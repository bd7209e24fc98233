import Foundation
import Model

/// An address that requests may be sent to: https, or http on loopback; no user name, no fragment.
struct PlatformAddress: Equatable {
  /// The whole address; a base URL has no slash at its end.
  let text: String
  /// In lower case.
  let host: String

  /// Reads a base URL, which has no query either.
  init?(base: String) {
    guard var components = URLComponents(string: base), components.query == nil else { return nil }
    while components.path.hasSuffix("/") { components.path.removeLast() }
    self.init(components)
  }

  /// Reads where a redirect from `origin` points to: an address or a path.
  init?(location: String, relativeTo origin: String) {
    guard let url = URL(string: location, relativeTo: URL(string: origin)),
      let components = URLComponents(url: url, resolvingAgainstBaseURL: true)
    else { return nil }
    self.init(components)
  }

  private init?(_ components: URLComponents) {
    guard let host = components.host?.lowercased(), !host.isEmpty, components.user == nil, components.password == nil,
      components.fragment == nil, let text = components.string, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
    switch components.scheme?.lowercased() {
    case "https": break
    case "http" where isLoopback(host: bare): break
    default: return nil
    }
    self.host = bare
    self.text = text
  }

  /// Whether the host is one of these; `*.example.com` stands for every host below `example.com`.
  func isAllowed(by patterns: [String]) -> Bool {
    patterns.contains { $0.hasPrefix("*.") ? host.hasSuffix($0.dropFirst()) : host == $0 }
  }
}

/// Text as a value in a query or a form: every byte that is not unreserved (RFC 3986) percent-encoded.
func percentEncoded(_ text: String) -> String {
  text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
}

private let unreserved = CharacterSet(
  charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
