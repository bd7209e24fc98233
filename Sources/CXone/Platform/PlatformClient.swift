package import AsyncHTTPClient
import HTTPTransport
import Logging
import Model
import NIOCore
import NIOHTTP1

/// Sends all requests of a source: each one takes a permit from the budget, carries the current token, and is timed and
/// counted; failures are mapped to `TapedeckError`.
final class PlatformClient: Sendable {
  let settings: SourceSettings
  let system: SystemServices
  let logger: Logger
  let budget: RequestBudget
  private let call: PlatformCall
  private let tokens: TokenStore

  init(
    settings: SourceSettings, client: any HTTPSender, allowance: any AllowanceStore, system: SystemServices,
    logger: Logger
  ) {
    let budget = RequestBudget(source: settings.id, store: allowance, system: system)
    self.settings = settings
    self.system = system
    self.logger = logger
    self.budget = budget
    // The token call is made without the token store.
    let call = PlatformCall(settings: settings, http: client, system: system, budgets: RequestBudgets(budget))
    self.call = call
    tokens = TokenStore(now: system.now) { () async throws(TapedeckError) in try await call.fetchToken() }
  }

  /// The result of a request that used a token.
  enum Attempt<Output: Sendable>: Sendable {
    case output(Output)
    /// The platform answered 401.
    case unauthorized(PlatformAnswer)
  }

  /// Sends a request with a token. After a 401 the token is dropped and the request repeated once with a new one.
  func authorized<Output>(
    _ endpoint: Endpoint, _ send: (AccessToken) async throws(TapedeckError) -> Attempt<Output>
  ) async throws(TapedeckError) -> Output {
    var refusal: PlatformAnswer?
    for attempt in 0..<2 {
      // When a token expires, all requests in flight are repeated once, which does not indicate trouble.
      if attempt > 0 { budget.countRetry() }
      let token = try await tokens.token()
      switch try await send(token) {
      case .output(let output): return output
      case .unauthorized(let answer):
        tokens.drop(token)
        refusal = answer
        logger.debug("the platform refused a token", metadata: ["endpoint": "\(endpoint.rawValue)"])
      }
    }
    throw refusal?.failure(of: endpoint, scopes: nil, now: system.now()) ?? TapedeckError(.platformProtocol)
  }

  /// The maximum number of redirects that one request follows.
  static let maxRedirects = 3

  /// Sends a GET request below the base URL and returns the successful response. Redirects are followed within the
  /// origin of the base URL only, because they carry the token.
  ///
  /// - Throws: what every call of `RecordingSource` throws.
  func get(_ endpoint: Endpoint, path: String) async throws(TapedeckError) -> PlatformAnswer {
    try await authorized(endpoint) { token throws(TapedeckError) in
      var address = self.settings.baseURL + path
      var answer: PlatformAnswer
      var redirects = 0
      repeat {
        var request = self.request(url: address)
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "Accept-Encoding", value: "identity")
        request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
        answer = try await self.call.answer(to: request, endpoint: endpoint)
        guard answer.isRedirect, redirects < Self.maxRedirects,
          let target = answer.redirectTarget(relativeTo: address), target.origin == self.settings.origin
        else { break }
        address = target.text
        redirects += 1
      } while true
      if answer.status == 401 { return .unauthorized(answer) }
      if let failure = answer.failure(of: endpoint, scopes: token.scopes, now: self.system.now()) { throw failure }
      return .output(answer)
    }
  }

  /// The current token; fetched if there is none.
  func token() async throws(TapedeckError) -> AccessToken { try await tokens.token() }

  /// Takes a permit from the budget.
  func takeTurn(_ endpoint: Endpoint) async throws(TapedeckError) { try await budget.take(endpoint.requestClass) }

  /// Sends a request and returns when the response headers arrive; the caller has taken a permit and limits the time.
  func open(_ request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> HTTPClientResponse {
    try await call.open(request, endpoint: endpoint)
  }

  /// Reads the rest of a response that is not audio.
  func collect(_ response: HTTPClientResponse) async throws(TapedeckError) -> PlatformAnswer {
    try await PlatformCall.collect(response)
  }

  func request(url: String) -> HTTPClientRequest { call.request(url: url) }
}

extension HTTPClient.Configuration {
  /// The required configuration of the program's HTTP client.
  ///
  /// - HTTP/1.1 only: HTTP/2 took 40 times as long for large bodies and four times the memory.
  /// - No redirects: a token must not be sent to another host; the one redirect of a download is followed explicitly.
  /// - No read timeout: it would also run while Tapedeck does not read; `SourceSettings` has the limits.
  /// - More connections per host than requests in flight, so that a call never waits behind downloads: three sources on
  ///   one host can run 256 downloads each, the maximum that the settings allow.
  package static var platform: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: Timeout(connect: .seconds(10)), decompression: .disabled)
    configuration.httpVersion = .http1Only
    configuration.connectionPool = ConnectionPool(
      idleTimeout: .seconds(30), concurrentHTTP1ConnectionsPerHostSoftLimit: 1024)
    // A connection that fails is reported at once with its cause, not as a timeout; the job retries.
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }
}
