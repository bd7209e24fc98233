package import AsyncHTTPClient
import Foundation
import Model
package import NIOCore

/// What sends HTTP requests: a client, or one that chooses between a direct connection and a proxy.
package protocol HTTPSender: Sendable {
  /// Sends a request and returns when the response headers arrive, at the latest after this time.
  func open(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse
}

extension HTTPClient: HTTPSender {
  package func open(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse {
    // Every address is checked where it is read; this protects the process from one that was not.
    guard URLComponents(string: request.url)?.hasUsablePort == true else { throw HTTPClientError.invalidURL }
    return try await execute(request, timeout: timeout)
  }
}

/// How often a closed connection is replaced: the second one may also have been idle.
private let maxReplacements = 2

extension HTTPSender {
  /// Sends a request, and returns when the response headers arrive.
  ///
  /// A server may close a kept-alive connection at the moment it is used again. The request is then sent at once over
  /// another connection, which counts neither as an attempt nor as a retry. The caller limits the time.
  ///
  /// - Parameter isRepeatable: whether the request may be sent again.
  package func send(
    repeating request: () -> HTTPClientRequest, isRepeatable: Bool = true
  ) async throws -> HTTPClientResponse {
    var replacements = 0
    while true {
      do {
        // The client requires a deadline for the headers.
        return try await open(request(), timeout: .hours(24))
      } catch {
        guard isRepeatable, replacements < maxReplacements, !Task.isCancelled,
          ConnectionProblem.wasClosedUnanswered(error)
        else { throw error }
        replacements += 1
      }
    }
  }
}

/// The client of a process: follows the settings of the environment for certificates and proxies.
package struct OutboundClient: HTTPSender {
  private let direct: HTTPClient
  private let rules: ProxyRules
  private var proxied: [ProxyRules.Proxy: HTTPClient] = [:]

  private init(direct: HTTPClient, rules: ProxyRules) {
    self.direct = direct
    self.rules = rules
  }

  /// Creates a client for the duration of `body`.
  ///
  /// - Throws: `configurationInvalid` for settings of the environment that cannot be used; what `body` throws.
  package static func with<T: Sendable>(
    _ configuration: HTTPClient.Configuration,
    environment: [String: String] = ProcessInfo.processInfo.environment,
    _ body: (OutboundClient) async throws -> T
  ) async throws -> T {
    let configuration = try configuration.adapted(to: environment)
    let rules = try ProxyRules(environment: environment)
    return try await HTTPClient.withHTTPClient(configuration: configuration) { direct in
      try await OutboundClient(direct: direct, rules: rules).adding(Array(rules.all), configuration, body)
    }
  }

  private func adding<T: Sendable>(
    _ proxies: [ProxyRules.Proxy], _ configuration: HTTPClient.Configuration,
    _ body: (OutboundClient) async throws -> T
  ) async throws -> T {
    guard let proxy = proxies.first else { return try await body(self) }
    var configuration = configuration
    configuration.proxy = proxy
    return try await HTTPClient.withHTTPClient(configuration: configuration) { client in
      var more = self
      more.proxied[proxy] = client
      return try await more.adding(Array(proxies.dropFirst()), configuration, body)
    }
  }

  package func open(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse {
    guard let client = rules.proxy(for: request.url).flatMap({ proxied[$0] }) else {
      return try await direct.open(request, timeout: timeout)
    }
    do {
      return try await client.open(request, timeout: timeout)
    } catch {
      // The proxy looks up the name of the server and connects to it, so these failures are about the proxy.
      guard [.refused, .unknownHost, .proxy].contains(ConnectionProblem(error)) else { throw error }
      throw ProxyFailure(cause: error)
    }
  }
}

/// The proxy could not be reached, or refused the connection.
struct ProxyFailure: Error {
  var cause: any Error
}
