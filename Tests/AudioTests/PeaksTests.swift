import Audio
import Foundation
import Model
import Testing

/// Peaks computed in a simple, slow way, for comparison.
func plainPeaks(_ samples: [Int16], channels: Int) -> [Int8] {
  var points: [Int8] = []
  for start in stride(from: 0, to: samples.count / channels, by: 80) {
    for channel in 0..<channels {
      let end = min(start + 80, samples.count / channels)
      let values = (start..<end).map { Int(samples[$0 * channels + channel]) }
      points += [values.min() ?? 0, values.max() ?? 0].map { Int8($0 / 256) }
    }
  }
  return points
}

struct PeaksTests {
  private func samples(_ count: Int, seed: UInt64 = 1) -> [Int16] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in Int16.random(in: .min ... .max, using: &random) }
  }

  @Test func `no audio gives no points`() throws {
    let peaks = Peaks(channels: 1, data: [])
    #expect(peaks.length == 0)
    #expect(peaks.encode().count == 24)
    #expect(Peaks(decoding: peaks.encode()) == peaks)
  }

  @Test func `the binary form is audiowaveform's version 2`() {
    let peaks = Peaks(channels: 2, data: [-128, 1, -1, 127])
    let fields = [2, 1, 8000, 80, 1, 2].flatMap { little(UInt32($0)) }
    #expect(peaks.encode() == fields + [0x80, 1, 0xFF, 127])
  }

  @Test func `the binary form is read back, and anything else is rejected`() {
    let peaks = Peaks(channels: 2, data: plainPeaks(samples(500), channels: 2))
    let bytes = peaks.encode()
    #expect(Peaks(decoding: bytes) == peaks)
    for count in 0..<bytes.count { #expect(Peaks(decoding: Array(bytes[..<count])) == nil) }
    for position in 0..<24 {
      var damaged = bytes
      damaged[position] ^= 0xFF
      #expect(Peaks(decoding: damaged) != peaks)
    }
    #expect(Peaks(decoding: Array(repeating: 0xFF, count: 64)) == nil)
  }

  @Test func `the JSON form has the same content`() throws {
    struct Form: Decodable, Equatable {
      var version, channels, sampleRate, samplesPerPixel, bits, length: Int
      var data: [Int8]
    }
    let peaks = Peaks(channels: 2, data: plainPeaks(samples(1000), channels: 2))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let form = try decoder.decode(Form.self, from: Data(peaks.json().utf8))
    #expect(
      form
        == Form(
          version: 2, channels: 2, sampleRate: 8000, samplesPerPixel: 80, bits: 8, length: 7, data: peaks.data))
  }
}
