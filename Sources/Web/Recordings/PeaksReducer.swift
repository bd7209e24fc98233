import HTTPTypes
import Hummingbird
import NIOCore

/// Makes peaks of a quarter of the points from peaks in the format of audiowaveform, version 2, 8 bit: each point has
/// the lowest and the highest value of four. Other bytes are passed on.
struct PeaksReducer {
  /// How many points become one.
  static let factor = 4
  private static let headerLength = 24

  private var pending = ByteBuffer()
  /// The bytes of a point; nil until the header is read, 0 for another format.
  private var point: Int?

  /// Adds the next bytes.
  mutating func add(_ bytes: ByteBuffer) -> ByteBuffer {
    pending.writeImmutableBuffer(bytes)
    var output = ByteBuffer()
    if point == nil {
      guard pending.readableBytes >= Self.headerLength else { return output }
      readHeader(into: &output)
    }
    reduce(into: &output, atLeast: Self.factor)
    return output
  }

  /// The last point, of fewer than four.
  mutating func finish() -> ByteBuffer {
    var output = ByteBuffer()
    reduce(into: &output, atLeast: 1)
    output.writeBuffer(&pending)
    return output
  }

  private mutating func readHeader(into output: inout ByteBuffer) {
    var header = pending
    let fields = (0..<6).map { _ in header.readInteger(endianness: .little, as: UInt32.self) ?? 0 }
    let (channels, factor) = (fields[5], UInt32(Self.factor))
    guard fields[0] == 2, fields[1] & 1 == 1, (1...8).contains(channels), fields[3] <= .max / factor else {
      point = 0
      return
    }
    point = Int(channels) * 2
    pending = header
    let length = fields[4] / factor + (fields[4] % factor > 0 ? 1 : 0)
    for field in [2, 1, fields[2], fields[3] * factor, length, channels] {
      output.writeInteger(field, endianness: .little)
    }
  }

  private mutating func reduce(into output: inout ByteBuffer, atLeast minimum: Int) {
    guard let point, point > 0 else {
      if point == 0 { output.writeBuffer(&pending) }
      return
    }
    while pending.readableBytes >= point * minimum {
      let count = min(Self.factor, pending.readableBytes / point)
      pending.readWithUnsafeReadableBytes { bytes in
        for value in 0..<point {
          var result = Int8(bitPattern: bytes[value])
          for other in 1..<max(1, count) {
            let next = Int8(bitPattern: bytes[other * point + value])
            // The lowest values are at even places.
            result = value.isMultiple(of: 2) ? min(result, next) : max(result, next)
          }
          output.writeInteger(result)
        }
        return count * point
      }
    }
    pending.discardReadBytes()
  }
}

extension Response {
  /// Describes peaks with fewer points than those of a file with this tag.
  static func describeReduced(_ etag: String, in headers: inout HTTPFields) {
    headers[.eTag] = etag.dropLast() + "-reduced\""
    headers[.reprDigest] = nil
    headers[.acceptRanges] = nil
  }
}
