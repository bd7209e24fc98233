import HTTPTypes
import Hummingbird
package import Model

/// The proxies whose `X-Forwarded-For` is trusted.
package struct TrustedProxies: Sendable {
  private var networks: [IPNetwork] = []

  /// None: the peer of the connection is the client.
  package static let none = TrustedProxies()

  private init() {}

  package var isEmpty: Bool { networks.isEmpty }

  /// - Parameter list: addresses and networks such as `10.0.0.0/8, ::1`.
  /// - Throws: `configurationInvalid`.
  package init(_ list: String) throws(TapedeckError) {
    for item in list.split(whereSeparator: { $0 == "," || $0 == " " }) {
      guard let network = IPNetwork(item) else { throw Self.malformed }
      networks.append(network)
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
      guard IPNetwork.isAddress(address) else { return peer }
      if !contains(address) { return IPNetwork.plain(address) }
    }
    return peer
  }

  /// Whether an address is one of a trusted proxy.
  package func contains(_ address: String) -> Bool { networks.contains { $0.contains(address) } }
}
