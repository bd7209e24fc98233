import Crypto
import Foundation
package import Model
import NIOCore
import NIOHTTP1

extension S3ObjectStore {
  package func content(of name: ObjectName) async throws(TapedeckError) -> ObjectContent {
    try await client.open(S3Call(method: .GET, key: key(of: name))) { answer, body throws(TapedeckError) in
      if answer.saysMissing { throw TapedeckError(.objectMissing, detail: location(of: name)) }
      guard answer.isSuccess else { throw client.failure(answer, "check object") }
      var (hash, bytes) = (SHA256(), Int64(0))
      while let piece = try await body.next() {
        piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        bytes += Int64(piece.readableBytes)
      }
      return ObjectContent(hash: ContentHash(digest: hash.finalize()), bytes: bytes)
    }
  }

  package func probe() async throws(TapedeckError) {
    // Outside of the 256 folders, so that no listing shows it.
    let key = settings.key(makeOpaqueID("probe"))
    let bytes = randomBytes(32)
    try await client.success(of: S3Call(method: .PUT, key: key, payload: .bytes(bytes)), doing: "write probe")
    let read = await Result(running: { () async throws(TapedeckError) in
      try await client.answer(to: S3Call(method: .GET, key: key))
    })
    try await delete(key)
    let answer = try read.get()
    guard answer.isSuccess else { throw client.failure(answer, "read probe") }
    guard answer.bytes == bytes else {
      throw TapedeckError(.storageFailed, "The bytes read back from the object store are not those written to it.")
    }
  }
}
