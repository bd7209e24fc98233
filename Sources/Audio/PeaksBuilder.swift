/// Measures peaks while audio goes by. Holds two bytes a point and channel, and no audio.
package struct PeaksBuilder: Sendable {
  private let channels: Int
  private let samplesPerPixel: Int
  private var data: [Int8] = []
  /// The point that is being measured: lowest and highest of each channel.
  private var low: [Int16]
  private var high: [Int16]
  private var framesInPixel = 0
  /// The beginning of a frame whose end has not come yet.
  private var carry: [UInt8] = []
  /// Frames (one sample of every channel) that went by.
  package private(set) var frames: Int64 = 0

  /// Expects signed 16-bit little-endian samples, the channels (at least 1) taking turns.
  package init(channels: Int, samplesPerPixel: Int = Peaks.samplesPerPixel) {
    self.channels = max(1, channels)
    self.samplesPerPixel = max(1, samplesPerPixel)
    low = Array(repeating: .max, count: self.channels)
    high = Array(repeating: .min, count: self.channels)
  }

  /// Takes the next bytes; they may end anywhere, also inside a sample.
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

  /// Takes the next bytes.
  package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

  /// The peaks so far; an incomplete last point counts, an incomplete last frame does not.
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
      // Division, not a shift, as audiowaveform does it.
      data.append(Int8(low[channel] / 256))
      data.append(Int8(high[channel] / 256))
      low[channel] = .max
      high[channel] = .min
    }
    framesInPixel = 0
  }
}

/// Lowest and highest of the samples at `first`, `first + stride`, …; the caller has checked that they are there.
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
