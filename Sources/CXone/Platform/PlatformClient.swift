package import AsyncHTTPClient
import Logging
import Metrics
import Model
import NIOCore
import NIOHTTP1

/// Sends all requests of a source: each one takes a permit from the budget, carries the current token, and is timed and
/// counted; failures are mapped to `TapedeckError`.
final class PlatformClient: Sendable {
  /// A longer body cannot be a valid response.
  private static let maxBodyBytes = 8 << 20
  /// The rest of a longer error page is not transferred.
  private static let maxErrorBodyBytes = 64 << 10

  let settings: SourceSettings
  let system: SystemServices
  let logger: Logger
  private let http: HTTPClient
  let budget: RequestBudget
  private let tokens: TokenStore

  init(
    settings: SourceSettings, client: HTTPClient, allowance: any AllowanceStore, system: SystemServices,
    logger: Logger
  ) {
    let budget = RequestBudget(source: settings.id, store: allowance, system: system)
    self.settings = settings
    self.system = system
    self.logger = logger
    self.http = client
    self.budget = budget
    // The token call is made without the token store.
    let call = Call(settings: settings, http: client, system: system, budget: budget)
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

  /// Sends a GET request below the base URL and returns the successful response.
  ///
  /// - Throws: what every call of `RecordingSource` throws.
  func get(_ endpoint: Endpoint, path: String) async throws(TapedeckError) -> PlatformAnswer {
    try await authorized(endpoint) { token throws(TapedeckError) in
      var request = self.request(path: path)
      request.headers.add(name: "Accept", value: "application/json")
      request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
      let answer = try await self.call.answer(to: request, endpoint: endpoint)
      if answer.status == 401 { return .unauthorized(answer) }
      if let failure = answer.failure(of: endpoint, scopes: token.scopes, now: self.system.now()) {
        throw failure
      }
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
    try await Call.collect(response)
  }

  func request(path: String) -> HTTPClientRequest { call.request(path: path) }

  private var call: Call { Call(settings: settings, http: http, system: system, budget: budget) }
}

extension PlatformClient {
  /// Single exchanges without token handling.
  fileprivate struct Call: Sendable {
    let settings: SourceSettings
    let http: HTTPClient
    let system: SystemServices
    let budget: RequestBudget

    func request(path: String) -> HTTPClientRequest {
      var request = HTTPClientRequest(url: settings.baseURL + path)
      request.headers.add(name: "User-Agent", value: settings.userAgent)
      return request
    }

    /// Takes a permit, sends the request and reads the complete response within the call timeout.
    func answer(to request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> PlatformAnswer {
      try await budget.take(endpoint.requestClass)
      let (result, wasLimited) = await limited {
        await Result(running: { () async throws(TapedeckError) in
          try await Self.collect(try await open(request, endpoint: endpoint))
        })
      } by: {
        try await system.sleep(settings.callTimeout)
      }
      if wasLimited, case .failure(let failure) = result {
        await budget.report(.failed)
        throw TransportFailure.timeout(cause: failure)
      }
      return try result.get()
    }

    func open(_ request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> HTTPClientResponse {
      let started = system.now()
      func count(_ status: String) {
        let source = ("source", settings.id.rawValue)
        let name = ("endpoint", endpoint.rawValue)
        Counter(label: "tapedeck_platform_requests_total", dimensions: [source, name, ("status", status)]).increment()
        Metrics.Timer(label: "tapedeck_platform_request_seconds", dimensions: [source, name])
          .record(duration: max(.zero, system.now() - started))
      }
      let response: HTTPClientResponse
      do {
        // Callers limit the time; the client requires a deadline for the headers.
        response = try await http.execute(request, timeout: .hours(24))
      } catch {
        count("none")
        // A cancelled request says nothing about the platform. A timeout also cancels it, and is reported by the code
        // that limits the time.
        if !Task.isCancelled { await budget.report(.failed) }
        throw TransportFailure.beforeAnswer(error)
      }
      count("\(response.status.code)")
      await budget.report(outcome(of: response))
      return response
    }

    private func outcome(of response: HTTPClientResponse) -> RequestBudget.Outcome {
      let status = Int(response.status.code)
      let head = PlatformAnswer(status: status, headers: response.headers, body: ByteBuffer())
      let retryAfter = head.retryAfter(now: system.now())
      return switch (status, retryAfter) {
      case (429, _): .refused(retryAfter: retryAfter)
      case (503, let retryAfter?): .unavailable(retryAfter: retryAfter)
      case (408, _), (500..., _): .failed
      default: .accepted
      }
    }

    static func collect(_ response: HTTPClientResponse) async throws(TapedeckError) -> PlatformAnswer {
      let isSuccess = (200..<300).contains(response.status.code)
      var answer = PlatformAnswer(status: Int(response.status.code), headers: response.headers, body: ByteBuffer())
      do {
        answer.body = try await response.body.collect(upTo: isSuccess ? maxBodyBytes : maxErrorBodyBytes)
      } catch let error as NIOTooManyBytesError where isSuccess {
        throw TapedeckError(.platformProtocol, "The platform's response is too long.", cause: error)
      } catch {
        // The status of an error page is sufficient.
        guard !isSuccess, !Task.isCancelled else { throw TransportFailure.beforeAnswer(error) }
      }
      return answer
    }

    /// `POST {base}/oauth2/token`.
    ///
    /// - Throws: `platformCredentialsRefused`, `platformRateLimited`, `platformUnavailable`, `platformProtocol`, `interrupted`.
    func fetchToken() async throws(TapedeckError) -> AccessToken {
      var request = request(path: "/oauth2/token")
      request.method = .POST
      request.headers.add(name: "Accept", value: "application/json")
      request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
      // RFC 6749 §2.3.1: both are form-encoded first, because a colon in the id would end it.
      request.setBasicAuth(
        username: percentEncoded(settings.clientID), password: percentEncoded(settings.clientSecret))
      request.body = .bytes(ByteBuffer(string: "grant_type=client_credentials"))
      let answer = try await answer(to: request, endpoint: .token)
      let now = system.now()
      if let failure = answer.failure(of: .token, scopes: nil, now: now) { throw failure }
      return try AccessToken(response: answer.body, now: now)
    }
  }
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
    return configuration
  }
}
