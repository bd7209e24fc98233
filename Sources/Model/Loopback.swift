/// Whether a host name means this machine by definition (RFC 6761, RFC 1122, RFC 4291); an IPv6 address has no brackets.
package func isLoopback(host: String) -> Bool {
  let parts = host.split(separator: ".", omittingEmptySubsequences: false)
  let isV4 = parts.count == 4 && parts.first == "127" && parts.allSatisfy { UInt8($0) != nil }
  return isV4 || host == "localhost" || host == "::1"
}
