import Model
import NIOCore

/// The bytes of a file as they are sent, read as fast as the connection takes them.
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
      // Whoever asks for more has sent what it had. The time in which the disk is read is ours.
      upload.watch.sawSign()
      defer { upload.watch.expectSign() }
      guard offset < upload.span.upperBound else { return nil }
      let piece = try await upload.file.read(
        at: offset, limit: Int(Swift.min(Int64(FileUpload.chunk), upload.span.upperBound - offset)))
      offset += Int64(piece.readableBytes)
      return piece
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(upload: self, offset: span.lowerBound) }
}
