/// What one run of FFmpeg may use. A file that needs more is not a telephone call.
///
/// Processor time, address space and length of the output are set on the process, and 64 open files and no core dump.
package struct ConversionLimits: Sendable, Equatable {
  /// Seconds of processor time; the system kills FFmpeg beyond it. An hour of telephone stereo takes about ten.
  package var cpuSeconds: Int
  /// Bytes of address space. Code and libraries alone map about 300 MB, and newer versions some more per thread.
  package var addressSpaceBytes: Int64
  /// Bytes of the MP3.
  package var outputBytes: Int64
  /// Length of the decoded audio; bounds the memory of the peaks (720 kB an hour and channel).
  package var audio: Duration
  /// How long FFmpeg may make no progress although it has something to do. Waiting for a growing file does not count.
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

  /// Files that FFmpeg may have open: the standard three, the MP3, and some of its libraries' own.
  static let openFiles = 64
}
