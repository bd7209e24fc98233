import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Serves ranges of one file with Hummingbird and `pread`, without sign-in, policy or log: the least that a server of
/// this kind does for a range. `BareHandler FILE PORT`.
@main
struct BareHandler {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 3, let port = Int(arguments[2]) else {
      print("Usage: BareHandler FILE PORT")
      exit(64)
    }
    let descriptor = open(arguments[1], O_RDONLY)
    let length = Int(lseek(descriptor, 0, SEEK_END))
    let router = Router()
    router.get("/audio/{name}") { request, _ in
      guard let range = request.headers[.range].flatMap({ span($0, of: length) }) else {
        return Response(status: .rangeNotSatisfiable)
      }
      var buffer = ByteBuffer()
      buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { space in
        max(0, pread(descriptor, space.baseAddress, range.count, off_t(range.lowerBound)))
      }
      return Response(
        status: .partialContent,
        headers: [
          .contentType: "audio/mpeg",
          .contentRange: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)",
        ], body: .init(byteBuffer: buffer))
    }
    try await Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)))
      .runService()
  }

  /// The span of `bytes=FIRST-LAST`.
  private static func span(_ header: String, of length: Int) -> Range<Int>? {
    let ends = header.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
    guard ends.count == 2, ends[0] <= ends[1], ends[1] < length else { return nil }
    return ends[0]..<(ends[1] + 1)
  }
}
