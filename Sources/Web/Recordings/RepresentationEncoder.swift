import Deflate
import NIOCore

extension AudioController {
  /// Converts the pieces of a file into the representation that is sent.
  final class RepresentationEncoder {
    private var reducer: PeaksReducer?
    private let compressor: GzipCompressor?

    init(_ representation: Representation) {
      reducer = representation.isReduced ? PeaksReducer() : nil
      compressor = representation.isCompressed ? GzipCompressor() : nil
    }

    func add(_ bytes: ByteBuffer) -> ByteBuffer {
      let bytes = reducer?.add(bytes) ?? bytes
      return compressor?.add(bytes) ?? bytes
    }

    func finish() -> ByteBuffer {
      var last = reducer?.finish() ?? ByteBuffer()
      guard let compressor else { return last }
      last = compressor.add(last)
      var end = compressor.finish()
      last.writeBuffer(&end)
      return last
    }
  }
}
