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
    for hop in forwarded.split(separator: ",").reversed() {
      guard let address = Self.address(of: hop) else { return peer }
      if !contains(address) { return IPNetwork.plain(address) }
    }
    return peer
  }

  /// The address of a hop, which some proxies write with a port, brackets or quotes: `1.2.3.4:5678`,
  /// `"[2001:db8::1]:443"`.
  private static func address(of hop: Substring) -> String? {
    var text = hop.trimmingHTTPWhitespace
    if text.count > 1, text.first == "\"", text.last == "\"" { text = text.dropFirst().dropLast() }
    if text.first == "[", let end = text.firstIndex(of: "]") {
      guard isPort(text[text.index(after: end)...]) else { return nil }
      text = text[text.index(after: text.startIndex)..<end]
      guard text.contains(":") else { return nil }
    } else if let colon = text.firstIndex(of: ":"), isPort(text[colon...]) {
      text = text[..<colon]
    }
    let address = String(text)
    return IPNetwork.isAddress(address) ? address : nil
  }

  /// Whether text is nothing, or a colon and a port.
  private static func isPort(_ text: Substring) -> Bool {
    text.isEmpty || (text.first == ":" && text.dropFirst().isASCIIDigits && UInt16(text.dropFirst()) != nil)
  }

  /// Whether an address is one of a trusted proxy.
  package func contains(_ address: String) -> Bool { networks.contains { $0.contains(address) } }
}
