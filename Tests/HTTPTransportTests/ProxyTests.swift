import AsyncHTTPClient
import Foundation
import HTTPTransport
import Model
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct ProxyTests {
  @Test(arguments: [
    ("https://platform.example/api", "", true), ("https://platform.example/api", "*", false),
    ("https://platform.example/api", "platform.example", false), ("https://platform.example/api", "example", false),
    ("https://platform.example/api", ".example", false), ("https://platform.example/api", "*.example", false),
    ("https://platform.example/api", "PLATFORM.EXAMPLE", false), ("https://platform.example/api", "form.example", true),
    ("https://platform.example/api", "other.example, platform.example", false),
    ("https://platform.example/api", "platform.example:443", false),
    ("https://platform.example/api", "platform.example:8443", true),
    ("https://platform.example:8443/api", "platform.example:8443", false),
    ("https://10.1.2.3/", "10.0.0.0/8", false), ("https://10.1.2.3/", "11.0.0.0/8", true),
    ("https://10.1.2.3/", "10.1.2.3", false), ("https://[2001:db8::7]/", "2001:db8::/32", false),
    ("https://[2001:db8::7]/", "[2001:db8::7]", false), ("https://[2001:db8::7]/", "2001:db9::/32", true),
    ("https://[2001:db8::7]/", "[2001:db8::7]:443", false), ("https://[2001:db8::7]/", "[2001:db8::7]:8443", true),
    ("https://localhost/", "", false), ("https://127.0.0.1:9000/", "", false), ("https://[::1]/", "", false),
    ("http://platform.example/", "", false),
  ])
  func `NO_PROXY and loopback are not sent through the proxy`(url: String, exceptions: String, applies: Bool) throws {
    let environment = ["HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": exceptions]
    #expect((try ProxyRules(environment: environment).proxy(for: url) != nil) == applies)
    let lowercased = ["https_proxy": "http://proxy.example:3128", "no_proxy": exceptions]
    #expect((try ProxyRules(environment: lowercased).proxy(for: url) != nil) == applies)
  }

  @Test(arguments: [
    ("http://proxy.example:3128", "proxy.example", 3128), ("proxy.example:3128", "proxy.example", 3128),
    ("http://proxy.example", "proxy.example", 80), ("http://proxy.example:3128/", "proxy.example", 3128),
    ("http://user:p%40ss@proxy.example:3128", "proxy.example", 3128), ("http://[::1]:3128", "::1", 3128),
    ("socks5://proxy.example", "proxy.example", 1080), ("socks5h://proxy.example:1081", "proxy.example", 1081),
  ])
  func `the address of the proxy has several forms`(address: String, host: String, port: Int) throws {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
      let rules = try ProxyRules(environment: [name: address])
      let proxy = try #require(rules.proxy(for: "https://platform.example/api"))
      #expect(proxy.host == host && proxy.port == port)
      #expect((proxy.authorization != nil) == address.contains("user:"))
    }
  }

  @Test(arguments: [
    "https://proxy.example:443", "ftp://proxy.example", "http://", "http://proxy.example/path", "http://a b:3128",
    "socks5://user@proxy.example", "http://proxy.example:65536", "proxy.example:0",
    "socks5://proxy.example:99999999999999999999",
  ])
  func `an address that cannot be used is a configuration error`(address: String) {
    #expect(throws: TapedeckError.self) { _ = try ProxyRules(environment: ["HTTPS_PROXY": address]) }
  }

  @Test(arguments: [0, 65_536, 99_999]) func `a request to a port that cannot exist fails`(port: Int) async throws {
    let client = HTTPClient(eventLoopGroupProvider: .singleton)
    await #expect(throws: HTTPClientError.invalidURL) {
      _ = try await client.open(HTTPClientRequest(url: "http://127.0.0.1:\(port)/"), timeout: .seconds(60))
    }
    try await client.shutdown()
  }

  @Test(arguments: [[:], ["HTTPS_PROXY": ""], ["NO_PROXY": "*"]])
  func `without a proxy requests are sent directly`(environment: [String: String]) throws {
    let rules = try ProxyRules(environment: environment)
    #expect(rules.all.isEmpty && rules.proxy(for: "https://platform.example/") == nil)
  }

  @Test func `https and http can have different proxies`() throws {
    let rules = try ProxyRules(environment: [
      "HTTPS_PROXY": "http://one.example:3128", "http_proxy": "http://two.example:3128", "ALL_PROXY": "http://three",
    ])
    #expect(rules.proxy(for: "https://platform.example/")?.host == "one.example")
    #expect(rules.proxy(for: "http://10.1.2.3:8080/hook")?.host == "two.example")
    #expect(rules.proxy(for: "http://127.0.0.1:8080/hook") == nil)
    #expect(rules.all.count == 2)
    let one = try ProxyRules(environment: ["HTTP_PROXY": "http://two.example:3128"])
    #expect(one.proxy(for: "https://platform.example/") == nil)
  }

  /// The problem of a request to `https://platform.example`, whose certificate is that of the test server; nil when a
  /// response arrives.
  private func problem(through proxy: String, exceptions: String = "") async throws -> ConnectionProblem? {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).pem")
    try TLSServer.certificate.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.connectionPool.retryConnectionEstablishment = false
    var tls = TLSConfiguration.makeClientConfiguration()
    tls.certificateVerification = .noHostnameVerification
    configuration.tlsConfiguration = tls
    let environment = ["HTTPS_PROXY": proxy, "NO_PROXY": exceptions, "SSL_CERT_FILE": file.path]
    return try await OutboundClient.with(configuration, environment: environment) { client in
      do {
        let request = HTTPClientRequest(url: "https://platform.example/api")
        let response = try await client.send(repeating: { request })
        #expect(response.status == .ok)
        return nil
      } catch {
        return ConnectionProblem(error)
      }
    }
  }

  @Test func `a request reaches the server through the proxy`() async throws {
    try await TLSServer.run { server in
      try await ConnectProxy.run(to: server.port) { proxy in
        let found1 = try await problem(through: "http://\(proxy.address)")
        #expect(found1 == nil)
        #expect(proxy.targets.withLock { $0 } == ["CONNECT platform.example:443"])
      }
    }
  }

  @Test func `a proxy with a password gets it, and a wrong one is a problem of the proxy`() async throws {
    try await TLSServer.run { server in
      let basic = "Basic " + Data("user:p@ss".utf8).base64EncodedString()
      try await ConnectProxy.run(to: server.port, authorization: basic) { proxy in
        let address = proxy.address
        let found2 = try await problem(through: "http://user:p%40ss@\(address)")
        #expect(found2 == nil)
        let found3 = try await problem(through: "http://user:wrong@\(address)")
        #expect(found3 == .proxy)
        let found4 = try await problem(through: "http://\(address)")
        #expect(found4 == .proxy)
      }
    }
  }

  @Test func `a proxy that cannot be reached or cannot reach the server is named`() async throws {
    // No server listens there, and no other test takes the port.
    let port = 1
    let found5 = try await problem(through: "http://127.0.0.1:\(port)")
    #expect(found5 == .proxy)
    let found6 = try await problem(through: "http://proxy.invalid:3128")
    #expect(found6 == .proxy)
    try await ConnectProxy.run(to: port) { proxy in
      let found7 = try await problem(through: "http://\(proxy.address)")
      #expect(found7 == .proxy)
    }
    #expect(ConnectionProblem.proxy.message(about: "the platform").contains("HTTPS_PROXY"))
  }

  @Test func `an exception is reached without the proxy`() async throws {
    try await ConnectProxy.run(to: 1) { proxy in
      let address = "http://\(proxy.address)"
      // The name does not exist, so the direct connection fails.
      let found = try await problem(through: address, exceptions: ".example")
      #expect(found == .unknownHost)
      #expect(proxy.targets.withLock { $0 }.isEmpty)
    }
  }
}
