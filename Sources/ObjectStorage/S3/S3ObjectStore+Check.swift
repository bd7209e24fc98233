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
}
