import Crypto
import Foundation
import Model
import NIOHTTP1

extension S3ObjectStore {
  /// S3 takes no more parts than this.
  private static let mostParts: Int64 = 10_000
  /// As long may it take to give parts up, so that nobody waits at the end of the program.
  private static let farewell: Duration = .seconds(10)

  /// Writes a file in parts, one after the other. Nothing is visible before the last request, and when anything fails
  /// the parts are given up.
  func writeParts(_ file: OpenFile, _ key: ObjectKey, replacing: Bool) async throws(TapedeckError) -> Written {
    let upload = try await beginUpload(
      name(of: key), [("content-type", key.kind.contentType), ("x-amz-checksum-algorithm", "SHA256")])
    do throws(TapedeckError) {
      let parts = try await send(file, key, upload)
      let written = try await complete(upload, parts, replacing: replacing)
      if written == .taken { await abandon(upload) }
      return written
    } catch {
      await abandon(upload)
      throw error
    }
  }

  /// Lets the store copy an object in parts, one after the other, as it does with what is too long for one copy.
  ///
  /// - Returns: whether there was one.
  func copyParts(
    of bytes: Int64, from source: (name: String, value: String), to target: String,
    headers: [(name: String, value: String)]
  ) async throws(TapedeckError) -> Bool {
    let upload = try await beginUpload(target, headers)
    do throws(TapedeckError) {
      let length = max(settings.copyPartBytes, (bytes + Self.mostParts - 1) / Self.mostParts)
      var parts: [CompletedParts.Part] = []
      for offset in stride(from: 0, to: bytes, by: Int(length)) {
        let last = min(offset + length, bytes) - 1
        let answer = try await line.answer(
          to: S3Call(
            method: .PUT, name: target, query: [("partNumber", "\(parts.count + 1)"), ("uploadId", upload.id)],
            headers: [source, ("x-amz-copy-source-range", "bytes=\(offset)-\(last)")]))
        if answer.saysMissing {
          await abandon(upload)
          return false
        }
        guard answer.isSuccess, let etag = S3Word.read("ETag", in: answer.bytes) else {
          throw line.failure(answer, "copy part of object")
        }
        parts.append(.init(etag: etag))
      }
      guard try await complete(upload, parts, replacing: true) == .done else {
        throw TapedeckError(.storageFailed, detail: "complete copy: the object store was writing the same name")
      }
      return true
    } catch {
      await abandon(upload)
      throw error
    }
  }

  struct Upload: Sendable {
    var name: String
    var id: String
  }

  private func beginUpload(
    _ name: String, _ headers: [(name: String, value: String)]
  ) async throws(TapedeckError) -> Upload {
    let answer = try await line.success(
      of: S3Call(method: .POST, name: name, query: [("uploads", "")], headers: headers), doing: "begin upload")
    guard let id = S3Word.read("UploadId", in: answer.bytes),
      (1...4096).contains(id.utf8.count)
    else { throw line.failure(answer, "begin upload") }
    return Upload(name: name, id: id)
  }

  /// Hashes each part and sends it, and checks at the end that all of them together have the key's hash, which no
  /// store does: the checksum of an object in parts is one of checksums.
  private func send(
    _ file: OpenFile, _ key: ObjectKey, _ upload: Upload
  ) async throws(TapedeckError) -> [CompletedParts.Part] {
    let length = max(settings.partBytes, (file.bytes + Self.mostParts - 1) / Self.mostParts)
    var parts: [CompletedParts.Part] = []
    var whole = SHA256()
    var offset: Int64 = 0
    while offset < file.bytes {
      let span = offset..<min(offset + length, file.bytes)
      whole = try await file.hash(span, continuing: whole)
      let sha256 = hex(try await file.hash(span).finalize())
      let checksum = base64(hexadecimal: sha256)
      let answer = try await line.success(
        of: S3Call(
          method: .PUT, name: upload.name,
          query: [("partNumber", "\(parts.count + 1)"), ("uploadId", upload.id)],
          headers: [("x-amz-checksum-sha256", checksum), ("x-amz-sdk-checksum-algorithm", "SHA256")],
          payload: .file(file, span, sha256: sha256)), doing: "upload part")
      guard let etag = answer.headers.first(name: "ETag") else { throw line.failure(answer, "upload part") }
      parts.append(.init(etag: etag, checksum: checksum))
      offset = span.upperBound
    }
    try check(hex(whole.finalize()), isOf: key)
    return parts
  }

  private func complete(
    _ upload: Upload, _ parts: [CompletedParts.Part], replacing: Bool
  ) async throws(TapedeckError) -> Written {
    let answer = try await line.answer(
      to: S3Call(
        method: .POST, name: upload.name, query: [("uploadId", upload.id)],
        headers: [("content-type", "application/xml")] + condition(replacing),
        payload: .bytes(CompletedParts.encode(parts))))
    let written = try written(answer)
    // S3 says 200 before it knows: the truth is in the body.
    if written == .done, S3Word.read("ETag", in: answer.bytes) == nil {
      throw line.failure(answer, "complete upload")
    }
    return written
  }

  /// Gives an upload's parts up. If that fails too, the bucket's rule for unfinished uploads removes them one day.
  private func abandon(_ upload: Upload) async {
    // Not a child: whoever was cancelled must still say that the parts are not wanted any more.
    let task = Task {
      await limited {
        _ = try? await line.answer(
          to: S3Call(method: .DELETE, name: upload.name, query: [("uploadId", upload.id)]))
      } by: {
        try await line.surroundings.sleep(Self.farewell)
      }
    }
    _ = await task.value
  }
}
