import CZlib
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
    for windowBits: CInt in [MAX_WBITS + 32, -MAX_WBITS] {
      if let result = try inflated(body, upTo: limit, windowBits: windowBits) { return result }
    }
    throw TapedeckError(.platformProtocol, "The platform's compressed response could not be read.")
  }

  /// Nil when the bytes are not complete data of this format.
  private static func inflated(
    _ body: ByteBuffer, upTo limit: Int, windowBits: CInt
  ) throws(TapedeckError) -> ByteBuffer? {
    var stream = z_stream()
    guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK else {
      return nil
    }
    defer { inflateEnd(&stream) }
    var input = Array(body.readableBytesView)
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    var output = ByteBuffer()
    var status = Z_OK
    input.withUnsafeMutableBufferPointer { input in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(input.count)
      while status == Z_OK, output.readableBytes <= limit {
        status = piece.withUnsafeMutableBufferPointer { piece in
          stream.next_out = piece.baseAddress
          stream.avail_out = UInt32(piece.count)
          let status = inflate(&stream, Z_NO_FLUSH)
          output.writeBytes(piece[..<(piece.count - Int(stream.avail_out))])
          return status
        }
        // A file may have several members.
        if status == Z_STREAM_END, stream.avail_in > 0, windowBits > MAX_WBITS, stream.next_in.pointee == 0x1F {
          status = inflateReset(&stream)
        }
      }
    }
    if output.readableBytes > limit { throw TapedeckError(.platformProtocol, "The platform's response is too long.") }
    return status == Z_STREAM_END ? output : nil
  }
}
