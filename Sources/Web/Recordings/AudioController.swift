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
        "The MP3, with support for `Range`, `If-Range`, `ETag` and `Repr-Digest`; with `download`, browsers save it as a file."
      ),
      route("/audio/{id}/original", .original, "audio/*", "The original, if it was kept."),
      route(
        "/audio/{id}/peaks", .peaks, "application/octet-stream",
        "The peaks (waveform data), in gzip for clients that accept it; with `points`, 25 points for each second instead of 100. Browsers may store them and must revalidate them with `If-None-Match`.",
        more: [QueryParameter("points", .choice(["25"]), "The number of points for each second.")]
      ),
    ]
  }

  private func route(
    _ path: String, _ wanted: Wanted, _ type: String, _ summary: String, more: [QueryParameter] = []
  ) -> Route {
    .recording(
      .get, path, .api, action: .hear, log: .disclosure(denial: .listen), summary,
      query: [QueryParameter("download", .flag, "Serve the file as a download.")] + more,
      responses: [
        .other(type, "The whole file."), .other(type, status: 206, "The range."), .empty(304, "Not changed."),
        .empty(416, "The range is not in the file."),
      ]
    ) { admitted in try await serve(wanted, admitted) }
  }

  private typealias Wanted = FileKind

  /// How the bytes of a file are sent.
  struct Representation: Sendable {
    var isReduced: Bool
    var isCompressed: Bool
    /// Whether they are sent as a whole, since ranges are those of the file.
    var isWhole: Bool { isReduced || isCompressed }
  }

  private struct File {
    var key: RecordingKey
    var object: ObjectName
    var content: ObjectContent
    var sha256: String { content.hash.rawValue }
    var contentType: String
    var suffix: String
    var kind: FileKind

    /// The name of a download: ASCII, because it becomes a header; cut, because file systems limit names to 255 bytes.
    var name: String {
      let id = key.id.rawValue.prefix(200)
      let text = id.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_" }
      return "\(String(text)).\(suffix)"
    }
  }

  private func serve(_ wanted: Wanted, _ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    let request = admitted.request
    guard let part = admitted.subject.parts.first else { throw TapedeckError(.audioNotReady) }
    let file = try file(wanted, of: part, key: admitted.subject.key)
    if let damage = admitted.subject.recording?.damage, damage.isDamaged(wanted) {
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
        request.method == .head ? .none : .handedToProxy(download: isDownload ? "\(wanted)" : nil)
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
      isDownload ? .download(bytes: bytes, file: "\(wanted)") : wanted == .peaks ? .waveform : .listening
    let body =
      span.count <= Self.piece
      ? try await shortBody(span, of: object, file, representation, admitted)
      : try await stream(span, of: object, file, representation, admitted)
    return Reply(Response(status: status, headers: headers, body: body), event)
  }

  /// Opens an object, whose length must be the one in the catalog.
  private func open(
    _ file: File, anew: Bool, _ admitted: Admitted<RecordingSubject>
  ) async throws -> any StoredObject {
    try await noting(file, admitted) { () throws(TapedeckError) in
      let object = try await anew ? store.openAnew(file.object) : store.open(file.object)
      guard object.bytes == file.content.bytes else {
        throw TapedeckError(.objectDamaged, detail: "\(file.object) has \(object.bytes) bytes")
      }
      return object
    }
  }

  /// Reads a piece of the object, which must not be empty.
  private func read(
    _ object: any StoredObject, at offset: Int64, limit: Int, _ file: File, _ admitted: Admitted<RecordingSubject>
  ) async throws(TapedeckError) -> ByteBuffer {
    try await noting(file, admitted) { () throws(TapedeckError) in
      let bytes = try await object.read(at: offset, limit: limit)
      guard bytes.readableBytes > 0 else {
        throw TapedeckError(.objectDamaged, detail: "\(file.object) ends at \(offset)")
      }
      return bytes
    }
  }

  /// Runs `body`; when it finds that the object is damaged or missing, marks the recording.
  private func noting<T>(
    _ file: File, _ admitted: Admitted<RecordingSubject>, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    do throws(TapedeckError) { return try await body() } catch {
      guard [.objectDamaged, .objectMissing].contains(error.code) else { throw error }
      let damage = await recordDamage(error.code, of: file, admitted)
      throw TapedeckError(error.code, damage, detail: error.detail, cause: error)
    }
  }

  /// Marks the recording as damaged, so that the next scrub verifies and repairs it.
  ///
  /// - Returns: what is wrong, as a sentence for the client.
  private func recordDamage(
    _ code: TapedeckError.Code, of file: File, _ admitted: Admitted<RecordingSubject>
  ) async -> String {
    let files = [DamagedFile(file.kind, code == .objectMissing ? .missing : .damaged)]
    guard let recording = admitted.subject.recording else { return "\(DamagedFile.finding(files))." }
    let known = recording.damage
    if let known, known.unusableFiles.contains(file.kind) { return known.sentence }
    let damage = Damage(
      // What is known about other files stays known.
      recordingID: recording.id, key: recording.key, files: (known?.files ?? []) + files, code: code,
      hasOriginal: admitted.subject.parts.contains { $0.original != nil }, details: ["object": "\(file.object)"])
    do throws(TapedeckError) { try await catalog.recordDamage([damage], at: now(), by: .playback) } catch {
      admitted.context.logger.error(
        "damage cannot be recorded", metadata: ["recording": "\(recording.key)", "error": "\(error)"])
    }
    return "\(damage.finding)."
  }

  private func file(_ wanted: Wanted, of part: MediaPart, key: RecordingKey) throws(TapedeckError) -> File {
    let object: ObjectName?
    let file: (content: ObjectContent, contentType: String, suffix: String)
    switch wanted {
    case .mp3:
      object = part.mp3.name
      file = (part.mp3.content, "audio/mpeg", "mp3")
    case .original:
      object = part.original
      let content = ObjectContent(hash: part.sourceHash, bytes: part.sourceBytes)
      let kind = part.original?.kind ?? .wav
      file = (content, kind.contentType, kind.rawValue)
    case .peaks:
      object = part.peaks.name
      file = (part.peaks.content, "application/octet-stream", "dat")
    }
    guard let object else {
      throw TapedeckError(.notFound, "The original was not kept. The MP3 is at /audio/\(key.pathSegment).mp3.")
    }
    return File(
      key: key, object: object, content: file.content, contentType: file.contentType, suffix: file.suffix,
      kind: wanted)
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
