import Crypto
import Foundation
package import Model
import NIOCore
import NIOHTTP1

extension S3ObjectStore {
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

  package func probe() async throws(TapedeckError) {
    // Not below one of the 256 folders, so no listing meets it.
    let name = settings.name(makeOpaqueID("probe"))
    let bytes = randomBytes(32)
    try await line.success(of: S3Call(method: .PUT, name: name, payload: .bytes(bytes)), doing: "write probe")
    let read = await Result(running: { () async throws(TapedeckError) in
      try await line.answer(to: S3Call(method: .GET, name: name))
    })
    try await delete(name)
    let answer = try read.get()
    guard answer.isSuccess else { throw line.failure(answer, "read probe") }
    guard answer.bytes == bytes else {
      throw TapedeckError(.storageFailed, "What was written to the object store was not what was read back.")
    }
  }
}
