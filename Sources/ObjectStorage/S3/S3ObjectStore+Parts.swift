import Crypto
import Foundation
import Model
import NIOHTTP1

extension S3ObjectStore {
  /// S3 allows no more parts than this.
  private static let maxParts: Int64 = 10_000
  /// The time limit for aborting an upload, so that a shutdown does not wait for it.
  private static let abortTimeout: Duration = .seconds(10)

  /// Writes a file in parts, one after the other. The object becomes visible with the last request; after a failure the
  /// upload is aborted.
  func writeParts(
    _ file: OpenFile, _ name: ObjectName, _ hash: ContentHash, replacing: Bool
  ) async throws(TapedeckError) -> Written {
    let upload = try await beginUpload(
      key(of: name), [("content-type", name.kind.contentType), ("x-amz-checksum-algorithm", "SHA256")])
    do throws(TapedeckError) {
      let parts = try await send(file, name, hash, upload)
      let written = try await complete(upload, parts, replacing: replacing)
      if written == .taken { await abort(upload) }
      return written
    } catch {
      await abort(upload)
      throw error
    }
  }

  /// Has S3 copy an object in parts, one after the other; for objects that are too long for one copy.
  ///
  /// - Returns: false when there is no object.
  func copyParts(
    of bytes: Int64, from source: (name: String, value: String), to target: String,
    headers: [(name: String, value: String)]
  ) async throws(TapedeckError) -> Bool {
    let upload = try await beginUpload(target, headers)
    do throws(TapedeckError) {
      let length = max(settings.copyPartBytes, (bytes + Self.maxParts - 1) / Self.maxParts)
      var parts: [CompletedParts.Part] = []
      for offset in stride(from: 0, to: bytes, by: Int(length)) {
        let last = min(offset + length, bytes) - 1
        let answer = try await client.answer(
          to: S3Call(
            method: .PUT, key: target, query: [("partNumber", "\(parts.count + 1)"), ("uploadId", upload.id)],
            headers: [source, ("x-amz-copy-source-range", "bytes=\(offset)-\(last)")]))
        if answer.saysMissing {
          await abort(upload)
          return false
        }
        guard answer.isSuccess, let etag = answer.text(of: "ETag") else {
          throw client.failure(answer, "copy part of object")
        }
        parts.append(.init(etag: etag))
      }
      guard try await complete(upload, parts, replacing: true) == .done else {
        throw TapedeckError(.storageFailed, detail: "complete copy: another request is writing the same key")
      }
      return true
    } catch {
      await abort(upload)
      throw error
    }
  }

  /// Writes bytes as an upload with a single part, to check that the service supports it.
  func probeParts(_ bytes: [UInt8], to key: String) async throws(TapedeckError) {
    let upload = try await beginUpload(key, [("x-amz-checksum-algorithm", "SHA256")])
    do throws(TapedeckError) {
      let digest = SHA256.hash(data: bytes)
      let checksum = base64(hexadecimal: hex(digest)) ?? ""
      let answer = try await client.success(
        of: S3Call(
          method: .PUT, key: key, query: [("partNumber", "1"), ("uploadId", upload.id)],
          headers: [("x-amz-checksum-sha256", checksum), ("x-amz-sdk-checksum-algorithm", "SHA256")],
          payload: .bytes(bytes)), doing: "upload part of probe")
      guard let etag = answer.headers.first(name: "ETag") else { throw client.failure(answer, "upload part of probe") }
      guard try await complete(upload, [.init(etag: etag, checksum: checksum)], replacing: true) == .done else {
        throw TapedeckError(.storageFailed, detail: "complete probe: another request is writing the same key")
      }
    } catch {
      await abort(upload)
      throw error
    }
  }

  struct Upload: Sendable {
    var key: String
    var id: String
  }

  private func beginUpload(
    _ key: String, _ headers: [(name: String, value: String)]
  ) async throws(TapedeckError) -> Upload {
    let answer = try await client.success(
      of: S3Call(method: .POST, key: key, query: [("uploads", "")], headers: headers), doing: "begin upload")
    guard let id = answer.text(of: "UploadId"),
      (1...4096).contains(id.utf8.count)
    else { throw client.failure(answer, "begin upload") }
    return Upload(key: key, id: id)
  }

  /// Hashes and sends each part, then checks the hash of the whole file. S3 cannot: the checksum of an object in parts
  /// is a checksum of checksums.
  private func send(
    _ file: OpenFile, _ name: ObjectName, _ hash: ContentHash, _ upload: Upload
  ) async throws(TapedeckError) -> [CompletedParts.Part] {
    let length = max(settings.partBytes, (file.bytes + Self.maxParts - 1) / Self.maxParts)
    var parts: [CompletedParts.Part] = []
    var whole = SHA256()
    var offset: Int64 = 0
    while offset < file.bytes {
      let span = offset..<min(offset + length, file.bytes)
      whole = try await file.hash(span, continuing: whole)
      let sha256 = hex(try await file.hash(span).finalize())
      let checksum = base64(hexadecimal: sha256) ?? ""
      let answer = try await client.success(
        of: S3Call(
          method: .PUT, key: upload.key,
          query: [("partNumber", "\(parts.count + 1)"), ("uploadId", upload.id)],
          headers: [("x-amz-checksum-sha256", checksum), ("x-amz-sdk-checksum-algorithm", "SHA256")],
          payload: .file(file, span, sha256: sha256)), doing: "upload part")
      guard let etag = answer.headers.first(name: "ETag") else { throw client.failure(answer, "upload part") }
      parts.append(.init(etag: etag, checksum: checksum))
      offset = span.upperBound
    }
    try check(ContentHash(digest: whole.finalize()), is: hash, of: name)
    return parts
  }

  private func complete(
    _ upload: Upload, _ parts: [CompletedParts.Part], replacing: Bool
  ) async throws(TapedeckError) -> Written {
    func answer(withChecksums: Bool) async throws(TapedeckError) -> S3Answer {
      let parts = withChecksums ? parts : parts.map { CompletedParts.Part(etag: $0.etag) }
      return try await answerUnlessTaken(
        S3Call(
          method: .POST, key: upload.key, query: [("uploadId", upload.id)],
          headers: [("content-type", "application/xml")], payload: .bytes(CompletedParts.encode(parts))),
        replacing: replacing)
    }
    // Another upload may find out that the service refuses them while this one waits for its response.
    let withChecksums = !missing.partChecksums
    var result = try await answer(withChecksums: withChecksums)
    if result.errorCode == "MalformedXML", withChecksums, parts.contains(where: { $0.checksum != nil }) {
      result = try await answer(withChecksums: false)
      if result.isSuccess { missing.partChecksums = true }
    }
    let written = try written(result)
    // S3 sends status 200 before it has finished: only the body tells the result.
    if written == .done, result.text(of: "ETag") == nil {
      throw client.failure(result, "complete upload")
    }
    return written
  }

  /// Aborts an upload. If that fails too, the bucket's lifecycle rule for unfinished uploads removes the parts.
  private func abort(_ upload: Upload) async {
    // Not a child task: the parts must be removed even after a cancellation.
    let task = Task {
      await limited {
        _ = try? await client.answer(
          to: S3Call(method: .DELETE, key: upload.key, query: [("uploadId", upload.id)]))
      } by: {
        try await client.system.sleep(Self.abortTimeout)
      }
    }
    _ = await task.value
  }
}

/// The request body of CompleteMultipartUpload.
enum CompletedParts {
  struct Part: Sendable {
    var etag: String
    /// In base64; nil for an upload without checksums of its parts.
    var checksum: String?
  }

  static func encode(_ parts: [Part]) -> [UInt8] {
    let list = parts.enumerated().map { index, part in
      "<Part>" + (part.checksum.map { "<ChecksumSHA256>\(escaped($0))</ChecksumSHA256>" } ?? "")
        + "<ETag>\(escaped(part.etag))</ETag><PartNumber>\(index + 1)</PartNumber></Part>"
    }
    return Array(
      ("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + list.joined()
        + "</CompleteMultipartUpload>").utf8)
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
