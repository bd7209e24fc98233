import AsyncHTTPClient
import Logging
package import Model
import NIOCore
import NIOHTTP1

extension MediaPlaybackSource {
  /// Downloads a part from its media host, without the token. A broken download goes on at the same address, which
  /// takes nothing from the budget; when the address has lapsed, the media is located again.
  package func download(
    _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    try await downloads.withPermit { () async throws(TapedeckError) in
      if case .file(let name) = try await self.address(of: part) {
        return try await self.downloadLegacyFile(name, of: part, into: sink, onState: onState)
      }
      let origin = DownloadOrigin(
        name: "media \(part.part) of \(part.recording)", settings: self.client.settings, system: self.client.system,
        logger: self.client.logger
      ) { request, watch async throws(TapedeckError) in
        try await self.open(part, request: request, watch: watch)
      } onTimeout: {
        // Requests to media hosts say nothing about the platform's rate.
      }
      let final = try await DownloadRun(origin: origin, sink: sink, onState: onState).run(from: state)
      self.addresses.drop(part)
      return final
    }
  }

  /// Where a part is; locates it where that is not known.
  private func address(of part: PartLocator) async throws(TapedeckError) -> MediaAddress {
    if let known = addresses.address(of: part) { return known }
    _ = try await locate(part.recording)
    guard let found = addresses.address(of: part) else {
      throw TapedeckError(
        .notYetAvailable, "The platform does not provide the media of this call now. It is requested again.")
    }
    return found
  }

  /// Sends a request for the bytes of a part, and a second one when its address has lapsed. Whether the file is still
  /// the same is decided by its total and tag.
  func open(
    _ part: PartLocator, request: ResumeRules.Request, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    for attempt in 0..<2 {
      guard case .signed(let address) = try await self.address(of: part) else { break }
      let response = try await openMedia(address, request: request, watch: watch)
      let status = Int(response.status.code)
      if [200, 206, 416].contains(status) || request.isBeginning && ResumeRules.mayRefuseRanges.contains(status) {
        return response
      }
      addresses.drop(part)
      guard status == 403, attempt == 0 else { throw Self.failure(status, response.headers, now: client.system.now()) }
      client.logger.info(
        "a media address has lapsed; the media is located again", metadata: ["recording": "\(part.recording)"])
    }
    throw TapedeckError(
      .downloadInterrupted, "The platform replaced the media of this call by another file. It is downloaded again.")
  }

  /// Follows redirects to allowed hosts only. A host that is not allowed gets no request.
  private func openMedia(
    _ address: String, request: ResumeRules.Request, watch: StallWatch
  ) async throws(TapedeckError) -> HTTPClientResponse {
    var target = try allowed(PlatformAddress(location: address, relativeTo: client.settings.origin))
    for _ in 0...PlatformClient.maxRedirects {
      let response = try await client.openMedia(target, headers: request.headers, watch: watch)
      let head = PlatformAnswer(status: Int(response.status.code), headers: response.headers, body: ByteBuffer())
      guard head.isRedirect else { return response }
      target = try allowed(head.redirectTarget(relativeTo: target.text))
    }
    throw TapedeckError(.platformProtocol, "A media host redirects a download too often.")
  }

  private func allowed(_ address: PlatformAddress?) throws(TapedeckError) -> PlatformAddress {
    guard let address, address.isAllowed(by: client.settings.allowedDownloadHosts) else {
      throw TapedeckError(
        .platformProtocol,
        "The platform names a media host that is not allowed. If it is correct, add it to CXONE_MEDIA_HOSTS.",
        detail: "media at '\(address?.origin ?? "?")'")
    }
    return address
  }

  private static func failure(_ status: Int, _ headers: HTTPHeaders, now: Instant) -> TapedeckError {
    let detail = "media: status \(status)"
    let head = PlatformAnswer(status: status, headers: headers, body: ByteBuffer())
    return switch status {
    case 408, 429, 500...:
      TapedeckError(
        .platformUnavailable, "The media host cannot answer now. The request will be retried.", detail: detail,
        retryAfter: head.retryAfter(now: now))
    case 403:
      TapedeckError(
        .platformUnavailable,
        "The media host refused an address that the platform had just issued. The request will be retried.",
        detail: detail)
    case 404, 410:
      TapedeckError(
        .notYetAvailable, "The media host does not have the media of this call. It is requested again.",
        detail: detail)
    default: TapedeckError(.platformRefused, "The media host refused the request.", detail: detail)
    }
  }
}
