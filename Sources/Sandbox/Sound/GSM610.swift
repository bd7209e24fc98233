import Model

/// Audio in GSM 6.10 as in WAV files: 65 bytes for two frames of 20 ms, bits packed lowest first.
///
/// Nothing is encoded: the decoder parameters (filter, pitch, pulses) are set to values typical of speech.
enum GSM610 {
  private static let framesPerSlot = 100
  private static let bitsOfFilter = [6, 6, 5, 5, 4, 4, 3, 3]
  /// Log area ratios that sound like vowels.
  private static let vowels: [[Int]] = [
    [44, 20, 22, 12, 10, 6, 4, 3], [50, 28, 16, 16, 8, 8, 4, 4], [52, 34, 14, 18, 7, 9, 3, 4],
    [48, 16, 24, 14, 9, 6, 5, 3],
  ]

  /// Two seconds of a phrase or of silence.
  static func block(_ phrase: (voice: Int, number: Int)?) -> [UInt8] {
    var bits = BitWriter()
    guard let phrase else {
      for _ in 0..<framesPerSlot { frame(into: &bits, filter: [32, 32, 20, 11, 8, 7, 3, 2], lag: 60, loudness: 0) }
      return bits.bytes
    }
    var random = SeededRandom(seed: UInt64(phrase.voice * 64 + phrase.number) &+ 0x6510)
    let lag = [41, 71, 61, 40][phrase.voice % 4]
    var left = 3
    var length = 1
    var vowel: [Int]?
    for number in 0..<framesPerSlot {
      if left == 0 {
        vowel = vowel == nil && number < framesPerSlot - 16 ? random.pick(vowels) : nil
        length = vowel == nil ? 1 + Int(random.next() % 4) : 7 + Int(random.next() % 6)
        left = length
      }
      // Loudness rises and falls over the syllable.
      let position = Double(length - left) / Double(length)
      let loudness = vowel == nil ? 0 : 14 + Int(72 * position * (1 - position))
      frame(into: &bits, filter: vowel ?? vowels[0], lag: lag + number / 25, loudness: loudness, random: &random)
      left -= 1
    }
    return bits.bytes
  }

  private static func frame(into bits: inout BitWriter, filter: [Int], lag: Int, loudness: Int) {
    var random = SeededRandom(seed: 0)
    frame(into: &bits, filter: filter, lag: lag, loudness: loudness, random: &random)
  }

  private static func frame(
    into bits: inout BitWriter, filter: [Int], lag: Int, loudness: Int, random: inout SeededRandom
  ) {
    for (value, width) in zip(filter, bitsOfFilter) { bits.append(value, bits: width) }
    for _ in 0..<4 {
      bits.append(lag, bits: 7)
      bits.append(loudness == 0 ? 0 : 2, bits: 2)
      bits.append(Int(random.next() % 4), bits: 2)
      bits.append(loudness, bits: 6)
      // 3 and 4 are the smallest pulses; silence must have no larger ones.
      for _ in 0..<13 { bits.append(loudness == 0 ? 3 + Int(random.next() % 2) : Int(random.next() % 8), bits: 3) }
    }
  }

  private struct BitWriter {
    private(set) var bytes: [UInt8] = []
    private var used = 8

    mutating func append(_ value: Int, bits: Int) {
      for bit in 0..<bits {
        if used == 8 {
          bytes.append(0)
          used = 0
        }
        if value >> bit & 1 == 1 { bytes[bytes.count - 1] |= 1 << UInt8(used) }
        used += 1
      }
    }
  }
}
