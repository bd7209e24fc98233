import Model
import NIOCore
import NIOHTTP1
import Synchronization

/// An object as it was when it was opened. Each span of it is a request of its own.
///
/// Whoever reads on where the last read ended is read ahead for: a round trip is saved for up to 1 MiB at a time.
final class S3Object: StoredObject {
  /// No read gives more than this.
  private static let longestRead = 4 << 20
  private static let longestReadAhead = 1 << 20

  private struct Ahead {
    /// Where the last read ended, and so where `held` begins.
    var position: Int64 = -1
    var held = ByteBuffer()
    /// How much the last request brought.
    var fetched = 0
  }

  var bytes: Int64 { head.bytes }
  private let store: S3ObjectStore
  private let key: ObjectKey
  private let head: S3Head
  private let ahead = Mutex(Ahead())

  init(store: S3ObjectStore, key: ObjectKey, head: S3Head) {
    self.store = store
    self.key = key
    self.head = head
  }

  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer {
    guard (0..<bytes).contains(offset), limit > 0 else { return ByteBuffer() }
    let wanted = Int(min(Int64(min(limit, Self.longestRead)), bytes - offset))
    var (piece, readAhead) = ahead.withLock { ahead -> (ByteBuffer, Int) in
      guard ahead.position == offset else { return (ByteBuffer(), 0) }
      let held = ahead.held.readSlice(length: min(wanted, ahead.held.readableBytes)) ?? ByteBuffer()
      ahead.position += Int64(held.readableBytes)
      return (held, min(ahead.fetched * 2, Self.longestReadAhead))
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
      return try await store.line.open(
        S3Call(
          method: .GET, name: store.name(of: key),
          headers: [("if-match", head.etag), ("range", "bytes=\(offset)-\(last)")])
      ) { answer, body throws(TapedeckError) in
        try self.check(answer, offset...last)
        let bytes = try await body.whole(upTo: count)
        guard bytes.readableBytes == count else { throw self.misunderstood(answer) }
        return bytes
      }
    } catch {
      // Whatever is wrong, whoever opens the object next is to look at it afresh.
      store.heads.forget(key)
      throw error
    }
  }

  /// Whether an answer brings just these bytes of just this object.
  private func check(_ answer: S3Answer, _ span: ClosedRange<Int64>) throws(TapedeckError) {
    switch answer.status {
    case 206:
      guard case .bytes(let first, let last, let total) = ContentRange(answer.headers["Content-Range"]) else {
        throw misunderstood(answer)
      }
      guard total == bytes else { throw changed("its length is \(total) and was \(bytes)") }
      guard first == span.lowerBound, last == span.upperBound else { throw misunderstood(answer) }
    // Who ignores ranges is right where the range is everything.
    case 200 where span == 0...(bytes - 1): break
    case 200..<300: throw misunderstood(answer)
    case 412: throw changed("it was replaced since it was opened")
    case 416: throw changed("it is shorter than when it was opened")
    case _ where answer.saysMissing: throw TapedeckError(.objectMissing, detail: store.location(of: key))
    default: throw store.line.failure(answer, "read object")
    }
  }

  private func changed(_ how: String) -> TapedeckError {
    TapedeckError(.objectDamaged, detail: "\(store.location(of: key)): \(how)")
  }

  private func misunderstood(_ answer: S3Answer) -> TapedeckError {
    TapedeckError(
      .storageFailed, "The object store did not answer with the bytes that were asked for.",
      detail: "read object: status \(answer.status), range '\(answer.headers.first(name: "Content-Range") ?? "")'")
  }
}
