import Deflate
import Model
import NIOCore

/// The content codings of RFC 9110 and its registry. Some platforms send other words in `Content-Encoding`, such as
/// `aws-chunked`, `none` or `UTF-8`; the bytes are not encoded then.
enum ContentCoding {
  private static let gzip: Set<String> = ["gzip", "x-gzip"]
  private static let other: Set<String> = [
    "aes128gcm", "br", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip", "zstd",
  ]

  static func isKnown(_ name: String) -> Bool { isReadable(name) || other.contains(name) }

  /// Whether `decoded` can remove it.
  static func isReadable(_ name: String) -> Bool { gzip.contains(name) || name == "deflate" }

  /// The decoded body of a response.
  ///
  /// - Parameter names: the values of `Content-Encoding`, in the order in which they were applied.
  /// - Throws: `platformProtocol` for a coding that is not supported, broken data, and more than `limit` bytes.
  static func decoded(_ body: ByteBuffer, _ names: [String], upTo limit: Int) throws(TapedeckError) -> ByteBuffer {
    var body = body
    for name in names.map({ $0.lowercased() }).reversed() where isKnown(name) && body.readableBytes > 0 {
      guard isReadable(name) else {
        throw TapedeckError(
          .platformProtocol, "The platform's response has the content coding '\(name)', which is not supported.")
      }
      body = try inflated(body, upTo: limit)
    }
    return body
  }

  /// Servers send `deflate` with and without the header of zlib.
  private static func inflated(_ body: ByteBuffer, upTo limit: Int) throws(TapedeckError) -> ByteBuffer {
    for format in [Inflation.Format.withHeader, .raw] {
      switch Inflation(of: body, format, upTo: limit) {
      case .bytes(let bytes): return bytes
      case .malformed: continue
      case .tooLong: throw TapedeckError(.platformProtocol, "The platform's response is too long.")
      }
    }
    throw TapedeckError(.platformProtocol, "The platform's compressed response could not be read.")
  }
}
