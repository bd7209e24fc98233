import Access
import Catalog
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Model
import NIOCore
import ObjectStorage

/// The files of a recording: `/audio/{id}.mp3`, `/audio/{id}/original`, `/audio/{id}/peaks`.
struct AudioController {
  let catalog: Catalog
  let store: any ObjectStore
  /// Nil when Tapedeck sends all files itself.
  let accelRedirect: AccelRedirect?
  let now: @Sendable () -> Instant

  var routes: [Route] {
    [
      route(
        "/audio/{id}.mp3", .mp3, "audio/mpeg",
        "The MP3 of the whole recording, or with `part` of one part, with support for `Range`, `If-Range`, `ETag` and `Repr-Digest`; with `download`, browsers save it as a file."
      ),
      route(
        "/audio/{id}/original", .original, "audio/*",
        "The original, if it was kept; of a recording with several parts, the one of the part in `part`."),
      route(
        "/audio/{id}/peaks", .peaks, "application/octet-stream",
        "The peaks (waveform data), in gzip for clients that accept it; with `points`, 25 points for each second instead of 100. Browsers may store them and must revalidate them with `If-None-Match`.",
        more: [QueryParameter("points", .choice(["25"]), "The number of points for each second.")]
      ),
    ]
  }

  private func route(
    _ path: String, _ wanted: FileKind, _ type: String, _ summary: String, more: [QueryParameter] = []
  ) -> Route {
    .recording(
      .get, path, .api, action: .hear, log: .disclosure(denial: .listen), summary,
      query: [
        QueryParameter("download", .flag, "Serve the file as a download."),
        QueryParameter("part", .integer(1...10_000), "The part of the recording, counted from 1."),
      ] + more,
      responses: [
        .other(type, "The whole file."), .other(type, status: 206, "The range."), .empty(304, "Not changed."),
        .empty(416, "The range is not in the file."),
      ]
    ) { admitted in try await serve(wanted, admitted) }
  }

  /// How the bytes of a file are sent.
  struct Representation: Sendable {
    var isReduced: Bool
    var isCompressed: Bool
    /// Whether they are sent as a whole, since ranges are those of the file.
    var isWhole: Bool { isReduced || isCompressed }
  }

  private func serve(_ wanted: FileKind, _ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    let request = admitted.request
    let file = try file(wanted, admitted)
    if let damage = admitted.subject.recording?.damage, damage.isDamaged(wanted, part: file.part) {
      throw TapedeckError(.objectDamaged, damage.sentence)
    }
    let proxyPath = wanted == .peaks ? nil : accelRedirect?.path(of: file.object, for: admitted.context)
    let object = try await open(file, anew: proxyPath != nil, admitted)
    let etag = "\"\(file.sha256)\""
    var headers: HTTPFields = [
      .contentType: file.contentType, .acceptRanges: "bytes", .eTag: etag, .cacheControl: "private, no-store",
    ]
    if wanted == .peaks {
      // A browser keeps them, but asks each time, so that access is checked and logged. It must not show them to the
      // next user.
      headers[.cacheControl] = "private, no-cache"
      headers[.vary] = "Accept-Encoding, Authorization, Cookie"
    }
    if let digest = base64(hexadecimal: file.sha256) { headers[.reprDigest] = "sha-256=:\(digest):" }
    let isDownload = admitted.query.has("download")
    if isDownload { headers[.contentDisposition] = "attachment; filename=\"\(file.name)\"" }

    let isReduced = wanted == .peaks && admitted.query["points"] != nil
    let representation = Representation(
      isReduced: isReduced,
      isCompressed: wanted == .peaks && request.acceptsGzip && (isReduced || request.headers[.range] == nil))
    if representation.isReduced { Response.describeReduced(etag, in: &headers) }
    if representation.isCompressed { Response.describeGzip(of: headers[.eTag] ?? etag, in: &headers) }
    if request.hasVersion(headers[.eTag] ?? etag) {
      return Reply(Response(status: .notModified, headers: headers), wanted == .peaks ? .waveform : .none)
    }
    if let proxyPath {
      headers[.accelRedirect] = proxyPath
      // The proxy adds its own.
      for name in [HTTPField.Name.eTag, .acceptRanges, .reprDigest] { headers[name] = nil }
      // Also for HEAD, so that it describes the same file; then nothing is sent.
      let event: Reply.Event =
        request.method == .head ? .none : .handedToProxy(download: isDownload ? file.label : nil)
      return Reply(Response(status: .ok, headers: headers), event)
    }
    let range =
      representation.isWhole
      ? .whole
      : ByteRange(request.headers[.range], ifRange: request.headers[.ifRange], etag: etag, length: object.bytes)
    let span: Range<Int64>
    switch range {
    case .whole: span = 0..<object.bytes
    case .part(let part):
      span = part
      headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(object.bytes)"
    case .unsatisfiable:
      headers[.contentRange] = "bytes */\(object.bytes)"
      headers[.reprDigest] = nil
      return Reply(Response(status: .rangeNotSatisfiable, headers: headers))
    }
    let status: HTTPResponse.Status = range == .whole ? .ok : .partialContent
    if request.method == .head {
      let bytes =
        try await representation.isWhole ? encodedLength(of: object, file, representation, admitted) : span.count
      headers[.contentLength] = "\(bytes)"
      return Reply(Response(status: status, headers: headers))
    }
    let bytes = Int64(span.count)
    let event: Reply.Event =
      isDownload ? .download(bytes: bytes, file: file.label) : wanted == .peaks ? .waveform : .listening
    let body =
      span.count <= Self.piece
      ? try await shortBody(span, of: object, file, representation, admitted)
      : try await stream(span, of: object, file, representation, admitted)
    return Reply(Response(status: status, headers: headers, body: body), event)
  }

  /// The bytes that are held in memory for a client.
  private static let piece = PacedBody.piece

  private func shortBody(
    _ span: Range<Int64>, of object: any StoredObject, _ file: File, _ representation: Representation,
    _ admitted: Admitted<RecordingSubject>
  ) async throws -> ResponseBody {
    let bytes =
      span.isEmpty
      ? ByteBuffer() : try await read(object, at: span.lowerBound, limit: span.count, file, admitted)
    let isWhole = Int64(span.count) == file.content.bytes
    guard bytes.readableBytes == span.count,
      !isWhole || ContentHash(digest: SHA256.hash(data: bytes.readableBytesView)) == file.content.hash
    else {
      let damage = await recordDamage(.objectDamaged, of: file, admitted)
      throw TapedeckError(.objectDamaged, damage, detail: "\(file.object) was not sent")
    }
    guard representation.isWhole else { return ResponseBody(byteBuffer: bytes) }
    var output = ByteBuffer()
    let encoder = RepresentationEncoder(representation)
    for var piece in [encoder.add(bytes), encoder.finish()] { output.writeBuffer(&piece) }
    return ResponseBody(byteBuffer: output)
  }

  /// The length of a file in the form in which it is sent.
  private func encodedLength(
    of object: any StoredObject, _ file: File, _ representation: Representation, _ admitted: Admitted<RecordingSubject>
  ) async throws(TapedeckError) -> Int {
    let encoder = RepresentationEncoder(representation)
    var (offset, length) = (Int64(0), 0)
    while offset < object.bytes {
      let limit = min(Self.piece, Int(object.bytes - offset))
      let bytes = try await read(object, at: offset, limit: limit, file, admitted)
      offset += Int64(bytes.readableBytes)
      length += encoder.add(bytes).readableBytes
    }
    return length + encoder.finish().readableBytes
  }

  /// Reads one piece at a time; the router lets the next one be read when the operating system has taken it. The last
  /// piece of a file with other content than in the catalog is not sent.
  private func stream(
    _ span: Range<Int64>, of object: any StoredObject, _ file: File, _ representation: Representation,
    _ admitted: Admitted<RecordingSubject>
  ) async throws -> ResponseBody {
    // Read before the response begins: an object that is missing then gets an error instead of a body that breaks off.
    let first = try await read(object, at: span.lowerBound, limit: Self.piece, file, admitted)
    let isWhole = Int64(span.count) == file.content.bytes
    return ResponseBody(contentLength: representation.isWhole ? nil : span.count) { writer in
      let encoder = RepresentationEncoder(representation)
      var hash = SHA256()
      var offset = span.lowerBound
      while offset < span.upperBound {
        let bytes =
          offset == span.lowerBound
          ? first
          : try await read(
            object, at: offset, limit: min(Self.piece, Int(span.upperBound - offset)), file, admitted)
        offset += Int64(bytes.readableBytes)
        if isWhole {
          hash.update(data: bytes.readableBytesView)
          if offset == span.upperBound, ContentHash(digest: hash.finalize()) != file.content.hash {
            admitted.context.logger.critical(
              "a file does not have the content in the catalog", metadata: ["object": "\(file.object)"])
            throw TapedeckError(.objectDamaged, await recordDamage(.objectDamaged, of: file, admitted))
          }
        }
        let piece = encoder.add(bytes)
        if piece.readableBytes > 0 { try await writer.write(piece) }
      }
      let end = encoder.finish()
      if end.readableBytes > 0 { try await writer.write(end) }
      try await writer.finish(nil)
    }
  }
}
