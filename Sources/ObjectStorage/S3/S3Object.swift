import Model
import NIOCore
import NIOHTTP1
import Synchronization

/// An object as it was when it was opened; each read is a request.
///
/// Sequential reads fetch ahead, up to 1 MiB at a time, to save round trips.
final class S3Object: StoredObject {
  /// The longest read.
  private static let maxReadBytes = 4 << 20
  private static let maxReadAhead = 1 << 20

  private struct Ahead {
    /// Where the last read ended and `held` begins.
    var position: Int64 = -1
    var held = ByteBuffer()
    /// The bytes of the last request.
    var fetched = 0
  }

  var bytes: Int64 { head.bytes }
  private let store: S3ObjectStore
  private let name: ObjectName
  private let head: S3Head
  private let ahead = Mutex(Ahead())

  init(store: S3ObjectStore, name: ObjectName, head: S3Head) {
    self.store = store
    self.name = name
    self.head = head
  }

  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer {
    guard (0..<bytes).contains(offset), limit > 0 else { return ByteBuffer() }
    let wanted = Int(min(Int64(min(limit, Self.maxReadBytes)), bytes - offset))
    var (piece, readAhead) = ahead.withLock { ahead -> (ByteBuffer, Int) in
      guard ahead.position == offset else { return (ByteBuffer(), 0) }
      let held = ahead.held.readSlice(length: min(wanted, ahead.held.readableBytes)) ?? ByteBuffer()
      ahead.position += Int64(held.readableBytes)
      return (held, min(ahead.fetched * 2, Self.maxReadAhead))
    }
    guard piece.readableBytes < wanted else { return piece }
    let start = offset + Int64(piece.readableBytes)
    let missing = wanted - piece.readableBytes
    let count = Int(min(Int64(max(missing, readAhead)), bytes - start))
    var fetched = try await fetch(start, count)
    if let rest = fetched.readSlice(length: missing) { piece.writeImmutableBuffer(rest) }
    ahead.withLock { $0 = Ahead(position: offset + Int64(wanted), held: fetched, fetched: count) }
    return piece
  }

  private func fetch(_ offset: Int64, _ count: Int) async throws(TapedeckError) -> ByteBuffer {
    let last = offset + Int64(count) - 1
    do {
      return try await store.client.open(
        S3Call(
          method: .GET, key: store.key(of: name),
          headers: [("if-match", head.etag), ("range", "bytes=\(offset)-\(last)")])
      ) { answer, body throws(TapedeckError) in
        try self.check(answer, offset...last)
        let bytes = try await body.whole(upTo: count)
        guard bytes.readableBytes == count else { throw self.misunderstood(answer) }
        return bytes
      }
    } catch {
      // The next reader must not use cached metadata.
      store.heads.forget(name)
      throw error
    }
  }

  /// Throws unless a response has exactly these bytes of exactly this object.
  private func check(_ answer: S3Answer, _ span: ClosedRange<Int64>) throws(TapedeckError) {
    switch answer.status {
    case 206:
      guard case .bytes(let first, let last, let total) = ContentRange(answer.headers["Content-Range"]) else {
        throw misunderstood(answer)
      }
      guard total == bytes else { throw changed("its length is \(total) and was \(bytes)") }
      guard first == span.lowerBound, last == span.upperBound else { throw misunderstood(answer) }
    // A service that ignores ranges is right when the range is the whole object.
    case 200 where span == 0...(bytes - 1): break
    case 200..<300: throw misunderstood(answer)
    case 412: throw changed("it was replaced since it was opened")
    case 416: throw changed("it is shorter than when it was opened")
    case _ where answer.saysMissing: throw TapedeckError(.objectMissing, detail: store.location(of: name))
    default: throw store.client.failure(answer, "read object")
    }
  }

  private func changed(_ how: String) -> TapedeckError {
    TapedeckError(.objectDamaged, detail: "\(store.location(of: name)): \(how)")
  }

  private func misunderstood(_ answer: S3Answer) -> TapedeckError {
    TapedeckError(
      .storageFailed, "The object store did not send the requested bytes.",
      detail: "read object: status \(answer.status), range '\(answer.headers.first(name: "Content-Range") ?? "")'")
  }
}

/// The metadata of an object, from HEAD.
struct S3Head: Sendable, Equatable {
  var bytes: Int64
  /// With its quotes. Changes when the object is written again.
  var etag: String
  /// The SHA-256 of the whole object in base64; nil when the service has none.
  var checksum: String?

  init?(_ answer: S3Answer) {
    guard let bytes = answer.headers.first(name: "Content-Length").flatMap({ byteCount($0) }),
      let etag = answer.headers.first(name: "ETag"), !etag.isEmpty
    else { return nil }
    self.bytes = bytes
    self.etag = etag
    // The checksum of an object in parts is a checksum of checksums. Not every service marks it as such.
    let isComposite = etag.contains("-") || answer.headers.first(name: "x-amz-checksum-type") == "COMPOSITE"
    checksum = isComposite ? nil : answer.headers.first(name: "x-amz-checksum-sha256")
  }

  /// Whether the object may have this content, as far as the metadata shows.
  func fits(_ content: ObjectContent) -> Bool {
    bytes == content.bytes && (checksum == nil || checksum == base64(hexadecimal: content.hash.rawValue))
  }
}

extension S3Client {
  /// The metadata of an object; nil when there is no object.
  ///
  /// - Throws: `storageFailed`, `interrupted`.
  func head(_ key: String, closesConnection: Bool) async throws(TapedeckError) -> S3Head? {
    let answer = try await answer(
      to: S3Call(
        method: .HEAD, key: key, headers: [("x-amz-checksum-mode", "ENABLED")], closesConnection: closesConnection))
    if answer.isSuccess {
      guard let head = S3Head(answer) else { throw failure(answer, "read metadata of object") }
      return head
    }
    // A response to HEAD has no body, so it cannot say whether the object or the bucket is missing; a GET does.
    let reason = try await self.answer(
      to: S3Call(method: .GET, key: key, headers: [("range", "bytes=0-0")]), upTo: 1)
    if answer.status == 404, reason.isSuccess || reason.saysMissing { return nil }
    throw failure(reason.isSuccess ? answer : reason, "read metadata of object")
  }
}
