import Model

/// Waveform data of a recording: the lowest and highest sample of every channel at each point in time.
///
/// Stored in the BBC audiowaveform data format, version 2, 8 bit
/// (<https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md>).
package struct Peaks: Sendable, Equatable {
  /// Samples per second of the measured audio.
  package static let sampleRate = 8000
  /// 80 samples give 100 points per second.
  package static let samplesPerPixel = 80

  package let channels: Int
  package let sampleRate: Int
  package let samplesPerPixel: Int
  /// Lowest and highest value of each channel, point after point; complete points only.
  package let data: [Int8]

  /// The number of points.
  package var length: Int { data.count / (2 * channels) }

  /// - Precondition: `channels` is at least 1 and `data` has complete points; `ConversionReport` and `init(decoding:)`
  ///   ensure this.
  package init(
    channels: Int, sampleRate: Int = Peaks.sampleRate, samplesPerPixel: Int = Peaks.samplesPerPixel, data: [Int8]
  ) {
    self.channels = channels
    self.sampleRate = sampleRate
    self.samplesPerPixel = samplesPerPixel
    self.data = data
  }
}

extension Peaks {
  private static let headerLength = 24

  /// The binary form: a header of 24 bytes (the published table incorrectly says 20), then the data.
  package func encode() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headerLength + data.count)
    for field in [2, 1, sampleRate, samplesPerPixel, length, channels] {
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: field).littleEndian) { bytes.append(contentsOf: $0) }
    }
    data.withUnsafeBytes { bytes.append(contentsOf: $0) }
    return bytes
  }

  /// Reads the binary form; nil unless it is version 2, 8 bit and complete.
  package init?(decoding bytes: [UInt8]) {
    guard bytes.count >= Self.headerLength else { return nil }
    let fields = (0..<6).map { field in
      Int(bytes[field * 4..<field * 4 + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    }
    let (length, channels) = (fields[4], fields[5])
    guard fields[0] == 2, fields[1] == 1, (1...256).contains(channels), fields[2] > 0, fields[3] > 0,
      // At most 2^32 points of 256 channels, so the product fits.
      bytes.count - Self.headerLength == length * channels * 2
    else { return nil }
    self.init(
      channels: channels, sampleRate: fields[2], samplesPerPixel: fields[3],
      data: bytes[Self.headerLength...].map { Int8(bitPattern: $0) })
  }

  /// The JSON form with the field names of audiowaveform and compatible players.
  package func json() -> String {
    var text = """
      {"version":2,"channels":\(channels),"sample_rate":\(sampleRate),"samples_per_pixel":\(samplesPerPixel),\
      "bits":8,"length":\(length),"data":[
      """
    text.reserveCapacity(text.utf8.count + data.count * 4 + 2)
    for (index, value) in data.enumerated() {
      if index > 0 { text.append(",") }
      text.append(String(value))
    }
    text.append("]}")
    return text
  }
}

extension Peaks {
  /// The peaks of several parts as one waveform, in which each part begins at its offset; it is silent in between.
  ///
  /// - Returns: nil when the parts differ in their channels or in the time of a point.
  package static func joined(_ parts: [(peaks: Peaks, offset: Duration)]) -> Peaks? {
    guard let first = parts.first?.peaks else { return nil }
    var data: [Int8] = []
    for (peaks, offset) in parts {
      guard peaks.channels == first.channels, peaks.sampleRate == first.sampleRate,
        peaks.samplesPerPixel == first.samplesPerPixel
      else { return nil }
      let point = Int((offset.inSeconds * Double(peaks.sampleRate) / Double(peaks.samplesPerPixel)).rounded())
      data += [Int8](repeating: 0, count: max(0, point * 2 * peaks.channels - data.count))
      data += peaks.data
    }
    return Peaks(
      channels: first.channels, sampleRate: first.sampleRate, samplesPerPixel: first.samplesPerPixel, data: data)
  }
}
