/// What the chunks before the audio of a WAV file say about it.
///
/// Supports RIFF, RIFX (big-endian), RF64 and BW64 (EBU Tech 3306), with or without an ID3v2 tag before it. Created by
/// `read(_:)` in `WAVHeader+Reading.swift`.
package struct WAVHeader: Sendable, Equatable {
  /// The `wFormatTag` of RFC 2361; for WAVE_FORMAT_EXTENSIBLE the tag of the sub-format.
  package var formatTag: UInt16
  /// At least 1.
  package var channels: Int
  /// Samples per second of each channel; at least 1.
  package var sampleRate: Int
  /// 0 where the header does not say, as for GSM.
  package var bitsPerSample: Int
  /// Bytes of one sample of every channel, or of one compressed block. 0 where the header does not say.
  package var blockAlign: Int
  /// Average bytes per second according to the header; 0 where it does not say.
  package var byteRate: Int
  /// Frames of one compressed block, where the header says.
  package var samplesPerBlock: Int?
  /// The offset of the audio in bytes from the start of the file.
  package var dataOffset: Int64
  /// Bytes of audio; nil when the writer did not know (0 or 0xFFFFFFFF), meaning up to the end of the file.
  package var dataLength: Int64?
  /// Frames of audio according to the `fact` or `ds64` chunk; nil when absent.
  package var sampleFrames: Int64?
  /// Size of the file according to the container; nil when the writer did not know.
  package var containerLength: Int64?
  /// Whether the header says that there are 0 bytes of audio. Some writers mean it, others never filled it in.
  package var hasDataLengthZero = false
  /// Whether all numbers and samples are big-endian (RIFX).
  package var isBigEndian = false
  /// What FFmpeg must read in place of the bytes before the audio; nil where it can read them as they are.
  package var replacement: [UInt8]?
}

extension WAVHeader {
  /// The encoding of the samples by its registered tag.
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

  /// The codec's name in FFmpeg, such as `pcm_s16le`; `wav_0x55` for an unlisted tag.
  package var codecName: String {
    switch codec {
    case .pcm where bitsPerSample <= 8: "pcm_u8"
    case .pcm: "pcm_s\(bytesPerSample * 8)\(isBigEndian ? "be" : "le")"
    case .float: "pcm_f\(bytesPerSample * 8)\(isBigEndian ? "be" : "le")"
    case .aLaw: "pcm_alaw"
    case .muLaw: "pcm_mulaw"
    case .msADPCM: "adpcm_ms"
    case .imaADPCM: "adpcm_ima_wav"
    case .gsm: "gsm_ms"
    case .other: "wav_0x" + String(formatTag, radix: 16)
    }
  }

  /// Whether the announced audio ends at a block boundary. If not, or if its length is unknown, a decoder cannot
  /// distinguish a truncated file from an imprecisely written one.
  package var endsOnBlock: Bool {
    guard let dataLength, !Self.isPlaceholder(dataLength) else { return false }
    return blockAlign < 2 || dataLength % Int64(blockAlign) == 0
  }

  /// Whether a size is one that writers leave in the header of a stream: the maximum of a signed or unsigned 32-bit
  /// number, or a value close to it. A file can really have such a size.
  package static func isPlaceholder(_ size: Int64) -> Bool {
    (0x7FFF_F000...0x8000_0FFF).contains(size) || (0xFFFF_F000...0x1_0000_0FFF).contains(size)
  }

  /// The header without sizes that are placeholders.
  ///
  /// - Parameter provenLength: the length of the file, which the transfer proves to be complete.
  package func withoutPlaceholders(provenLength: Int64) -> WAVHeader {
    var header = self
    if let dataLength, Self.isPlaceholder(dataLength), dataOffset + dataLength > provenLength {
      header.dataLength = nil
    }
    if let containerLength, Self.isPlaceholder(containerLength), containerLength > provenLength {
      header.containerLength = nil
    }
    return header
  }

  /// Bytes of audio in a file of this length: at most the announced number, at least 0.
  package func audioBytes(fileLength: Int64) -> Int64 {
    let present = max(0, max(0, fileLength) - dataOffset)
    return min(dataLength ?? present, present)
  }

  /// The length of the audio in a file of this length, computed from its bytes; nil for codecs with a variable or
  /// unknown rate, because the average in their headers is often wrong.
  package func duration(fileLength: Int64) -> Duration? {
    guard let block = blockLength, let frames = blockFrames else { return nil }
    let bytes = audioBytes(fileLength: fileLength)
    let (whole, overflow) = (bytes / block).multipliedReportingOverflow(by: frames)
    guard !overflow else { return nil }
    // Both factors come from 16-bit fields, so the product for the incomplete block fits.
    let partial = bytes % block * frames / block
    return .seconds((Double(whole) + Double(partial)) / Double(sampleRate))
  }

  /// The length according to the `fact` or `ds64` chunk, for codecs whose length cannot be computed; otherwise nil.
  package var announcedDuration: Duration? {
    guard codec == .other, let sampleFrames, sampleFrames > 0 else { return nil }
    return .seconds(Double(sampleFrames) / Double(sampleRate))
  }

  private var bytesPerSample: Int { (bitsPerSample + 7) / 8 }

  /// Bytes of one block. For uncompressed codecs it is computed, because some writers set the field incorrectly.
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
    // Per channel: a preamble of 7 bytes with two samples, then two samples per byte.
    case .msADPCM: compressedFrames(preamble: 7, held: 2)
    // Per channel: a preamble of 4 bytes with one sample, then two samples per byte.
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
