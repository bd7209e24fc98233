import CZlib
package import NIOCore

/// Compresses bytes as gzip (RFC 1952), piece by piece. Holds about 256 KB.
package final class GzipCompressor {
  // On the heap, since zlib requires that it stays at its address.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Begins a gzip file, whose header is in the first bytes that `add` or `finish` returns.
  package init() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 16 selects gzip. With valid parameters this fails only without memory.
    let status = deflateInit2_(
      stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      CInt(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib cannot allocate memory")
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Adds the next bytes.
  ///
  /// - Returns: what can be sent; often nothing.
  package func add(_ bytes: ByteBuffer) -> ByteBuffer { run(bytes, Z_NO_FLUSH) }

  /// Ends the data; nothing may be added afterwards.
  package func finish() -> ByteBuffer { run(ByteBuffer(), Z_FINISH) }

  private func run(_ bytes: ByteBuffer, _ flush: CInt) -> ByteBuffer {
    var input = Array(bytes.readableBytesView)
    var output = ByteBuffer()
    input.withUnsafeMutableBufferPointer { input in
      stream.pointee.next_in = input.baseAddress
      stream.pointee.avail_in = UInt32(input.count)
      var isFull = true
      while isFull {
        output.writeWithUnsafeMutableBytes(minimumWritableBytes: 16 << 10) { space in
          stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
          stream.pointee.avail_out = UInt32(space.count)
          deflate(stream, flush)
          isFull = stream.pointee.avail_out == 0
          return space.count - Int(stream.pointee.avail_out)
        }
      }
    }
    return output
  }

  /// The bytes as one gzip file.
  package static func compressed(_ bytes: ByteBuffer) -> ByteBuffer {
    let compressor = GzipCompressor()
    var output = compressor.add(bytes)
    var end = compressor.finish()
    output.writeBuffer(&end)
    return output
  }
}
