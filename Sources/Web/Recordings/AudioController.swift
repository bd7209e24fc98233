import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import ObjectStorage

/// The files of a recording: `/audio/{id}.mp3`, `/audio/{id}/original`, `/audio/{id}/peaks`.
struct AudioController {
  let store: any ObjectStore

  var routes: [Route] {
    [
      route(
        "/audio/{id}.mp3", .mp3, "audio/mpeg",
        "The MP3. `Range`, `If-Range`, `ETag` and `Repr-Digest` work; `download` serves it as a file to keep."),
      route("/audio/{id}/original", .original, "audio/wav", "The bytes of the platform, where they were kept."),
      route("/audio/{id}/peaks", .peaks, "application/octet-stream", "The peaks of the waveform."),
    ]
  }

  private func route(_ path: String, _ wanted: Wanted, _ type: String, _ summary: String) -> Route {
    .recording(
      .get, path, .api, action: .hear, log: .disclosure(denial: .listen), summary,
      query: [QueryParameter("download", .flag, "Serve a file to keep.")],
      responses: [
        .other(type, "The whole file."), .other(type, status: 206, "The range."), .empty(304, "Not changed."),
        .empty(416, "The range is not in the file."),
      ]
    ) { admitted in try await serve(wanted, admitted) }
  }

  private enum Wanted { case mp3, original, peaks }

  private struct File {
    var object: ObjectName
    var sha256: String
    var contentType: String
    var name: String
  }

  private func serve(_ wanted: Wanted, _ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    let request = admitted.request
    guard let part = admitted.subject.parts.first else { throw TapedeckError(.audioNotReady) }
    let file = try file(wanted, of: part, key: admitted.subject.key)
    let object = try await store.open(file.object)
    let etag = "\"\(file.sha256)\""
    var headers: HTTPFields = [
      .contentType: file.contentType, .acceptRanges: "bytes", .eTag: etag, .cacheControl: "private, no-store",
    ]
    if let digest = base64(hexadecimal: file.sha256) { headers[.reprDigest] = "sha-256=:\(digest):" }
    let isDownload = admitted.query.has("download")
    if isDownload { headers[.contentDisposition] = "attachment; filename=\"\(file.name)\"" }

    if request.hasVersion(etag) { return Reply(Response(status: .notModified, headers: headers)) }
    let range = ByteRange(
      request.headers[.range], ifRange: request.headers[.ifRange], etag: etag, length: object.bytes)
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
      headers[.contentLength] = "\(span.count)"
      return Reply(Response(status: status, headers: headers))
    }
    let bytes = Int64(span.count)
    let event: Reply.Event =
      isDownload ? .download(bytes: bytes, file: "\(wanted)") : wanted == .peaks ? .waveform : .listening(bytes: bytes)
    return Reply(Response(status: status, headers: headers, body: try await body(span, of: object)), event)
  }

  private func file(_ wanted: Wanted, of part: MediaPart, key: RecordingKey) throws(TapedeckError) -> File {
    let name = String(key.id.rawValue.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
    let object: ObjectName?
    let file: (hash: ContentHash, contentType: String, name: String)
    switch wanted {
    case .mp3:
      object = part.mp3.name
      file = (part.mp3.hash, "audio/mpeg", "\(name).mp3")
    case .original:
      object = part.original
      file = (part.sourceHash, "audio/wav", "\(name).wav")
    case .peaks:
      object = part.peaks.name
      file = (part.peaks.hash, "application/octet-stream", "\(name).dat")
    }
    guard let object else {
      throw TapedeckError(.notFound, "The original was not kept. The MP3 is at /audio/\(key.pathSegment).mp3.")
    }
    return File(object: object, sha256: file.hash.rawValue, contentType: file.contentType, name: file.name)
  }

  private static let chunk = 256 << 10

  /// Reads a short span at once, and a long one as the client receives it.
  private func body(_ span: Range<Int64>, of object: any StoredObject) async throws(TapedeckError) -> ResponseBody {
    if span.count <= Self.chunk {
      let bytes = try await object.read(at: span.lowerBound, limit: span.count)
      guard bytes.readableBytes == span.count else { throw TapedeckError(.objectDamaged) }
      return ResponseBody(byteBuffer: bytes)
    }
    return ResponseBody(contentLength: span.count) { writer in
      var offset = span.lowerBound
      while offset < span.upperBound {
        let bytes = try await object.read(at: offset, limit: min(Self.chunk, Int(span.upperBound - offset)))
        offset += Int64(bytes.readableBytes)
        try await writer.write(bytes)
      }
      try await writer.finish(nil)
    }
  }
}
