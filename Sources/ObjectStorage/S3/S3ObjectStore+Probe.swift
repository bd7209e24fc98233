package import Model
import NIOHTTP1

extension S3ObjectStore {
  package func probe() async throws(TapedeckError) -> [String] {
    // Outside of the 256 folders, so that no listing shows it.
    let key = settings.key(makeOpaqueID("probe"))
    let bytes = randomBytes(32)
    try await client.success(of: S3Call(method: .PUT, key: key, payload: .bytes(bytes)), doing: "write probe")
    return try await removing(key) { () throws(TapedeckError) in try await probe(key, bytes) }
  }

  /// Deletes what has that key after `body`, whose failure says more than one of the deletion.
  private func removing<T: Sendable>(
    _ key: String, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    let result = await Result(running: body)
    let removal = await Result(running: { () async throws(TapedeckError) in try await delete(key) })
    let value = try result.get()
    do throws(TapedeckError) { try removal.get() } catch { throw lacking("DeleteObject", "s3:DeleteObject", error) }
    return value
  }

  private func probe(_ key: String, _ bytes: [UInt8]) async throws(TapedeckError) -> [String] {
    let answer = try await client.success(of: S3Call(method: .GET, key: key), doing: "read probe")
    guard answer.bytes == bytes else {
      throw TapedeckError(.storageFailed, "The bytes read back from the object store are not those written to it.")
    }
    var notes: [String] = []
    try await step("ranges", "s3:GetObject") { () throws(TapedeckError) in
      let answer = try await client.success(
        of: S3Call(method: .GET, key: key, headers: [("range", "bytes=8-15")]), doing: "read range of probe")
      guard answer.status == 206, answer.bytes == Array(bytes[8...15]) else {
        throw TapedeckError(.storageFailed, "The object store ignored the range.", detail: "status \(answer.status)")
      }
    }
    try await step("HeadObject", "s3:GetObject") { () throws(TapedeckError) in
      guard try await metadata(at: key)?.bytes == Int64(bytes.count) else {
        throw TapedeckError(.storageFailed, "The object store did not report the length of an object.")
      }
    }
    try await step("ListObjectsV2", "s3:ListBucket") { () throws(TapedeckError) in
      let answer = try await client.success(
        of: S3Call(
          method: .GET, key: "", query: [("encoding-type", "url"), ("list-type", "2"), ("prefix", key)]),
        doing: "list probe")
      guard let page = try? ListPage(answer.bytes), page.entries.contains(where: { $0.key == key }) else {
        throw TapedeckError(.storageFailed, "The object store's listing lacks an object that was just written.")
      }
    }
    let copy = "\(key)-copy"
    try await removing(copy) { () throws(TapedeckError) in try await probeCopy(of: key, bytes, to: copy) }
    if missing.partChecksums {
      notes.append("It rejects checksums when an upload in parts is completed, so they are left out.")
    }
    try await step("conditional PUT", "s3:PutObject") { () throws(TapedeckError) in
      let answer = try await client.answer(
        to: S3Call(method: .PUT, key: key, headers: [("if-none-match", "*")], payload: .bytes(bytes)))
      switch answer.status {
      case 412, 409: break
      case 200..<300:
        notes.append("It ignores If-None-Match, so a damaged small object is replaced without a copy in quarantine.")
      case _ where answer.saysNotImplemented:
        missing.conditions = true
        notes.append("It has no conditional PUT, so Tapedeck looks for an object before it writes it.")
      default: throw client.failure(answer, "write probe on a condition")
      }
    }
    return notes
  }

  private func probeCopy(of key: String, _ bytes: [UInt8], to copy: String) async throws(TapedeckError) {
    try await step("CopyObject", "s3:GetObject and s3:PutObject") { () throws(TapedeckError) in
      let source = percentEncoded("/\(settings.bucket)/\(key)", keeping: "-._~/")
      let answer = try await client.success(
        of: S3Call(
          method: .PUT, key: copy,
          headers: [("x-amz-copy-source", source), ("x-amz-metadata-directive", "REPLACE")]), doing: "copy probe")
      guard answer.text(of: "ETag") != nil else { throw client.failure(answer, "copy probe") }
    }
    try await step("multipart uploads", "s3:PutObject and s3:AbortMultipartUpload") { () throws(TapedeckError) in
      try await probeParts(bytes, to: copy)
    }
  }

  private func step(
    _ feature: String, _ permission: String, _ body: () async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    do throws(TapedeckError) { try await body() } catch { throw lacking(feature, permission, error) }
  }

  /// The error for a feature that failed while simple requests succeed.
  private func lacking(_ feature: String, _ permission: String, _ error: TapedeckError) -> TapedeckError {
    guard error.code == .storageFailed else { return error }
    var error = error
    error.message = "The check of \(feature) failed (permission \(permission)): \(error.message)"
    return error
  }
}
