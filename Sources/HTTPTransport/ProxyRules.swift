package import AsyncHTTPClient
import Foundation
package import Model

/// Which requests go through which proxy of the environment. Loopback is always reached directly.
package struct ProxyRules: Sendable {
  package typealias Proxy = HTTPClient.Configuration.Proxy

  /// By the scheme of the request.
  private var proxies: [String: Proxy] = [:]
  private var exceptions: [Exception] = []

  private enum Exception {
    case all
    case network(IPNetwork)
    /// A host and all hosts below it; the port is nil for every port.
    case domain(String, port: Int?)
  }

  /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` for both, and `NO_PROXY`, each also in lower case.
  ///
  /// - Throws: `configurationInvalid` when the address of a proxy cannot be used.
  package init(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(TapedeckError) {
    func value(_ name: String) -> String? {
      [name.lowercased(), name].lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    for scheme in ["https", "http"] {
      let names = ["\(scheme.uppercased())_PROXY", "ALL_PROXY"]
      guard let name = names.first(where: { value($0) != nil }), let address = value(name) else { continue }
      guard let proxy = Self.proxy(address) else {
        throw TapedeckError(
          .configurationInvalid,
          "\(name) must be the address of an HTTP proxy, such as http://proxy.example.com:3128, or of a SOCKS proxy, such as socks5://proxy.example.com:1080."
        )
      }
      proxies[scheme] = proxy
    }
    exceptions = (value("NO_PROXY") ?? "").split(whereSeparator: { $0 == "," || $0 == " " }).map(Self.exception)
  }

  /// The proxies that requests may need.
  package var all: Set<Proxy> { Set(proxies.values) }

  /// The proxy for a request to this URL; nil for a direct connection.
  package func proxy(for url: String) -> Proxy? {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      let proxy = proxies[scheme], let host = parts.host.flatMap(hostName), !isLoopback(host: host)
    else { return nil }
    let isException = exceptions.contains { exception in
      switch exception {
      case .all: true
      case .network(let network): network.contains(host)
      case .domain(let domain, let port):
        (host == domain || host.hasSuffix(".\(domain)"))
          && (port == nil || port == parts.port ?? (scheme == "https" ? 443 : 80))
      }
    }
    return isException ? nil : proxy
  }

  private static func proxy(_ address: String) -> Proxy? {
    let url = address.contains("://") ? address : "http://\(address)"
    guard let parts = URLComponents(string: url), let host = parts.host.flatMap(hostName), parts.query == nil,
      ["", "/"].contains(parts.path), parts.hasUsablePort
    else { return nil }
    switch parts.scheme?.lowercased() {
    case "http":
      let authorization = parts.user.map {
        HTTPClient.Authorization.basic(username: $0, password: parts.password ?? "")
      }
      return .server(host: host, port: parts.port ?? 80, authorization: authorization)
    case "socks5", "socks5h", "socks":
      return parts.user == nil ? .socksServer(host: host, port: parts.port ?? 1080) : nil
    default: return nil
    }
  }

  private static func exception(_ text: Substring) -> Exception {
    if text == "*" { return .all }
    if !text.contains("]:"), let network = IPNetwork(text.filter { !"[]".contains($0) }) { return .network(network) }
    var (domain, port) = (text.lowercased(), Int?.none)
    if let colon = domain.lastIndex(of: ":"), let number = Int(domain[domain.index(after: colon)...]) {
      (domain, port) = (String(domain[..<colon]), number)
    }
    return .domain(domain.drop { $0 == "*" || $0 == "." }.filter { !"[]".contains($0) }, port: port)
  }
}
