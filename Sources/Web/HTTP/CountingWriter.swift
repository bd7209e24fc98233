import HTTPTypes
import Hummingbird
import NIOCore

/// Reports the bytes of a response body after the connection has taken them.
private struct CountingWriter: ResponseBodyWriter {
  var base: any ResponseBodyWriter
  let count: @Sendable (Int) -> Void

  @concurrent mutating func write(_ buffer: ByteBuffer) async throws {
    try await base.write(buffer)
    count(buffer.readableBytes)
  }

  @concurrent consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
    try await base.finish(trailingHeaders)
  }
}

extension ResponseBody {
  /// The same body, with a report of the bytes that were written.
  func counting(_ count: @escaping @Sendable (Int) -> Void) -> ResponseBody {
    ResponseBody(contentLength: contentLength) { [self] writer in
      try await write(CountingWriter(base: writer, count: count))
    }
  }
}
