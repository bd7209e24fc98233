import Foundation
import Model

/// Two agents and two customers with a few seconds of speech-like sound each, generated once per process.
///
/// A phrase is a sequence of syllables: a burst of noise, then a buzz shaped by the formants of two vowels. It begins
/// and ends in silence, so that phrases can be joined in any order.
enum VoiceBank {
  static let sampleRate = 8000
  /// Samples of one phrase, a little more than two seconds: 32 blocks of IMA ADPCM.
  static let frames = 16_160
  static let phrasesPerVoice = 6
  static let agents = [0, 1]
  static let customers = [2, 3]

  /// By voice and phrase number.
  static let phrases: [[[Int16]]] = timbres.enumerated().map { index, timbre in
    (0..<phrasesPerVoice).map { phrase(timbre, seed: UInt64(index * phrasesPerVoice + $0)) }
  }

  /// Background noise without speech.
  static let silence: [Int16] = {
    var random = SeededRandom(seed: 0x5117)
    return (0..<frames).map { _ in Int16(truncatingIfNeeded: random.next() % 17) - 8 }
  }()

  private struct Timbre {
    /// The pitch of the voice in hertz.
    var pitch: Double
    /// The ratio of its formants to those of an average man.
    var stretch: Double
  }

  private static let timbres = [
    Timbre(pitch: 196, stretch: 1.16), Timbre(pitch: 112, stretch: 1.0), Timbre(pitch: 131, stretch: 1.04),
    Timbre(pitch: 218, stretch: 1.2),
  ]

  /// The first three formants of the vowels in "father", "bed", "see", "law" and "boot" (Peterson and Barney, 1952).
  private static let formants: [[Double]] = [
    [730, 1090, 2440], [530, 1840, 2480], [270, 2290, 3010], [570, 840, 2410], [300, 870, 2240],
  ]

  private static let period = 256

  /// One period of each vowel.
  private static func vowels(_ timbre: Timbre) -> [[Float]] {
    formants.map { formants in
      var wave = [Double](repeating: 0, count: period)
      for harmonic in 1...max(1, Int(3600 / timbre.pitch)) {
        let frequency = Double(harmonic) * timbre.pitch
        var gain = 0.02
        for (index, formant) in formants.enumerated() {
          let distance = (frequency - formant * timbre.stretch) / (60 + 40 * Double(index))
          gain += 1 / (1 + distance * distance) / Double(index + 1)
        }
        gain /= Double(harmonic).squareRoot()
        for index in 0..<period {
          wave[index] += gain * sin(2 * .pi * Double(harmonic * index) / Double(period) + Double(harmonic * harmonic))
        }
      }
      let peak = wave.reduce(1e-9) { max($0, abs($1)) }
      return wave.map { Float($0 / peak) }
    }
  }

  private static func phrase(_ timbre: Timbre, seed: UInt64) -> [Int16] {
    let vowels = vowels(timbre)
    var random = SeededRandom(seed: StableHash.mix(seed &+ 77))
    var sound = silence
    let lastFrame = 14_800
    var frame = 300
    var phase: Float = 0
    while true {
      let length = 900 + Int(random.fraction() * 1300)
      guard frame + length < lastFrame else { break }
      let from = random.pick(vowels)
      let to = random.pick(vowels)
      let burst = 120 + Int(random.fraction() * 260)
      let loudness = Float(7000 + random.fraction() * 5000)
      let fall = 1.12 - 0.26 * Double(frame) / Double(frames)
      let step = Float(timbre.pitch * fall * (0.97 + 0.06 * random.fraction())) * Float(period) / Float(sampleRate)
      for index in 0..<length {
        let position = Float(index) / Float(length)
        phase += step
        if phase >= Float(period) { phase -= Float(period) }
        let at = min(Int(phase), period - 1)
        var value = (from[at] * (1 - position) + to[at] * position) * 4 * position * (1 - position) * loudness
        if index < burst {
          value += (Float(random.next() & 0xFFF) - 2048) * (1 - Float(index) / Float(burst)) * 0.9
        }
        sound[frame + index] = Int16(max(-32_000, min(32_000, value)))
      }
      frame += length + (random.next() % 4 == 0 ? 500 + Int(random.fraction() * 700) : 40)
    }
    return sound
  }
}
