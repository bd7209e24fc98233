import HTTPTypes
import Model
import NIOCore

/// Lets nginx, or a proxy with the same header, send the files of a local object store: the response names the file in
/// `X-Accel-Redirect`.
///
/// Access is checked and logged first. Only requests that come from a trusted proxy get such a response.
package struct AccelRedirect: Sendable {
  private let location: String
  private let proxies: TrustedProxies

  /// - Parameter location: the path of the proxy's internal location of the objects, such as `/tapedeck-objects/`.
  package init(location: String, proxies: TrustedProxies) {
    self.location = location.hasSuffix("/") ? location : location + "/"
    self.proxies = proxies
  }

  /// The first segments of the addresses that a proxy passes on to Tapedeck.
  package static let reservedSegments: Set<String> = [
    "account", "accounts", "api", "assets", "audio", "audit", "coverage", "ingest", "livez", "login", "logout",
    "metrics", "platform", "play", "quarantine", "readyz",
  ]

  /// Whether a path can be that of a location: it is not below a path that Tapedeck serves, and its segments have
  /// letters, digits, `-`, `_` and `.`; none is empty or removed by the proxy.
  package static func isLocation(_ path: String) -> Bool {
    guard path.hasPrefix("/"), path.count > 1 else { return false }
    let inner = path.dropFirst().dropLast(path.hasSuffix("/") ? 1 : 0)
    let segments = inner.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let areNames = segments.allSatisfy { segment in
      !["", ".", ".."].contains(segment)
        && segment.utf8.allSatisfy { byte in
          (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || "-_.".utf8.contains(byte)
        }
    }
    return areNames && !reservedSegments.contains(segments.first ?? "")
  }

  /// The value of the header; nil when Tapedeck sends the file itself.
  func path(of object: ObjectName, for context: WebContext) -> String? {
    guard let peer = context.channel.remoteAddress?.ipAddress, proxies.contains(peer) else { return nil }
    return location + object.description
  }
}

extension HTTPField.Name {
  static let accelRedirect = HTTPField.Name("X-Accel-Redirect")!  // The name is a valid token.
}
