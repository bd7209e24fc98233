import Model
import NIOCore

/// A span of a file as a request body, read as fast as the connection accepts it.
struct FileUpload: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  private static let chunk = 256 << 10

  let file: OpenFile
  let span: Range<Int64>
  let watch: StallWatch

  struct AsyncIterator: AsyncIteratorProtocol {
    let upload: FileUpload
    var offset: Int64

    mutating func next() async throws -> ByteBuffer? {
      // A request for the next piece means that the last one was sent. Reading the disk is not the service's time.
      upload.watch.stopWaiting()
      defer { upload.watch.startWaiting() }
      guard offset < upload.span.upperBound else { return nil }
      let piece = try await upload.file.read(
        at: offset, limit: Int(Swift.min(Int64(FileUpload.chunk), upload.span.upperBound - offset)))
      offset += Int64(piece.readableBytes)
      return piece
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(upload: self, offset: span.lowerBound) }
}
