import HTTPTypes
import Hummingbird
import Model
import NIOCore

extension SandboxTenant {
  /// `GET /api/v2/recording/{id}/download`.
  func addDownloadEndpoint(to router: Router<SandboxContext>) {
    router.get("/api/v2/recording/:id/download") { request, context in
      try await exchange(.download, request, context) { exchange in try await download(exchange) }
    }
  }

  private func download(_ exchange: Exchange) async throws -> Response {
    try authorize(exchange.request, scope: "recording:download")
    guard let id = exchange.id, let recording = recording(id), let whole = await audio(of: id) else {
      throw Refusal.unknownRecording()
    }
    guard history.status(of: recording, at: system.now()) == .available else {
      throw Refusal(.conflict, "not_available", "The recording is not available.")
    }
    return deliver(whole, of: id, for: exchange, as: history.file(of: id)?.mediaType ?? "audio/wav")
  }

  /// A response with a file, or what a fault makes of it.
  func deliver(
    _ whole: SandboxAudio, of id: String, for exchange: Exchange, as type: String = "audio/wav"
  ) -> Response {
    if let rule = exchange.rule(.errorPage) { return errorPage(rule) }

    let audio = substitute(exchange, for: whole)
    var headers: HTTPFields = [.contentType: type, .acceptRanges: "bytes", .eTag: audio.entityTag]
    if exchange.has(.weakETag) { headers[.eTag] = "W/\(audio.entityTag)" }
    if exchange.has(.wrongETag) { headers[.eTag] = audio.entityTag.replacing("-", with: "f-") }
    if exchange.has(.noETag) { headers[.eTag] = nil }

    var range = exchange.range
    if exchange.has(.noRanges) {
      range = nil
      headers[.acceptRanges] = nil
    }
    // The range applies only if the client has a part of this very file (RFC 9110 §13.1.5). With the fault `wrong-etag`
    // the server ignores the condition.
    if let condition = exchange.request.headers[.ifRange], condition != audio.entityTag, !exchange.has(.wrongETag) {
      range = nil
    }
    guard let range else {
      let isUnknownLength = exchange.has(.noRanges)
      return Response(
        status: .ok, headers: headers,
        body: body(
          exchange, id: id, audio: audio, positions: 0..<audio.totalBytes,
          contentLength: isUnknownLength ? nil : audio.totalBytes))
    }
    guard var positions = range.positions(in: audio.totalBytes) else {
      headers[.contentType] = nil
      headers[.contentRange] = "bytes */\(audio.totalBytes)"
      return Response(status: .rangeNotSatisfiable, headers: headers)
    }
    if exchange.has(.wrongStart) {
      positions = min(positions.lowerBound + 1000, positions.upperBound - 1)..<positions.upperBound
    }
    if exchange.has(.earlyStart) { positions = max(0, positions.lowerBound - 1000)..<positions.upperBound }
    headers[.contentRange] = "bytes \(positions.lowerBound)-\(positions.upperBound - 1)/\(audio.totalBytes)"
    if exchange.has(.strippedContentRange) || exchange.has(.noContentRangeResume) { headers[.contentRange] = nil }
    if exchange.has(.brokenContentRange) { headers[.contentRange] = "bytes 99999999999999999999-/x" }
    if exchange.has(.contentEncoding) { headers[.contentEncoding] = "gzip" }
    return Response(
      status: .partialContent, headers: headers,
      body: body(exchange, id: id, audio: audio, positions: positions, contentLength: nil))
  }

  private func errorPage(_ rule: FaultRule) -> Response {
    let variant = rule.variant ?? "html"
    let isJSON = variant.hasPrefix("json")
    let text =
      isJSON
      ? #"{"error":"internal","message":"The media is not available."}"#
      : "<html><body><h1>Service unavailable</h1></body></html>\r\n\r\n\r\n"
    let type = variant.hasSuffix("as-audio") ? "audio/wav" : isJSON ? "application/json" : "text/html"
    return Response(
      status: .ok, headers: [.contentType: type], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  /// The file, or what is sent instead of it.
  private func substitute(_ exchange: Exchange, for audio: SandboxAudio) -> SandboxAudio {
    if let rule = exchange.rule(.cutShort) {
      return audio.shortened(to: rule.afterBytes ?? audio.totalBytes * 62 / 100)
    }
    if let rule = exchange.rule(.headerOnly) {
      let format = WAVFormat(.pcm16, channels: 1)
      let claimed = rule.variant == "claims-data" ? audio.totalBytes - 44 : 0
      return SandboxAudio(bytes: format.header(dataBytes: claimed), seed: 44)
    }
    if exchange.has(.playlist) {
      let text = """
        #EXTM3U
        #EXT-X-VERSION:3
        #EXT-X-TARGETDURATION:10
        #EXTINF:10.0,
        /etc/hostname
        #EXT-X-ENDLIST

        """
      return SandboxAudio(bytes: Array(text.utf8), seed: 3)
    }
    return audio
  }

  private func body(
    _ exchange: Exchange, id: String, audio: SandboxAudio, positions: Range<Int>, contentLength: Int?
  ) -> ResponseBody {
    let delivery = Delivery(
      audio: audio, positions: positions, exchange: exchange, id: id, statistics: statistics, history: history,
      system: system)
    return ResponseBody(contentLength: contentLength) { writer in try await delivery.run(&writer) }
  }
}
