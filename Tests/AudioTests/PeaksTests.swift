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

  @Test(arguments: [1, 2]) func `the peaks are the lowest and highest of every 80 samples`(channels: Int) {
    let samples = samples(channels * 8037)
    var builder = PeaksBuilder(channels: channels)
    builder.append(samples.flatMap { little($0) })
    #expect(builder.frames == 8037)
    let peaks = builder.finish()
    #expect(peaks.length == 101)
    #expect(peaks.data == plainPeaks(samples, channels: channels))
  }

  @Test func `pieces of any size give the same peaks`() {
    let samples = samples(2 * 3000, seed: 2)
    let bytes = samples.flatMap { little($0) }
    var random = SeededRandom(seed: 3)
    for _ in 0..<50 {
      var builder = PeaksBuilder(channels: 2)
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(.random(in: 0...700, using: &random))
        builder.append(Array(piece))
        rest = rest.dropFirst(piece.count)
      }
      #expect(builder.finish().data == plainPeaks(samples, channels: 2))
    }
  }

  @Test func `an incomplete last sample is omitted`() {
    var builder = PeaksBuilder(channels: 2)
    builder.append([0, 1, 0, 2, 0, 3, 0])
    #expect(builder.frames == 1)
    #expect(builder.finish().data == [1, 1, 2, 2])
  }

  @Test func `no audio gives no points`() throws {
    let peaks = PeaksBuilder(channels: 1).finish()
    #expect(peaks.length == 0)
    #expect(peaks.encode().count == 24)
    #expect(Peaks(decoding: peaks.encode()) == peaks)
  }

  @Test func `the binary form is audiowaveform's version 2`() {
    var builder = PeaksBuilder(channels: 2)
    builder.append([Int16.min, .max, 256, -256].flatMap { little($0) })
    let fields = [2, 1, 8000, 80, 1, 2].flatMap { little(UInt32($0)) }
    #expect(builder.finish().encode() == fields + [0x80, 1, 0xFF, 127])
  }

  @Test func `the binary form is read back, and anything else is rejected`() {
    var builder = PeaksBuilder(channels: 2)
    builder.append(samples(500).flatMap { little($0) })
    let peaks = builder.finish()
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
    var builder = PeaksBuilder(channels: 2)
    builder.append(samples(1000).flatMap { little($0) })
    let peaks = builder.finish()
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let form = try decoder.decode(Form.self, from: Data(peaks.json().utf8))
    #expect(
      form
        == Form(
          version: 2, channels: 2, sampleRate: 8000, samplesPerPixel: 80, bits: 8, length: 7, data: peaks.data))
  }
}
