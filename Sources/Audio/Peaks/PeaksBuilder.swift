/// Measures peaks of streamed audio. Stores two bytes per point and channel, and no audio.
package struct PeaksBuilder: Sendable {
  private let channels: Int
  private let samplesPerPixel: Int
  private var data: [Int8] = []
  /// Lowest and highest sample of each channel in the current point.
  private var low: [Int16]
  private var high: [Int16]
  private var framesInPixel = 0
  /// The beginning of an incomplete frame.
  private var carry: [UInt8] = []
  /// The number of frames (one sample of every channel) so far.
  package private(set) var frames: Int64 = 0

  /// Expects interleaved signed 16-bit little-endian samples of at least one channel.
  package init(channels: Int, samplesPerPixel: Int = Peaks.samplesPerPixel) {
    self.channels = max(1, channels)
    self.samplesPerPixel = max(1, samplesPerPixel)
    low = Array(repeating: .max, count: self.channels)
    high = Array(repeating: .min, count: self.channels)
  }

  /// Adds the next bytes, which may end anywhere, even inside a sample.
  package mutating func append(_ bytes: UnsafeRawBufferPointer) {
    let frameLength = 2 * channels
    var rest = bytes[...]
    if !carry.isEmpty {
      let missing = rest.prefix(frameLength - carry.count)
      carry.append(contentsOf: missing)
      rest = rest.dropFirst(missing.count)
      guard carry.count == frameLength else { return }
      let frame = carry
      carry.removeAll(keepingCapacity: true)
      frame.withUnsafeBytes { measure($0) }
    }
    let whole = rest.count / frameLength * frameLength
    measure(UnsafeRawBufferPointer(rebasing: rest.prefix(whole)))
    carry.append(contentsOf: rest.dropFirst(whole))
  }

  /// Adds the next bytes.
  package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// The peaks so far; an incomplete last point is included, an incomplete last frame is not.
  package consuming func finish() -> Peaks {
    if framesInPixel > 0 { closePixel() }
    return Peaks(channels: channels, samplesPerPixel: samplesPerPixel, data: data)
  }

  private mutating func measure(_ bytes: UnsafeRawBufferPointer) {
    let count = bytes.count / (2 * channels)
    frames += Int64(count)
    var next = 0
    while next < count {
      let taken = min(samplesPerPixel - framesInPixel, count - next)
      for channel in 0..<channels {
        (low[channel], high[channel]) = extremes(
          of: bytes, from: next * channels + channel, count: taken, stride: channels, low: low[channel],
          high: high[channel])
      }
      next += taken
      framesInPixel += taken
      if framesInPixel == samplesPerPixel { closePixel() }
    }
  }

  private mutating func closePixel() {
    for channel in 0..<channels {
      // Division instead of a shift, as in audiowaveform.
      data.append(Int8(low[channel] / 256))
      data.append(Int8(high[channel] / 256))
      low[channel] = .max
      high[channel] = .min
    }
    framesInPixel = 0
  }
}

/// Lowest and highest of the samples at `first`, `first + stride`, …; the caller ensures that they exist.
@inline(__always)
private func extremes(
  of bytes: UnsafeRawBufferPointer, from first: Int, count: Int, stride: Int, low: Int16, high: Int16
) -> (low: Int16, high: Int16) {
  var low = low
  var high = high
  var offset = first * 2
  for _ in 0..<count {
    let sample = Int16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    low = min(low, sample)
    high = max(high, sample)
    offset += 2 * stride
  }
  return (low, high)
}
