/// The result of converting a recording.
package struct Conversion: Sendable, Equatable {
  /// Audio frames after decoding, at 8 kHz.
  package var decodedFrames: Int64
  /// Channels of the MP3 and of the peaks: 1 or 2.
  package var channels: Int
  /// The length of the decoded audio.
  package var duration: Duration
  package var peaks: Peaks
  /// Size of the MP3 in bytes.
  package var mp3Bytes: Int64

  package init(decodedFrames: Int64, channels: Int, duration: Duration, peaks: Peaks, mp3Bytes: Int64) {
    self.decodedFrames = decodedFrames
    self.channels = channels
    self.duration = duration
    self.peaks = peaks
    self.mp3Bytes = mp3Bytes
  }
}

/// Resource limits of one FFmpeg run. A file that exceeds them is not a telephone call.
///
/// Processor time, address space and output size are limits of the process, as are 64 open files and no core dumps.
package struct ConversionLimits: Sendable, Equatable {
  /// Seconds of processor time, after which the system kills FFmpeg. One hour of telephone stereo takes about ten.
  package var cpuSeconds: Int
  /// Bytes of address space. Code and libraries map about 300 MB, newer versions somewhat more per thread.
  package var addressSpaceBytes: Int64
  /// Maximum size of the MP3 in bytes.
  package var outputBytes: Int64
  /// Maximum length of the decoded audio; limits the memory of the peaks (720 kB per hour and channel).
  package var audio: Duration
  /// How long FFmpeg may make no progress while it has work. Waiting for a growing file does not count.
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

  /// Files that FFmpeg may have open: the standard three, the MP3, and those of its libraries.
  static let openFiles = 64
}
