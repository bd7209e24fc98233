import Crypto
import Foundation
package import Model
import NIOCore
import NIOHTTP1

extension S3ObjectStore {
  /// More pages than this in one folder, a million objects, are a listing that goes in circles.
  private static let mostPages = 1000

  package func sha256(of key: ObjectKey) async throws(TapedeckError) -> (sha256: String, bytes: Int64) {
    try await line.open(S3Call(method: .GET, name: name(of: key))) { answer, body throws(TapedeckError) in
      if answer.saysMissing { throw TapedeckError(.objectMissing, detail: location(of: key)) }
      guard answer.isSuccess else { throw line.failure(answer, "check object") }
      var (hash, bytes) = (SHA256(), Int64(0))
      while let piece = try await body.next() {
        piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        bytes += Int64(piece.readableBytes)
      }
      return (hex(hash.finalize()), bytes)
    }
  }

  package func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    let root = settings.name("")
    var objects: [ListedObject] = []
    var token: String?
    for _ in 0..<Self.mostPages {
      var query = [("encoding-type", "url"), ("list-type", "2"), ("prefix", "\(root)\(folder)/")]
      if let token { query.append(("continuation-token", token)) }
      let answer = try await line.success(
        of: S3Call(method: .GET, name: "", query: query), doing: "list objects")
      let page: ListPage
      do { page = try ListPage(answer.bytes) } catch { throw line.failure(answer, "list objects") }
      objects += page.entries.compactMap { entry in
        guard entry.name.hasPrefix(root), let key = ObjectKey(String(entry.name.dropFirst(root.count))),
          key.folder == folder
        else { return nil }
        return ListedObject(key: key, bytes: entry.bytes, changedAt: entry.changedAt)
      }
      guard let next = page.next else { return objects }
      if next == token { break }
      token = next
    }
    throw TapedeckError(.storageFailed, "The object store's listing does not come to an end.", detail: "folder \(folder)")
  }

  package func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) {
    heads.forget(key)
    if try await copyToQuarantine(key, because: reason) { try await delete(name(of: key)) }
  }

  /// Copies an object to the bucket's quarantine, with the reason as its metadata.
  ///
  /// - Returns: whether there was one.
  @discardableResult
  func copyToQuarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) -> Bool {
    let now = line.surroundings.now()
    let source = CanonicalRequest.encoded("/\(settings.bucket)/\(name(of: key))", keeping: "/")
    let answer = try await line.answer(
      to: S3Call(
        method: .PUT, name: settings.name("quarantine/\(now.fileName)-\(key.sha256).\(key.kind.rawValue)"),
        headers: [
          ("content-type", key.kind.contentType), ("x-amz-copy-source", source),
          ("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-key", key.description),
          ("x-amz-meta-quarantined-at", now.iso8601), ("x-amz-meta-reason", metadata(reason)),
        ]))
    if answer.saysMissing { return false }
    // Like the end of an upload in parts, a copy may fail after it said 200.
    guard answer.isSuccess, S3Word.read("ETag", of: "CopyObjectResult", in: answer.bytes) != nil else {
      throw line.failure(answer, "copy object to quarantine")
    }
    return true
  }

  package func probe() async throws(TapedeckError) {
    // Not below one of the 256 folders, so no listing meets it.
    let name = settings.name(makeOpaqueID("probe"))
    let bytes = randomBytes(32)
    try await line.success(of: S3Call(method: .PUT, name: name, payload: .bytes(bytes)), doing: "write probe")
    let answer = try await line.answer(to: S3Call(method: .GET, name: name))
    try await delete(name)
    guard answer.isSuccess else { throw line.failure(answer, "read probe") }
    guard answer.bytes == bytes else {
      throw TapedeckError(.storageFailed, "What was written to the object store was not what was read back.")
    }
  }

  /// Text as a header carries it: S3 takes 2 KiB of metadata in all, and no more than ASCII without a detour.
  private func metadata(_ text: String) -> String {
    String(text.unicodeScalars.prefix(1000).map { (0x20...0x7E).contains($0.value) ? Character($0) : "?" })
  }
}
