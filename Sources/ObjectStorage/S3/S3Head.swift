import Foundation
import Model
import NIOHTTP1

/// What the head of an object says.
struct S3Head: Sendable, Equatable {
  var bytes: Int64
  /// With its quotes. Another one means other bytes, or the same ones stored anew.
  var etag: String
  /// SHA-256 of the whole object in base64, where the store keeps one.
  var checksum: String?

  init?(_ answer: S3Answer) {
    guard let bytes = answer.headers.first(name: "Content-Length").flatMap({ byteCount($0) }),
      let etag = answer.headers.first(name: "ETag"), !etag.isEmpty
    else { return nil }
    self.bytes = bytes
    self.etag = etag
    // The checksum of an object in parts is one of the parts' checksums. Not every store marks it as such.
    let isComposite = etag.contains("-") || answer.headers.first(name: "x-amz-checksum-type") == "COMPOSITE"
    checksum = isComposite ? nil : answer.headers.first(name: "x-amz-checksum-sha256")
  }

  /// Whether an object of that length and key may have this head.
  func fits(_ key: ObjectKey, bytes: Int64) -> Bool {
    self.bytes == bytes && (checksum == nil || checksum == base64(hexadecimal: key.sha256))
  }
}

extension S3Line {
  /// The head of an object; nil where there is none.
  ///
  /// - Throws: `storageFailed`, `interrupted`.
  func head(_ name: String) async throws(TapedeckError) -> S3Head? {
    let answer = try await answer(
      to: S3Call(method: .HEAD, name: name, headers: [("x-amz-checksum-mode", "ENABLED")]))
    if answer.isSuccess {
      guard let head = S3Head(answer) else { throw failure(answer, "look at object") }
      return head
    }
    // An answer to HEAD has no body, so nobody knows why it is none: whether the object is missing or the bucket.
    let reason = try await self.answer(
      to: S3Call(method: .GET, name: name, headers: [("range", "bytes=0-0")]), upTo: 1)
    if answer.status == 404, reason.isSuccess || reason.saysMissing { return nil }
    throw failure(reason.isSuccess ? answer : reason, "look at object")
  }
}

/// Bytes in hexadecimal digits as base64; empty for anything else.
func base64(hexadecimal text: String) -> String {
  let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
  guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return "" }
  return Data(stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) })
    .base64EncodedString()
}
