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
  let services: WebServices
  let guardian: RecordingGuard

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("audio/:id") { request, context in
      guard context.parameters.get("id")?.hasSuffix(".mp3") == true else { throw TapedeckError(.notFound) }
      return try await serve(.mp3, try guardian.key(context, dropping: ".mp3"), request, context)
    }
    group.get("audio/:id/original") { request, context in
      try await serve(.original, try guardian.key(context), request, context)
    }
    group.get("audio/:id/peaks") { request, context in
      try await serve(.peaks, try guardian.key(context), request, context)
    }
  }

  private enum Wanted { case mp3, original, peaks }

  private struct File {
    var key: ObjectKey
    var sha256: String
    var contentType: String
    var name: String
  }

  private func serve(
    _ wanted: Wanted, _ key: RecordingKey, _ request: Request, _ context: WebContext
  ) async throws -> Response {
    guard let (recording, parts) = try await services.catalog.archived(key) else {
      try await guardian.admitUnknown(.hear, key: key, for: request, context, as: .listen)
      throw TapedeckError(.audioNotReady)
    }
    try await guardian.admit(.hear, to: recording, for: request, context, as: .listen)
    guard let part = parts.first else { throw TapedeckError(.audioNotReady) }
    let file = try file(wanted, of: part, key: key)
    let object = try await services.store.open(file.key)
    let etag = "\"\(file.sha256)\""
    var headers: HTTPFields = [
      .contentType: file.contentType, .acceptRanges: "bytes", .eTag: etag, .cacheControl: "private, no-store",
    ]
    if let digest = base64(hexadecimal: file.sha256) { headers[.reprDigest] = "sha-256=:\(digest):" }
    let isDownload = request.uri.queryParameters["download"] != nil
    if isDownload { headers[.contentDisposition] = "attachment; filename=\"\(file.name)\"" }

    if request.hasVersion(etag) { return Response(status: .notModified, headers: headers) }
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
      return Response(status: .rangeNotSatisfiable, headers: headers)
    }
    let status: HTTPResponse.Status = range == .whole ? .ok : .partialContent
    if request.method == .head {
      headers[.contentLength] = "\(span.count)"
      return Response(status: status, headers: headers)
    }
    try await disclose(span, of: recording, wanted, isDownload: isDownload, request, context)
    return Response(status: status, headers: headers, body: try await body(span, of: object))
  }

  private func file(_ wanted: Wanted, of part: MediaPart, key: RecordingKey) throws(TapedeckError) -> File {
    let name = String(key.id.rawValue.map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" })
    let object: String?
    var file: (sha256: String, contentType: String, name: String)
    switch wanted {
    case .mp3:
      object = part.mp3.key
      file = (part.mp3.sha256, "audio/mpeg", "\(name).mp3")
    case .original:
      object = part.originalKey
      file = (part.sourceSHA256, "audio/wav", "\(name).wav")
    case .peaks:
      object = part.peaks.key
      file = (part.peaks.sha256, "application/octet-stream", "\(name).dat")
    }
    guard let object else {
      throw TapedeckError(.notFound, "The original was not kept. The MP3 is at /audio/\(key.pathSegment).mp3.")
    }
    guard let objectKey = ObjectKey(object) else {
      throw TapedeckError(.catalogFailed, detail: "a row holds a malformed object key")
    }
    return File(key: objectKey, sha256: file.sha256, contentType: file.contentType, name: file.name)
  }

  /// Writes down who is about to hear or take what, before the first byte leaves.
  private func disclose(
    _ span: Range<Int64>, of recording: RecordingRow, _ wanted: Wanted, isDownload: Bool, _ request: Request,
    _ context: WebContext
  ) async throws(TapedeckError) {
    let identity = try context.requireIdentity()
    let origin = context.origin(of: request)
    if isDownload {
      try await services.log.record(
        .download, by: identity, recording: recording.key, count: Int64(span.count), from: origin,
        details: ["file": "\(wanted)"])
    } else if wanted != .peaks {
      try await services.listening.serve(bytes: Int64(span.count), of: recording, to: identity, from: origin)
    } else if !services.views.covers(recording.key, by: identity, at: services.surroundings.now()) {
      try await services.log.record(
        .view, by: identity, recording: recording.key, from: origin, details: ["part": "waveform"])
      services.views.note(recording.key, by: identity, at: services.surroundings.now())
    }
  }

  private static let chunk = 256 << 10

  /// A short span in one piece; a long one read as the client takes it.
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

  private func base64(hexadecimal text: String) -> String? {
    var bytes = Data()
    var rest = text[...]
    while !rest.isEmpty {
      guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return bytes.base64EncodedString()
  }
}
