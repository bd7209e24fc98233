package import Model
import NIOHTTP1

extension S3ObjectStore {
  package func quarantine(_ name: ObjectName, because reason: String) async throws(TapedeckError) {
    heads.forget(name)
    guard let head = try await metadata(at: key(of: name)),
      try await copyToQuarantine(name, bytes: head.bytes, because: reason)
    else { return }
    try await remove(name)
  }

  /// Copies an object to the bucket's quarantine, with the reason as metadata.
  ///
  /// - Parameter bytes: the object's length.
  /// - Returns: false when there is no object.
  @discardableResult
  func copyToQuarantine(
    _ name: ObjectName, bytes: Int64, because reason: String
  ) async throws(TapedeckError) -> Bool {
    let now = client.system.now()
    let target = settings.key("quarantine/\(now.fileName)-\(name.file)")
    let source = (
      name: "x-amz-copy-source", value: percentEncoded("/\(settings.bucket)/\(key(of: name))", keeping: "-._~/")
    )
    let about = [
      (name: "content-type", value: name.kind.contentType), (name: "x-amz-meta-object", value: name.description),
      (name: "x-amz-meta-quarantined-at", value: now.iso8601), (name: "x-amz-meta-reason", value: metadata(reason)),
    ]
    if bytes > settings.copyThreshold {
      return try await copyParts(of: bytes, from: source, to: target, headers: about)
    }
    let answer = try await client.answer(
      to: S3Call(
        method: .PUT, key: target, headers: about + [source, (name: "x-amz-metadata-directive", value: "REPLACE")]))
    if answer.saysMissing { return false }
    // A copy may fail after the status 200 was sent; only the body tells.
    guard answer.isSuccess, answer.text(of: "ETag") != nil else {
      throw client.failure(answer, "copy object to quarantine")
    }
    return true
  }

  /// Text as a header value: S3 takes 2 KiB of metadata in all, and other characters than ASCII need an encoding.
  private func metadata(_ text: String) -> String {
    String(text.unicodeScalars.prefix(1000).map { (0x20...0x7E).contains($0.value) ? Character($0) : "?" })
  }
}
