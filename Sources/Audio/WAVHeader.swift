/// What the first chunks of a WAV file say about the audio that follows them.
///
/// Reads RIFF, RF64 and BW64 (EBU Tech 3306). `read(_:)` in `WAVHeader+Reading.swift` makes one.
package struct WAVHeader: Sendable, Equatable {
  /// The `wFormatTag` of RFC 2361; for WAVE_FORMAT_EXTENSIBLE the tag inside the sub-format.
  package var formatTag: UInt16
  /// At least 1.
  package var channels: Int
  /// Samples a second of each channel; at least 1.
  package var sampleRate: Int
  /// 0 where the header does not say, as for GSM.
  package var bitsPerSample: Int
  /// Bytes that belong together: one sample of every channel, or one compressed block. 0 where the header does not say.
  package var blockAlign: Int
  /// Average bytes a second, as the header says; 0 where it does not.
  package var byteRate: Int
  /// Frames in one compressed block, where the header says.
  package var samplesPerBlock: Int?
  /// Where the audio begins, in bytes from the start of the file.
  package var dataOffset: Int64
  /// Bytes of audio; nil when the writer did not know (0 or 0xFFFFFFFF), which means "until the end of the file".
  package var dataLength: Int64?
  /// Frames of audio as the `fact` chunk (or `ds64`) says; nil when it does not.
  package var sampleFrames: Int64?
  /// Length of the whole file as the container says; nil when the writer did not know.
  package var containerLength: Int64?
}

extension WAVHeader {
  /// The code of the samples, by its registered tag.
  package enum Codec: Sendable, Equatable {
    case pcm, msADPCM, float, aLaw, muLaw, imaADPCM, gsm, other
  }

  package var codec: Codec {
    switch formatTag {
    case 0x0001: .pcm
    case 0x0002: .msADPCM
    case 0x0003: .float
    case 0x0006: .aLaw
    case 0x0007: .muLaw
    case 0x0011: .imaADPCM
    case 0x0031, 0x0032: .gsm
    default: .other
    }
  }

  /// The codec's name as FFmpeg spells it, such as `pcm_s16le`; `wav_0x55` for a tag without a name here.
  package var codecName: String {
    switch codec {
    case .pcm where bitsPerSample <= 8: "pcm_u8"
    case .pcm: "pcm_s\(bytesPerSample * 8)le"
    case .float: "pcm_f\(bytesPerSample * 8)le"
    case .aLaw: "pcm_alaw"
    case .muLaw: "pcm_mulaw"
    case .msADPCM: "adpcm_ms"
    case .imaADPCM: "adpcm_ima_wav"
    case .gsm: "gsm_ms"
    case .other: "wav_0x" + String(formatTag, radix: 16)
    }
  }

  /// Whether the announced audio ends where a block ends. When it does not, or its length is unknown, a decoder cannot
  /// tell a cut file from a sloppily written one.
  package var endsOnBlock: Bool {
    guard let dataLength else { return false }
    return blockAlign < 2 || dataLength % Int64(blockAlign) == 0
  }

  /// Bytes of audio that a file of this length holds: never more than announced, never less than 0.
  package func audioBytes(fileLength: Int64) -> Int64 {
    let present = max(0, max(0, fileLength) - dataOffset)
    return min(dataLength ?? present, present)
  }

  /// How long a file of this length plays, counted from its bytes of audio; nil for codes whose rate is not fixed or not
  /// known here, as the average that their headers give is often wrong.
  package func duration(fileLength: Int64) -> Duration? {
    guard let block = blockLength, let frames = blockFrames else { return nil }
    let bytes = audioBytes(fileLength: fileLength)
    let (whole, overflow) = (bytes / block).multipliedReportingOverflow(by: frames)
    guard !overflow else { return nil }
    // Both factors come from 16-bit fields, so the product of the incomplete block fits.
    let partial = bytes % block * frames / block
    return .seconds((Double(whole) + Double(partial)) / Double(sampleRate))
  }

  private var bytesPerSample: Int { (bitsPerSample + 7) / 8 }

  /// Bytes of one block. For codes of one sample a frame it is computed, because some writers leave the field wrong.
  private var blockLength: Int64? {
    switch codec {
    case .pcm, .float: bitsPerSample > 0 ? Int64(channels * bytesPerSample) : nil
    case .aLaw, .muLaw: Int64(channels)
    case .gsm: 65
    case .msADPCM, .imaADPCM: blockAlign > 0 ? Int64(blockAlign) : nil
    case .other: nil
    }
  }

  /// Frames of one block.
  private var blockFrames: Int64? {
    switch codec {
    case .pcm, .float, .aLaw, .muLaw: 1
    case .gsm: 320
    // Per channel: 7 bytes of preamble that hold two samples, then two samples a byte.
    case .msADPCM: compressedFrames(preamble: 7, held: 2)
    // Per channel: 4 bytes of preamble that hold one sample, then two samples a byte.
    case .imaADPCM: compressedFrames(preamble: 4, held: 1)
    case .other: nil
    }
  }

  private func compressedFrames(preamble: Int, held: Int) -> Int64? {
    let nibbles = (blockAlign - preamble * channels) * 2
    if nibbles > 0 { return Int64(nibbles / channels + held) }
    return samplesPerBlock.map(Int64.init)
  }
}
