/// The encoding of a recording's samples in its WAV file. Every encoding can be generated starting at any byte.
package struct WAVFormat: Hashable, Sendable {
  /// The supported codecs; raw values are FFmpeg's names.
  package enum Codec: String, Sendable, CaseIterable {
    case pcm16 = "pcm_s16le"
    case pcm8 = "pcm_u8"
    case muLaw = "pcm_mulaw"
    case aLaw = "pcm_alaw"
    /// IMA ADPCM in blocks of 256 bytes; one channel.
    case imaADPCM = "adpcm_ima_wav"
    /// GSM 6.10 in blocks of 65 bytes; one channel at 8000 Hz.
    case gsm = "gsm_ms"
  }

  package var codec: Codec
  /// Samples per second of each channel.
  package var sampleRate: Int
  /// 1: both speakers mixed; 2: agent left, customer right.
  package var channels: Int

  package init(_ codec: Codec, sampleRate: Int = 8000, channels: Int) {
    self.codec = codec
    self.sampleRate = sampleRate
    self.channels = channels
  }

  /// The format tag in the WAV header.
  package var formatTag: UInt16 {
    switch codec {
    case .pcm16, .pcm8: 1
    case .aLaw: 6
    case .muLaw: 7
    case .imaADPCM: 17
    case .gsm: 49
    }
  }

  /// Bytes that can only be decoded together.
  package var blockBytes: Int {
    switch codec {
    case .pcm16: 2 * channels
    case .pcm8, .muLaw, .aLaw: channels
    case .imaADPCM: 256
    case .gsm: 65
    }
  }

  /// Samples of each channel in one block.
  package var framesPerBlock: Int {
    switch codec {
    case .pcm16, .pcm8, .muLaw, .aLaw: 1
    case .imaADPCM: 505
    case .gsm: 320
    }
  }

  private var bitsPerSample: UInt16 {
    switch codec {
    case .pcm16: 16
    case .pcm8, .muLaw, .aLaw: 8
    case .imaADPCM: 4
    case .gsm: 0
    }
  }

  /// Bytes of audio for at least this duration: complete blocks, and an even number, so that the file needs no padding
  /// byte.
  package func dataBytes(milliseconds: Int) -> Int {
    let frames = (milliseconds * sampleRate + 999) / 1000
    let blocks = (frames + framesPerBlock - 1) / framesPerBlock
    return blocks * blockBytes % 2 == 0 ? blocks * blockBytes : (blocks + 1) * blockBytes
  }

  /// The duration of this many bytes of audio in seconds.
  package func seconds(dataBytes: Int) -> Double {
    Double(dataBytes / blockBytes * framesPerBlock) / Double(sampleRate)
  }

  /// The bytes before the audio: 44 for PCM, more for the other codecs, which need a `fact` chunk.
  package func header(dataBytes: Int) -> [UInt8] {
    var fmt: [UInt8] = []
    fmt.append(littleEndian: formatTag)
    fmt.append(littleEndian: UInt16(channels))
    fmt.append(littleEndian: UInt32(sampleRate))
    fmt.append(littleEndian: UInt32(sampleRate * blockBytes / framesPerBlock))
    fmt.append(littleEndian: UInt16(blockBytes))
    fmt.append(littleEndian: bitsPerSample)
    switch codec {
    case .pcm16, .pcm8: break
    case .muLaw, .aLaw: fmt.append(littleEndian: UInt16(0))
    case .imaADPCM, .gsm:
      fmt.append(littleEndian: UInt16(2))
      fmt.append(littleEndian: UInt16(framesPerBlock))
    }

    var chunks = Array("WAVEfmt ".utf8)
    chunks.append(littleEndian: UInt32(fmt.count))
    chunks += fmt
    if formatTag != 1 {
      chunks += Array("fact".utf8)
      chunks.append(littleEndian: UInt32(4))
      chunks.append(littleEndian: UInt32(clamping: dataBytes / blockBytes * framesPerBlock))
    }
    chunks += Array("data".utf8)
    chunks.append(littleEndian: UInt32(clamping: dataBytes))

    var header = Array("RIFF".utf8)
    header.append(littleEndian: UInt32(clamping: chunks.count + dataBytes))
    return header + chunks
  }
}

extension [UInt8] {
  /// Appends the bytes of a number in little-endian order.
  mutating func append(littleEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
