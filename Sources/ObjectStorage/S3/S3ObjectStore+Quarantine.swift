package import Model
import NIOHTTP1

extension S3ObjectStore {
  package func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) {
    heads.forget(key)
    guard let head = try await line.head(name(of: key)),
      try await copyToQuarantine(key, bytes: head.bytes, because: reason)
    else { return }
    try await delete(name(of: key))
    heads.forget(key)
  }

  /// Copies an object of that length to the bucket's quarantine, with the reason as its metadata.
  ///
  /// - Returns: whether there was one.
  @discardableResult
  func copyToQuarantine(
    _ key: ObjectKey, bytes: Int64, because reason: String
  ) async throws(TapedeckError) -> Bool {
    let now = line.surroundings.now()
    let target = settings.name("quarantine/\(now.fileName)-\(key.sha256).\(key.kind.rawValue)")
    let source = (
      name: "x-amz-copy-source", value: CanonicalRequest.encoded("/\(settings.bucket)/\(name(of: key))", keeping: "/")
    )
    let about = [
      (name: "content-type", value: key.kind.contentType), (name: "x-amz-meta-key", value: key.description),
      (name: "x-amz-meta-quarantined-at", value: now.iso8601), (name: "x-amz-meta-reason", value: metadata(reason)),
    ]
    if bytes > settings.copyThreshold {
      return try await copyParts(of: bytes, from: source, to: target, headers: about)
    }
    let answer = try await line.answer(
      to: S3Call(
        method: .PUT, name: target, headers: about + [source, (name: "x-amz-metadata-directive", value: "REPLACE")]))
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
