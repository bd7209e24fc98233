import CZlib
package import NIOCore

/// The result of decompressing bytes.
package enum Inflation: Sendable, Equatable {
  case bytes(ByteBuffer)
  /// They are not complete data in the format.
  case malformed
  /// There are more bytes than the limit.
  case tooLong

  package enum Format: Sendable {
    /// gzip with any number of members, or zlib.
    case withHeader
    /// Deflate (RFC 1951) without a header.
    case raw
  }

  /// - Parameter limit: how many decompressed bytes are accepted.
  package init(of body: ByteBuffer, _ format: Format, upTo limit: Int) {
    let windowBits: CInt = format == .withHeader ? MAX_WBITS + 32 : -MAX_WBITS
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    guard inflateInit2_(stream, windowBits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK else {
      self = .malformed
      return
    }
    defer { inflateEnd(stream) }
    var input = Array(body.readableBytesView)
    var output = ByteBuffer()
    var status = Z_OK
    input.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      stream.pointee.avail_in = UInt32(input.count)
      while status == Z_OK, output.readableBytes <= limit {
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 << 10) { space in
          stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
          stream.pointee.avail_out = UInt32(space.count)
          status = inflate(stream, Z_NO_FLUSH)
          return space.count - Int(stream.pointee.avail_out)
        }
        // A file may have several members.
        if status == Z_STREAM_END, stream.pointee.avail_in > 0, format == .withHeader,
          stream.pointee.next_in.pointee == 0x1F
        {
          status = inflateReset(stream)
        }
      }
    }
    if output.readableBytes > limit {
      self = .tooLong
    } else {
      self = status == Z_STREAM_END ? .bytes(output) : .malformed
    }
  }
}
