import AsyncHTTPClient
import Model
import NIOCore
import NIOHTTP1

extension PlatformClient {
  /// Requests audio and returns the response, with its body unread: 200, 206, 416, or a status that can mean that the
  /// platform does not accept `Range`.
  ///
  /// Redirects are followed to the origin of the base URL, with the token, and to allowed hosts, without it. `watch`
  /// measures only the time in which data from the platform is expected.
  ///
  /// - Throws: what every call throws, `unknownRecording`, and `notYetAvailable`.
  func openDownload(
    path: String, request: ResumeRules.Request, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    let (response, scopes, last) = try await authorized(.download) {
      token throws(TapedeckError) -> Attempt<(HTTPClientResponse, Set<String>?, Hop)> in
      var hop = Hop(url: self.settings.baseURL + path)
      while true {
        var message = self.request(url: hop.url)
        message.headers.add(contentsOf: request.headers)
        if hop.carriesToken { message.headers.add(name: "Authorization", value: "Bearer \(token.value)") }
        let response = try await self.open(message, watch: watch)
        let head = PlatformAnswer(status: Int(response.status.code), headers: response.headers, body: .init())
        guard head.isRedirect else {
          if response.status == .unauthorized, hop.carriesToken {
            return .unauthorized(try await self.rest(of: response, watch))
          }
          return .output((response, token.scopes, hop))
        }
        hop = try self.next(after: hop, head)
      }
    }
    let status = Int(response.status.code)
    if [200, 206, 416].contains(status) || request.isBeginning && ResumeRules.mayRefuseRanges.contains(status) {
      return response
    }
    if !last.carriesToken, let failure = refusal(status, by: last) { throw failure }
    let answer = try await rest(of: response, watch)
    if (200..<300).contains(answer.status) { throw answer.notYetAvailable(.download, now: system.now()) }
    throw answer.failure(of: .download, scopes: scopes, now: system.now())
      ?? TapedeckError(.platformProtocol, detail: "unexpected status \(answer.status) for a download")
  }

  /// One address in a chain of redirects.
  private struct Hop {
    var url: String
    var host = ""
    /// Once a redirect has left the origin, the token is not sent again.
    var carriesToken = true
    var redirects = 0
  }

  private func next(after hop: Hop, _ answer: PlatformAnswer) throws(TapedeckError) -> Hop {
    guard hop.redirects < Self.maxRedirects else {
      throw TapedeckError(.platformProtocol, "The platform redirects a download too often.")
    }
    let target = answer.redirectTarget(relativeTo: hop.url)
    // Another port of the same host is another server.
    guard let target, target.origin == settings.origin || target.isAllowed(by: settings.allowedDownloadHosts) else {
      throw TapedeckError(
        .platformProtocol,
        "The platform redirected a download to a host that is not allowed. If it is correct, allow it in the settings.",
        detail: "redirected to '\(target?.origin ?? "?")'")
    }
    return Hop(
      url: target.text, host: target.host, carriesToken: hop.carriesToken && target.origin == settings.origin,
      redirects: hop.redirects + 1)
  }

  /// The error for a refusal by another host, which does not know the recording or its rules.
  private func refusal(_ status: Int, by hop: Hop) -> TapedeckError? {
    guard (400..<500).contains(status), ![404, 408, 409, 423, 425, 429].contains(status) else { return nil }
    return TapedeckError(
      .platformRefused, "The host that the platform redirected a download to refused the request.",
      detail: "host '\(hop.host)', status \(status)")
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
  /// Whether it asks for the whole file as a range. Held bytes are kept when a range is refused.
  var isBeginning: Bool {
    if case .range(from: 0, _) = self { true } else { false }
  }

  /// `Range`, `If-Range`, and a request for unencoded bytes.
  var headers: HTTPHeaders {
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
