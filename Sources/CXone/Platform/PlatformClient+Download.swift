import AsyncHTTPClient
import Model
import NIOHTTP1

extension PlatformClient {
  /// Requests audio and returns the response, 200, 206 or 416, with its body unread.
  ///
  /// One redirect is followed, without the token, to the base URL's host or an allowed one. `watch` measures only the
  /// time in which data from the platform is expected.
  ///
  /// - Throws: what every call throws, and `unknownRecording`.
  func openDownload(
    path: String, request: ResumeRules.Request, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let (response, scopes) = try await authorized(.download) {
      token throws(TapedeckError) -> Attempt<(HTTPClientResponse, Set<String>?)> in
      var message = self.request(path: path)
      message.headers.add(contentsOf: request.headers)
      message.headers.add(name: "Authorization", value: "Bearer \(token.value)")
      let response = try await self.open(message, watch: watch)
      guard response.status != .unauthorized else { return .unauthorized(try await self.rest(of: response, watch)) }
      return .output((response, token.scopes))
    }
    switch response.status.code {
    case 200, 206, 416: return response
    case 301, 302, 303, 307, 308:
      return try await follow(response.headers.first(name: "Location"), from: path, request: request, watch: watch)
    default:
      let answer = try await rest(of: response, watch)
      throw answer.failure(of: .download, scopes: scopes, now: system.now())
        ?? TapedeckError(.platformProtocol, detail: "unexpected status \(answer.status) for a download")
    }
  }

  private func follow(
    _ location: String?, from path: String, request: ResumeRules.Request, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let origin = settings.baseURL + path
    guard let address = location.flatMap({ PlatformAddress(location: $0, relativeTo: origin) }),
      address.isAllowed(by: settings.allowedDownloadHosts + [settings.host])
    else {
      throw TapedeckError(
        .platformProtocol,
        "The platform redirected a download to a host that is not allowed. If it is correct, allow it in the settings.",
        detail:
          "redirected to host '\(location.flatMap { PlatformAddress(location: $0, relativeTo: origin)?.host } ?? "?")'")
    }
    var message = HTTPClientRequest(url: address.text)
    message.headers.add(name: "User-Agent", value: settings.userAgent)
    message.headers.add(contentsOf: request.headers)
    let response = try await open(message, watch: watch)
    switch response.status.code {
    case 200, 206, 416: return response
    case 400..<500 where response.status != .tooManyRequests && response.status != .requestTimeout:
      throw TapedeckError(
        .platformRefused, "The host that the platform redirected a download to refused the request.",
        detail: "host '\(address.host)', status \(response.status.code)")
    default:
      let answer = try await rest(of: response, watch)
      throw answer.failure(of: .download, scopes: nil, now: system.now())
        ?? TapedeckError(.platformProtocol, detail: "unexpected status \(answer.status) for a download")
    }
  }

  private func open(_ request: HTTPClientRequest, watch: StallWatch) async throws(TapedeckError) -> HTTPClientResponse {
    try await takeTurn(.download)
    return try await watch.expecting { () async throws(TapedeckError) in
      try await self.open(request, endpoint: .download)
    }
  }

  private func rest(
    of response: HTTPClientResponse, _ watch: StallWatch
  ) async throws(TapedeckError) -> PlatformAnswer {
    try await watch.expecting { () async throws(TapedeckError) in try await self.collect(response) }
  }
}

extension ResumeRules.Request {
  /// `Range`, `If-Range`, and a request for unencoded bytes.
  fileprivate var headers: HTTPHeaders {
    var headers: HTTPHeaders = ["Accept-Encoding": "identity"]
    switch self {
    case .whole: break
    case .overlap(let from, _): headers.add(name: "Range", value: "bytes=\(from)-")
    case .range(let from, let ifRange):
      headers.add(name: "Range", value: "bytes=\(from)-")
      if let ifRange { headers.add(name: "If-Range", value: ifRange) }
    }
    return headers
  }
}
