package import Model
import NIOHTTP1

extension S3ObjectStore {
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
    guard answer.isSuccess, S3Word.read("ETag", in: answer.bytes) != nil else {
      throw line.failure(answer, "copy object to quarantine")
    }
    return true
  }

  /// Text as a header carries it: S3 takes 2 KiB of metadata in all, and no more than ASCII without a detour.
  private func metadata(_ text: String) -> String {
    String(text.unicodeScalars.prefix(1000).map { (0x20...0x7E).contains($0.value) ? Character($0) : "?" })
  }
}
