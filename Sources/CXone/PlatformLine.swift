import AsyncHTTPClient
import Logging
import Metrics
import Model
import NIOCore
import NIOHTTP1

/// The one way from a source to its tenant: every request takes its place in the budget, carries the current token,
/// is timed and counted, and fails in our words.
final class PlatformLine: Sendable {
  /// An answer with more bytes than this is none that we asked for.
  private static let longestBody = 8 << 20
  /// More of an error page is not worth the transfer.
  private static let longestErrorBody = 64 << 10

  let settings: SourceSettings
  let surroundings: Surroundings
  let logger: Logger
  private let client: HTTPClient
  let budget: RequestBudget
  private let tokens: TokenStore

  init(
    settings: SourceSettings, client: HTTPClient, allowance: any AllowanceStore, surroundings: Surroundings,
    logger: Logger
  ) {
    let budget = RequestBudget(source: settings.id, store: allowance, surroundings: surroundings)
    self.settings = settings
    self.surroundings = surroundings
    self.logger = logger
    self.client = client
    self.budget = budget
    // The line that the store fetches through has no store of its own: a token needs no token.
    let call = Call(settings: settings, client: client, surroundings: surroundings, budget: budget)
    tokens = TokenStore(now: surroundings.now) { () async throws(TapedeckError) in try await call.fetchToken() }
  }

  /// What an attempt to use a token led to.
  enum Attempt<Output: Sendable>: Sendable {
    case output(Output)
    /// The platform answered 401.
    case unauthorized(PlatformAnswer)
  }

  /// Sends something with a token. A 401 drops that token, fetches a new one and sends once more.
  func authorized<Output>(
    _ endpoint: Endpoint, _ send: (AccessToken) async throws(TapedeckError) -> Attempt<Output>
  ) async throws(TapedeckError) -> Output {
    var refusal: PlatformAnswer?
    for attempt in 0..<2 {
      // When a token lapses, all calls under way are made again, once: that is no sign of trouble.
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
    throw refusal?.failure(of: endpoint, scopes: nil, now: surroundings.now()) ?? TapedeckError(.platformProtocol)
  }

  /// Makes a call below the base URL and gives its successful answer.
  ///
  /// - Throws: what every call of `RecordingSource` throws.
  func get(_ endpoint: Endpoint, path: String) async throws(TapedeckError) -> PlatformAnswer {
    try await authorized(endpoint) { token throws(TapedeckError) in
      var request = self.request(path: path)
      request.headers.add(name: "Accept", value: "application/json")
      request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
      let answer = try await self.call.answer(to: request, endpoint: endpoint)
      if answer.status == 401 { return .unauthorized(answer) }
      if let failure = answer.failure(of: endpoint, scopes: token.scopes, now: self.surroundings.now()) {
        throw failure
      }
      return .output(answer)
    }
  }

  /// Fetches a token, or gives the one in use.
  func token() async throws(TapedeckError) -> AccessToken { try await tokens.token() }

  /// Takes a place in the budget.
  func takeTurn(_ endpoint: Endpoint) async throws(TapedeckError) { try await budget.take(endpoint.requestClass) }

  /// Sends a request and gives the answer as soon as its head is here; the caller has taken its turn and minds the time.
  func open(_ request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> HTTPClientResponse {
    try await call.open(request, endpoint: endpoint)
  }

  /// The rest of an answer that turned out to be no audio.
  func collect(_ response: HTTPClientResponse) async throws(TapedeckError) -> PlatformAnswer {
    try await Call.collect(response)
  }

  func request(path: String) -> HTTPClientRequest { call.request(path: path) }

  private var call: Call { Call(settings: settings, client: client, surroundings: surroundings, budget: budget) }
}

extension PlatformLine {
  /// Single exchanges, without the token.
  fileprivate struct Call: Sendable {
    let settings: SourceSettings
    let client: HTTPClient
    let surroundings: Surroundings
    let budget: RequestBudget

    func request(path: String) -> HTTPClientRequest {
      var request = HTTPClientRequest(url: settings.baseURL + path)
      request.headers.add(name: "User-Agent", value: settings.userAgent)
      return request
    }

    /// Takes its turn, sends the request and reads the whole answer within the time for calls.
    func answer(to request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> PlatformAnswer {
      try await budget.take(endpoint.requestClass)
      let (result, wasLimited) = await limited {
        await Result(running: { () async throws(TapedeckError) in
          try await Self.collect(try await open(request, endpoint: endpoint))
        })
      } by: {
        try await surroundings.sleep(settings.callTimeout)
      }
      if wasLimited, case .failure(let failure) = result {
        await budget.report(.failed)
        throw TransportFailure.timeout(cause: failure)
      }
      return try result.get()
    }

    func open(_ request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> HTTPClientResponse {
      let started = surroundings.now()
      func count(_ status: String) {
        let source = ("source", settings.id.rawValue)
        let name = ("endpoint", endpoint.rawValue)
        Counter(label: "tapedeck_platform_requests_total", dimensions: [source, name, ("status", status)]).increment()
        Metrics.Timer(label: "tapedeck_platform_request_seconds", dimensions: [source, name])
          .record(duration: max(.zero, surroundings.now() - started))
      }
      let response: HTTPClientResponse
      do {
        // Time is minded by the callers; the client only wants some deadline for the head.
        response = try await client.execute(request, timeout: .hours(24))
      } catch {
        count("none")
        // Whoever ended the request says nothing about the platform, unless it was for the time it took; and then it is
        // those who mind the time that report it.
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
      let retryAfter = head.retryAfter(now: surroundings.now())
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
        answer.body = try await response.body.collect(upTo: isSuccess ? longestBody : longestErrorBody)
      } catch let error as NIOTooManyBytesError where isSuccess {
        throw TapedeckError(.platformProtocol, "The platform's answer is far too long.", cause: error)
      } catch {
        // An error page says enough by its status.
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
      // RFC 6749 §2.3.1: both are form-encoded before they are joined, or a colon in the id would end it.
      request.setBasicAuth(
        username: percentEncoded(settings.clientID), password: percentEncoded(settings.clientSecret))
      request.body = .bytes(ByteBuffer(string: "grant_type=client_credentials"))
      let answer = try await answer(to: request, endpoint: .token)
      let now = surroundings.now()
      if let failure = answer.failure(of: .token, scopes: nil, now: now) { throw failure }
      return try AccessToken(answer: answer.body, now: now)
    }
  }
}
