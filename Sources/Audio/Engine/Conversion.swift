package import Model

/// The result of converting a recording.
package struct Conversion: Sendable, Equatable {
  /// Audio frames after decoding, at 8 kHz.
  package var decodedFrames: Int64
  /// Channels of the MP3 and of the peaks: 1 or 2.
  package var channels: Int
  /// Samples per second of the MP3.
  package var mp3Rate: Int
  /// The length of the decoded audio.
  package var duration: Duration
  package var peaks: Peaks
  /// Size of the MP3 in bytes.
  package var mp3Bytes: Int64
  /// Peculiarities of the recording, as sentences.
  package var warnings: [String]
  /// What the decoder says about the recording: its codec by FFmpeg's name, its channels and samples per second.
  package var codec: String
  package var sourceChannels: Int
  package var sourceRate: Int
}

/// The sample rate and the channels of an MP3. The parts of a recording have the same, so that their frames can follow
/// each other in one file.
package struct MP3Format: Sendable, Equatable {
  package var rate: Int
  package var channels: Int

  /// The format that loses nothing of any of these; nil without any.
  package init?(covering formats: [MP3Format]) {
    guard let rate = formats.map(\.rate).max(), let channels = formats.map(\.channels).max() else { return nil }
    self.init(rate: rate, channels: channels)
  }

  package init(rate: Int, channels: Int) {
    self.rate = rate
    self.channels = channels
  }
}

extension Conversion {
  /// The format of the MP3.
  package var format: MP3Format { MP3Format(rate: mp3Rate, channels: channels) }
}

/// Resource limits of one conversion. A file that exceeds them is not a telephone call.
///
/// Processor time, address space and output size are limits of its process.
package struct ConversionLimits: Sendable, Equatable {
  /// Seconds of processor time, after which the system kills the process. One hour of telephone stereo takes about ten.
  package var cpuSeconds: Int
  /// Bytes of address space. Code and libraries map about 200 MB.
  package var addressSpaceBytes: Int64
  /// Maximum size of the MP3 in bytes.
  package var outputBytes: Int64
  /// Maximum length of the decoded audio; limits the memory of the peaks (720 kB per hour and channel).
  package var audio: Duration
  /// How long a conversion may make no progress while it has work. Waiting for a growing file does not count.
  package var timeout: Duration

  package init(
    cpuSeconds: Int = 1800, addressSpaceBytes: Int64 = 4 << 30, outputBytes: Int64 = 4 << 30,
    audio: Duration = .seconds(48 * 3600), timeout: Duration = .seconds(120)
  ) {
    self.cpuSeconds = cpuSeconds
    self.addressSpaceBytes = addressSpaceBytes
    self.outputBytes = outputBytes
    self.audio = audio
    self.timeout = timeout
  }

  /// The sample rates of telephone and studio recordings, in Hz. A header with another one can make a small file
  /// announce days of audio.
  static let sampleRates = 4000...192_000

  /// - Throws: `unsupportedAudio` when the sample rate is out of range.
  package func checkRate(of header: WAVHeader) throws(TapedeckError) {
    guard !Self.sampleRates.contains(header.sampleRate) else { return }
    throw TapedeckError(
      .unsupportedAudio, "The recording has a sample rate of \(header.sampleRate) Hz; supported are 4000 to 192000 Hz.")
  }

  /// Rejects a recording that would take too long to convert, by its header alone.
  ///
  /// - Parameters:
  ///   - fileLength: the length of the file in bytes.
  ///   - platformDuration: the platform's duration of the call; nil or 0 is ignored.
  /// - Throws: `unsupportedAudio` when the sample rate is out of range or the audio too long.
  package func check(
    _ header: WAVHeader, fileLength: Int64, platformDuration: Duration?
  ) throws(TapedeckError) {
    try checkRate(of: header)
    var limits = self
    if let longest = Self.longest(platformDuration) { limits.audio = min(audio, longest) }
    guard let duration = header.duration(fileLength: fileLength), duration > limits.audio else { return }
    throw limits.tooLong(duration)
  }

  /// The maximum length of a call to which the platform gives this duration; nil when it gives none.
  package static func longest(_ platformDuration: Duration?) -> Duration? {
    guard let platformDuration, platformDuration > .zero else { return nil }
    return platformDuration * 10 + .seconds(600)
  }

  func tooLong(_ duration: Duration? = nil, detail: String? = nil) -> TapedeckError {
    let length = duration.map { "lasts \(Int($0.inSeconds)) s" } ?? "is too long"
    return TapedeckError(
      .unsupportedAudio, "The recording \(length); the limit for this call is \(Int(audio.inSeconds)) s.",
      detail: detail)
  }
}
