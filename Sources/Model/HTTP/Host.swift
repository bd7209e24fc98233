package import Foundation

/// A host of a URL in lower case without the brackets of an IPv6 address; nil for an empty one or one with characters
/// other than printable ASCII.
package func hostName(_ host: String) -> String? {
  let host = host.lowercased()
  let name = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  return !name.isEmpty && name.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? name : nil
}

/// Whether a host name means this machine by definition (RFC 6761, RFC 1122, RFC 4291); an IPv6 address has no
/// brackets.
package func isLoopback(host: String) -> Bool {
  let parts = host.split(separator: ".", omittingEmptySubsequences: false)
  let isV4 = parts.count == 4 && parts.first == "127" && parts.allSatisfy { UInt8($0) != nil }
  // Names below `localhost` are loopback too (RFC 6761).
  return isV4 || host == "localhost" || host.hasSuffix(".localhost") || host == "::1"
}

extension URLComponents {
  /// Whether there is no port, or one from 1 to 65535. The HTTP client traps on any other number.
  package var hasUsablePort: Bool {
    rangeOfPort == nil || port.map { (1...65_535).contains($0) } ?? false
  }
}
