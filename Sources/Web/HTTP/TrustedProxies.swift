import Glibc
import HTTPTypes
import Hummingbird
package import Model

/// The proxies whose `X-Forwarded-For` is trusted.
package struct TrustedProxies: Sendable {
  private var networks: [Network] = []

  private struct Network {
    var bytes: [UInt8]
    var prefix: Int
  }

  /// None: the peer of the connection is the client.
  package static let none = TrustedProxies()

  private init() {}

  package var isEmpty: Bool { networks.isEmpty }

  /// - Parameter list: addresses and networks such as `10.0.0.0/8, ::1`.
  /// - Throws: `configurationInvalid`.
  package init(_ list: String) throws(TapedeckError) {
    for item in list.split(whereSeparator: { $0 == "," || $0 == " " }) {
      let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      guard let bytes = addressBytes(String(parts[0])) else { throw Self.malformed }
      let prefix = parts.count == 2 ? Int(parts[1]) : bytes.count * 8
      guard let prefix, (0...bytes.count * 8).contains(prefix) else { throw Self.malformed }
      networks.append(Network(bytes: bytes, prefix: prefix))
    }
  }

  private static var malformed: TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "TAPEDECK_TRUSTED_PROXIES is malformed: list addresses or networks, such as '10.0.0.0/8, 127.0.0.1'.")
  }

  /// The address that a request comes from: behind a trusted proxy, the last address in `X-Forwarded-For` that is not a
  /// trusted proxy; otherwise the peer.
  func clientAddress(of request: Request, peer: String) -> String {
    guard contains(peer), let forwarded = request.headers[.forwardedFor] else { return peer }
    let hops = forwarded.split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }
    for hop in hops.reversed() {
      let address = String(hop.prefix { $0 != " " })
      guard addressBytes(address) != nil else { return peer }
      if !contains(address) { return address }
    }
    return peer
  }

  /// Whether an address is one of a trusted proxy.
  package func contains(_ address: String) -> Bool {
    guard !networks.isEmpty, let bytes = addressBytes(address) else { return false }
    return networks.contains { network in
      guard network.bytes.count == bytes.count else { return false }
      let whole = network.prefix / 8
      let rest = network.prefix % 8
      guard network.bytes[..<whole] == bytes[..<whole] else { return false }
      return rest == 0 || (network.bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0
    }
  }
}

private func addressBytes(_ text: String) -> [UInt8]? {
  var v4 = in_addr()
  if inet_pton(AF_INET, text, &v4) == 1 { return withUnsafeBytes(of: v4) { Array($0) } }
  var v6 = in6_addr()
  return inet_pton(AF_INET6, text, &v6) == 1 ? withUnsafeBytes(of: v6) { unmapped(Array($0)) } : nil
}

/// A socket for IPv4 and IPv6 reports an IPv4 client as `::ffff:10.0.0.1`.
private func unmapped(_ bytes: [UInt8]) -> [UInt8] {
  bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]) ? Array(bytes.dropFirst(12)) : bytes
}
