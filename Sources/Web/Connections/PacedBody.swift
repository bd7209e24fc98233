import HTTPTypes
import Hummingbird
import NIOCore

/// Sends long bodies in pieces, each when the operating system has taken the one before.
enum PacedBody {
  /// The bytes that are handed to a connection at a time. Shorter bodies are sent at once.
  static let piece = 64 << 10
}

extension ResponseBody {
  /// The same body, sent in pieces. It counts as one of the streams of its identity until the last piece is sent.
  func paced(by stream: Streams.Stream, on channel: any Channel) -> ResponseBody {
    ResponseBody(contentLength: contentLength) { [self] writer in
      try await write(PacedWriter(base: writer, stream: stream, channel: channel))
    }
  }
}

private struct PacedWriter: ResponseBodyWriter {
  var base: any ResponseBodyWriter
  let stream: Streams.Stream
  let channel: any Channel

  @concurrent mutating func write(_ buffer: ByteBuffer) async throws {
    var rest = buffer
    while let piece = rest.readSlice(length: min(PacedBody.piece, rest.readableBytes)), piece.readableBytes > 0 {
      try await base.write(piece)
      // Without this, pieces gather in memory faster than the event loop notices that the client does not read. Where
      // connections have no limits, such as on the command socket, there is nothing to wait for.
      try? await channel.triggerUserOutboundEvent(ConnectionHandler.Sent()).get()
      stream.advance()
    }
  }

  @concurrent consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
    try await base.finish(trailingHeaders)
  }
}
