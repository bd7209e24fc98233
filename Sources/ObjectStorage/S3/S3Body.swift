import AsyncHTTPClient
import Model
import NIOCore

/// The body of an answer, piece by piece.
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
    watch.expectSign()
    defer { watch.sawSign() }
    do { return try await pieces.next(isolation: #isolation) } catch { throw S3Transport.failure(error) }
  }

  /// All of it.
  ///
  /// - Throws: `storageFailed`, also when there is more than `limit`; `interrupted`.
  mutating func whole(upTo limit: Int) async throws(TapedeckError) -> ByteBuffer {
    var bytes = ByteBuffer()
    while let piece = try await next() {
      guard piece.readableBytes <= limit - bytes.readableBytes else {
        throw TapedeckError(.storageFailed, "The object store's answer is longer than it can be.")
      }
      bytes.writeImmutableBuffer(piece)
    }
    return bytes
  }

  /// As much of it as comes, up to `limit`: an error page says enough by its status.
  mutating func beginning(upTo limit: Int) async -> ByteBuffer {
    var bytes = ByteBuffer()
    while bytes.readableBytes < limit, let piece = try? await next() {
      bytes.writeBytes(piece.readableBytesView.prefix(limit - bytes.readableBytes))
    }
    return bytes
  }
}
