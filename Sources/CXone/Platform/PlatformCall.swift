import AsyncHTTPClient
import HTTPTransport
import Metrics
import Model
import NIOCore
import NIOHTTP1
import Synchronization

/// Single exchanges without token handling.
struct PlatformCall: Sendable {
  /// A longer body cannot be a valid response.
  private static let maxBodyBytes = 8 << 20
  /// The rest of a longer error page is not transferred.
  private static let maxErrorBodyBytes = 64 << 10

  let settings: SourceSettings
  let http: any HTTPSender
  let system: SystemServices
  let budgets: RequestBudgets
  private let credentials: Credentials
  private let recordings = Shared(RecordingFailures())

  init(settings: SourceSettings, http: any HTTPSender, system: SystemServices, budgets: RequestBudgets) {
    self.settings = settings
    self.http = http
    self.system = system
    self.budgets = budgets
    credentials = Credentials(settings)
  }

  func request(url: String) -> HTTPClientRequest {
    var request = HTTPClientRequest(url: url)
    request.headers.add(name: "User-Agent", value: settings.userAgent)
    return request
  }

  /// Takes a permit, sends the request and reads the complete response within the call timeout.
  func answer(to request: HTTPClientRequest, endpoint: Endpoint) async throws(TapedeckError) -> PlatformAnswer {
    try await budgets.take(endpoint)
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        try await Self.collect(try await open(request, endpoint: endpoint))
      })
    } by: {
      try await system.sleep(settings.callTimeout)
    }
    if wasLimited, case .failure(let failure) = result {
      await budgets[endpoint].report(.failed)
      throw TransportFailures.platform.timeout(cause: failure)
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
      // Callers limit the time. No request to the platform changes anything, so each may be repeated.
      response = try await http.send(repeating: { request })
    } catch {
      count("none")
      // A cancelled request says nothing about the platform. A timeout also cancels it, and is reported by the code
      // that limits the time.
      if !Task.isCancelled { await budgets[endpoint].report(.failed) }
      throw TransportFailures.platform.failure(error)
    }
    count("\(response.status.code)")
    await budgets[endpoint].report(outcome(of: response, to: request, endpoint: endpoint))
    return response
  }

  private func outcome(
    of response: HTTPClientResponse, to request: HTTPClientRequest, endpoint: Endpoint
  ) -> RequestBudget.Outcome {
    let status = Int(response.status.code)
    let head = PlatformAnswer(status: status, headers: response.headers, body: ByteBuffer())
    let retryAfter = head.retryAfter(now: system.now())
    switch (status, retryAfter) {
    case (429, _): return .refused(retryAfter: retryAfter)
    case (503, let retryAfter?):
      guard endpoint == .recording || endpoint == .download else { return .unavailable(retryAfter: retryAfter) }
      // One recording can be unavailable alone: its job waits, but the source does not.
      let recording = request.url.hasSuffix("/download") ? String(request.url.dropLast(9)) : request.url
      return recordings.value.withLock { $0.failed(recording) } ? .unavailable(retryAfter: retryAfter) : .failed
    case (408, _), (500..., _): return .failed
    default:
      if endpoint != .token { recordings.value.withLock { $0.succeeded() } }
      return .accepted
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
      guard !isSuccess, !Task.isCancelled else { throw TransportFailures.platform.failure(error) }
    }
    if isSuccess {
      answer.body = try ContentCoding.decoded(
        answer.body, answer.headers[canonicalForm: "Content-Encoding"].map(String.init), upTo: maxBodyBytes)
    }
    return answer
  }

  /// `POST {base}/oauth2/token`.
  ///
  /// - Throws: `platformCredentialsRefused`, `platformRateLimited`, `platformUnavailable`, `platformProtocol`,
  ///   `interrupted`.
  func fetchToken() async throws(TapedeckError) -> AccessToken {
    let forms = credentials.forms
    for (index, form) in forms.enumerated() {
      let answer = try await answer(to: tokenRequest(form), endpoint: .token)
      let now = system.now()
      if answer.refusesClient, index + 1 < forms.count { continue }
      if let failure = answer.failure(of: .token, scopes: nil, now: now) { throw failure }
      let token = try AccessToken(response: answer.body, now: now)
      Redactor.shared.renew("token of \(settings.id)", token.value)
      credentials.accept(form)
      return token
    }
    throw TapedeckError(.platformCredentialsRefused)
  }

  private func tokenRequest(_ form: Credentials.Form) -> HTTPClientRequest {
    var request = request(url: settings.baseURL + "/oauth2/token")
    request.method = .POST
    request.headers.add(name: "Accept", value: "application/json")
    request.headers.add(name: "Accept-Encoding", value: "identity")
    request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
    request.setBasicAuth(username: form.clientID, password: form.clientSecret)
    // A platform may repeat the credentials in a message.
    if let value = request.headers.first(name: "Authorization")?.split(separator: " ").last {
      Redactor.shared.renew("credentials of \(settings.id)", String(value))
    }
    request.body = .bytes(ByteBuffer(string: "grant_type=client_credentials"))
    return request
  }

  /// A lock that copies of this value share.
  private final class Shared<Value: Sendable>: Sendable {
    let value: Mutex<Value>

    init(_ value: sending Value) { self.value = Mutex(value) }
  }
}

extension TransportFailures {
  static let platform = TransportFailures(.platformUnavailable, of: "the platform")
}
