import AsyncHTTPClient
import Model
import NIOHTTP1

extension PlatformLine {
  /// Asks for audio and gives the answer with its body still to come: 200, 206 or 416.
  ///
  /// One redirect is followed, without the token, to the base URL's host or an allowed one. Only the time in which the
  /// other side is expected to speak counts for `watch`.
  ///
  /// - Throws: what every call throws, and `unknownRecording`.
  func openDownload(
    path: String, ask: DownloadTable.Ask, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let (response, scopes) = try await authorized(.download) {
      token throws(TapedeckError) -> Attempt<(HTTPClientResponse, Set<String>?)> in
      var request = self.request(path: path)
      request.headers.add(contentsOf: ask.headers)
      request.headers.add(name: "Authorization", value: "Bearer \(token.value)")
      let response = try await self.open(request, watch: watch)
      guard response.status != .unauthorized else { return .unauthorized(try await self.rest(of: response, watch)) }
      return .output((response, token.scopes))
    }
    switch response.status.code {
    case 200, 206, 416: return response
    case 301, 302, 303, 307, 308:
      return try await follow(response.headers.first(name: "Location"), from: path, ask: ask, watch: watch)
    default:
      let answer = try await rest(of: response, watch)
      throw answer.failure(of: .download, scopes: scopes, now: surroundings.now())
        ?? TapedeckError(.platformProtocol, detail: "status \(answer.status) is no answer to a download")
    }
  }

  private func follow(
    _ location: String?, from path: String, ask: DownloadTable.Ask, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let origin = settings.baseURL + path
    guard let address = location.flatMap({ PlatformAddress(location: $0, relativeTo: origin) }),
      address.isAllowed(by: settings.allowedDownloadHosts + [settings.host])
    else {
      throw TapedeckError(
        .platformProtocol,
        "The platform redirected a download to a host that is not allowed. Allow it in the configuration if it is right.",
        detail:
          "redirected to host '\(location.flatMap { PlatformAddress(location: $0, relativeTo: origin)?.host } ?? "?")'")
    }
    var request = HTTPClientRequest(url: address.text)
    request.headers.add(name: "User-Agent", value: settings.userAgent)
    request.headers.add(contentsOf: ask.headers)
    let response = try await open(request, watch: watch)
    switch response.status.code {
    case 200, 206, 416: return response
    case 400..<500 where response.status != .tooManyRequests && response.status != .requestTimeout:
      throw TapedeckError(
        .platformRefused, "The host to which the platform redirected a download refused it.",
        detail: "host '\(address.host)', status \(response.status.code)")
    default:
      let answer = try await rest(of: response, watch)
      throw answer.failure(of: .download, scopes: nil, now: surroundings.now())
        ?? TapedeckError(.platformProtocol, detail: "status \(answer.status) is no answer to a download")
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

extension DownloadTable.Ask {
  /// `Range`, `If-Range`, and that the bytes are to come as they are.
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
