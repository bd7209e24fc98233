import NIOCore
import Synchronization

/// The phrases of all voices in one format, each with the same number of bytes, ready to be sent without copying.
struct PhraseTable: Sendable {
  /// Bytes of one phrase.
  let slotBytes: Int
  /// Background noise without speech.
  let silence: ByteBuffer
  /// By voice and phrase number.
  let phrases: [[ByteBuffer]]

  private static let tables = Mutex<[WAVFormat: PhraseTable]>([:])

  /// The table of a format; encoded on first use and then kept: 24 phrases of two seconds.
  static func coded(in format: WAVFormat) -> PhraseTable {
    tables.withLock { tables in
      if let table = tables[format] { return table }
      let table = PhraseTable(format)
      tables[format] = table
      return table
    }
  }

  private init(_ format: WAVFormat) {
    let silence = ByteBuffer(bytes: PhraseTable.code(nil, in: format))
    self.silence = silence
    slotBytes = silence.readableBytes
    phrases = VoiceBank.phrases.indices.map { voice in
      (0..<VoiceBank.phrasesPerVoice).map { number in
        ByteBuffer(bytes: PhraseTable.code((voice, number), in: format))
      }
    }
  }

  private static func code(_ phrase: (voice: Int, number: Int)?, in format: WAVFormat) -> [UInt8] {
    if format.codec == .gsm { return GSM610.block(phrase) }
    let speech = phrase.map { VoiceBank.phrases[$0.voice][$0.number] } ?? VoiceBank.silence
    if format.codec == .imaADPCM { return IMAADPCM.encode(speech, blockBytes: format.blockBytes) }

    let speaking = resample(speech, to: format.sampleRate)
    guard format.channels == 2 else { return code(speaking, as: format.codec) }
    let quiet = resample(VoiceBank.silence, to: format.sampleRate)
    let agentSpeaks = phrase.map { VoiceBank.agents.contains($0.voice) } ?? true
    var frames: [Int16] = []
    frames.reserveCapacity(2 * speaking.count)
    for index in speaking.indices {
      frames.append(agentSpeaks ? speaking[index] : quiet[index])
      frames.append(agentSpeaks ? quiet[index] : speaking[index])
    }
    return code(frames, as: format.codec)
  }

  private static func code(_ samples: [Int16], as codec: WAVFormat.Codec) -> [UInt8] {
    switch codec {
    case .pcm8: samples.map { UInt8(truncatingIfNeeded: ($0 >> 8) + 128) }
    case .muLaw: samples.map(G711.muLaw)
    case .aLaw: samples.map(G711.aLaw)
    case .pcm16, .imaADPCM, .gsm: littleEndianBytes(samples)
    }
  }

  /// Two seconds of audio at another sample rate.
  private static func resample(_ samples: [Int16], to rate: Int) -> [Int16] {
    let count = 2 * rate
    guard rate != VoiceBank.sampleRate else { return Array(samples.prefix(count)) }
    return (0..<count).map { index in
      let position = index * VoiceBank.sampleRate
      let (left, rest) = (position / rate, position % rate)
      let (a, b) = (Int(samples[left]), Int(samples[min(left + 1, samples.count - 1)]))
      return Int16(truncatingIfNeeded: a + (b - a) * rest / rate)
    }
  }
}

/// The samples as 16-bit PCM.
func littleEndianBytes(_ samples: [Int16]) -> [UInt8] {
  [UInt8](unsafeUninitializedCapacity: 2 * samples.count) { bytes, count in
    for (index, sample) in samples.enumerated() {
      bytes[2 * index] = UInt8(truncatingIfNeeded: sample)
      bytes[2 * index + 1] = UInt8(truncatingIfNeeded: sample >> 8)
    }
    count = 2 * samples.count
  }
}

/// The companding laws of ITU-T G.711.
enum G711 {
  static func muLaw(_ sample: Int16) -> UInt8 {
    let magnitude = min(abs(Int(sample)), 32_635) + 132
    let exponent = max(0, Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7)
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~UInt8(truncatingIfNeeded: (sample < 0 ? 0x80 : 0) | exponent << 4 | mantissa)
  }

  static func aLaw(_ sample: Int16) -> UInt8 {
    let magnitude = sample < 0 ? -(Int(sample) + 1) : Int(sample)
    let exponent = max(0, Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7)
    let mantissa = (magnitude >> (exponent == 0 ? 4 : exponent + 3)) & 0x0F
    return UInt8(truncatingIfNeeded: (sample < 0 ? 0 : 0x80) | exponent << 4 | mantissa) ^ 0x55
  }
}
