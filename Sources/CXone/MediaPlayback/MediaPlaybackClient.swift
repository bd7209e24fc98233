import AsyncHTTPClient
import Foundation
import HTTPTransport
import Logging
import Model
import NIOCore
import NIOHTTP1

/// Sends the requests of a source that speaks `media-playback`. Those to the platform take a permit from a budget and
/// carry the token; those to media hosts do neither.
final class MediaPlaybackClient: Sendable {
  let settings: SourceSettings
  let access: MediaPlaybackAccess
  let system: SystemServices
  let logger: Logger
  let budgets: RequestBudgets
  private let call: PlatformCall
  private let discovery: HostDiscovery
  private let signIn: AccessKeySignIn
  private let tokens: TokenStore

  init(
    settings: SourceSettings, access: MediaPlaybackAccess, client: any HTTPSender, allowances: AllowanceStores,
    system: SystemServices, logger: Logger
  ) {
    func budget(_ bucket: RequestBucket) -> RequestBudget {
      RequestBudget(
        source: settings.id, store: allowances(bucket, settings.limits(of: bucket)), system: system)
    }
    let budgets = RequestBudgets(budget(.media), own: [.search: budget(.contacts), .token: budget(.token)])
    let call = PlatformCall(settings: settings, http: client, system: system, budgets: budgets)
    let discovery = HostDiscovery(access, call: call)
    let signIn = AccessKeySignIn(access, call: call, hosts: discovery)
    self.settings = settings
    self.access = access
    self.system = system
    self.logger = logger
    self.budgets = budgets
    self.call = call
    self.discovery = discovery
    self.signIn = signIn
    tokens = TokenStore(now: system.now) { () async throws(TapedeckError) in try await signIn.fetchToken() }
  }

  /// The current token; fetched if there is none.
  func token() async throws(TapedeckError) -> AccessToken { try await tokens.token() }

  /// The addresses of the tenant's APIs.
  func hosts() async throws(TapedeckError) -> PlatformHosts {
    if access.acdURL == nil || access.areaURL == nil, access.tenantID == nil, signIn.tenantID == nil {
      // The token names the tenant.
      _ = try await token()
    }
    return try await discovery.hosts(tenantID: signIn.tenantID)
  }

  /// Sends a GET request with the token and returns the complete answer. After a 401 the token is renewed once.
  ///
  /// - Parameter accepted: the statuses besides success that the caller understands.
  /// - Throws: what every call of `RecordingSource` throws.
  func get(
    _ kind: MediaPlaybackFailures.Call, url: String, accepting accepted: Set<Int> = []
  ) async throws(TapedeckError) -> PlatformAnswer {
    let answer = try await authorized(kind) {
      token throws(TapedeckError) -> PlatformClient.Attempt<PlatformAnswer> in
      let answer = try await self.call.answer(to: self.request(url: url, token), endpoint: kind.endpoint)
      return answer.status == 401 ? .unauthorized(answer) : .output(answer)
    }
    if accepted.contains(answer.status) { return answer }
    if let failure = MediaPlaybackFailures.failure(answer, of: kind, now: system.now()) { throw failure }
    return answer
  }

  /// Sends a GET request with the token and returns the response with its body unread. The caller limits the time.
  func open(
    _ kind: MediaPlaybackFailures.Call, url: String
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let response = try await authorized(kind) {
      token throws(TapedeckError) -> PlatformClient.Attempt<HTTPClientResponse> in
      try await self.budgets.take(kind.endpoint)
      let response = try await self.call.open(self.request(url: url, token), endpoint: kind.endpoint)
      guard response.status == .unauthorized else { return .output(response) }
      return .unauthorized(try await PlatformCall.collect(response))
    }
    guard response.status != .ok else { return response }
    let answer = try await PlatformCall.collect(response)
    throw MediaPlaybackFailures.failure(answer, of: kind, now: system.now())
      ?? TapedeckError(.notYetAvailable, detail: "\(kind.rawValue): status \(answer.status)")
  }

  private func authorized<Output>(
    _ kind: MediaPlaybackFailures.Call,
    _ send: (AccessToken) async throws(TapedeckError) -> PlatformClient.Attempt<Output>
  ) async throws(TapedeckError) -> Output {
    var refusal: PlatformAnswer?
    for attempt in 0..<2 {
      // When a token expires, all requests in flight are repeated once, which does not indicate trouble.
      if attempt > 0 { budgets[kind.endpoint].countRetry() }
      let token = try await tokens.token()
      switch try await send(token) {
      case .output(let output): return output
      case .unauthorized(let answer):
        tokens.drop(token)
        refusal = answer
        logger.debug("the platform refused a token", metadata: ["call": "\(kind.rawValue)"])
      }
    }
    throw refusal.flatMap { MediaPlaybackFailures.failure($0, of: kind, now: system.now()) }
      ?? TapedeckError(.platformProtocol)
  }

  private func request(url: String, _ token: AccessToken) -> HTTPClientRequest {
    var request = call.request(url: url)
    Self.addHeaders(to: &request)
    request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
    return request
  }

  /// The headers of every request to the platform. NICE's support finds a request by its `CorrelationId`.
  static func addHeaders(to request: inout HTTPClientRequest) {
    request.headers.add(name: "Accept", value: "application/json")
    request.headers.add(name: "Accept-Encoding", value: "identity")
    request.headers.add(name: "CorrelationId", value: UUID().uuidString.lowercased())
  }

  // MARK: Media hosts

  /// Requests bytes from a media host, without the token and without a permit: these requests are not limited.
  ///
  /// Errors do not name the address: it permits access by itself.
  func openMedia(
    _ address: PlatformAddress, headers: HTTPHeaders, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    var request = call.request(url: address.text)
    request.headers.add(contentsOf: headers)
    let sent = request
    return try await watch.expecting { () async throws(TapedeckError) -> HTTPClientResponse in
      do {
        return try await self.call.http.send(repeating: { sent })
      } catch {
        throw TransportFailures.media.failure(error)
      }
    }
  }
}

extension TransportFailures {
  fileprivate static let media = TransportFailures(.platformUnavailable, of: "the media host")
}
