import Glibc

/// An IP address, or all addresses with the same beginning.
package struct IPNetwork: Sendable, Equatable {
  private var bytes: [UInt8]
  private var prefix: Int

  /// Reads an address such as `10.0.0.1` or `::1`, or a network such as `10.0.0.0/8`; nil for anything else.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let bytes = Self.bytes(of: String(parts[0])) else { return nil }
    let prefix = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
    guard let prefix, (0...bytes.count * 8).contains(prefix) else { return nil }
    self.bytes = bytes
    self.prefix = prefix
  }

  package static func isAddress(_ text: String) -> Bool { bytes(of: text) != nil }

  /// False for text that is not an address.
  package func contains(_ address: String) -> Bool {
    guard let other = Self.bytes(of: address), other.count == bytes.count else { return false }
    let (whole, rest) = (prefix / 8, prefix % 8)
    guard bytes[..<whole] == other[..<whole] else { return false }
    return rest == 0 || (bytes[whole] ^ other[whole]) >> (8 - rest) == 0
  }

  /// An address as text without the form `::ffff:10.0.0.1`; other text is returned as it is.
  package static func plain(_ address: String) -> String {
    guard address.contains(":"), let bytes = bytes(of: address), bytes.count == 4 else { return address }
    return bytes.map { String($0) }.joined(separator: ".")
  }

  /// The name of the client that has an address: for IPv6 the /64 network, because one client usually has all of its
  /// addresses. Other text is returned as it is.
  package static func client(of address: String) -> String {
    guard let bytes = bytes(of: address), bytes.count == 16 else { return plain(address) }
    return hex(bytes.prefix(8)) + "::/64"
  }

  private static func bytes(of text: String) -> [UInt8]? {
    var v4 = in_addr()
    if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
    var v6 = in6_addr()
    return inet_pton(AF_INET6, text, &v6) == 1 ? withUnsafeBytes(of: v6) { unmapped(Array($0)) } : nil
  }

  /// A socket for IPv4 and IPv6 reports an IPv4 client as `::ffff:10.0.0.1`.
  private static func unmapped(_ bytes: [UInt8]) -> [UInt8] {
    bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) ? Array(bytes.dropFirst(12)) : bytes
  }
}
