import AsyncHTTPClient
import HTTPTransport
import Model
import NIOCore

/// The body of a response, read piece by piece.
struct S3Body {
  private var pieces: HTTPClientResponse.Body.AsyncIterator
  private let watch: StallWatch

  init(_ body: HTTPClientResponse.Body, watch: StallWatch) {
    pieces = body.makeAsyncIterator()
    self.watch = watch
  }

  /// The next piece; nil at the end.
  ///
  /// - Throws: `storageFailed` when the body breaks off, `interrupted`.
  mutating func next() async throws(TapedeckError) -> ByteBuffer? {
    watch.startWaiting()
    defer { watch.stopWaiting() }
    do { return try await pieces.next(isolation: #isolation) } catch {
      throw TransportFailures.objectStore.failure(error)
    }
  }

  /// The whole body.
  ///
  /// - Throws: `storageFailed`, including when the body is longer than `limit`; `interrupted`.
  mutating func whole(upTo limit: Int) async throws(TapedeckError) -> ByteBuffer {
    var bytes = ByteBuffer()
    while let piece = try await next() {
      guard piece.readableBytes <= limit - bytes.readableBytes else {
        throw TapedeckError(.storageFailed, "The object store's answer is longer than expected.")
      }
      bytes.writeImmutableBuffer(piece)
    }
    return bytes
  }

  /// The first bytes of the body, up to `limit`; a body that breaks off is not an error.
  mutating func beginning(upTo limit: Int) async -> ByteBuffer {
    var bytes = ByteBuffer()
    while bytes.readableBytes < limit, let piece = try? await next() {
      bytes.writeBytes(piece.readableBytesView.prefix(limit - bytes.readableBytes))
    }
    return bytes
  }
}
