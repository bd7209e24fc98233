import Model
import Subprocess

/// How a run of FFmpeg ended.
struct FFmpegOutcome: Sendable {
  var status: TerminationStatus
  /// The end of its standard error.
  var messages: String
  var frames: Int64
  var peaks: Peaks

  /// The failure, if there is one. An exit code of 0 alone does not prove that everything was written.
  func problem(limits: ConversionLimits) -> TapedeckError? {
    let detail = "\(status): \(messages)"
    if messages.contains("No space left on device") { return TapedeckError(.diskFull, detail: detail) }
    switch status {
    case .exited(0)
    where messages.contains("Error writing trailer") || messages.contains("av_interleaved_write_frame"):
      return TapedeckError(.conversionFailed, "FFmpeg could not write the MP3.", detail: detail)
    case .exited(0) where frames == 0:
      return TapedeckError(.conversionFailed, "FFmpeg found no audio in the recording.", detail: detail)
    case .exited(0):
      return nil
    case .exited where messages.contains("Unknown encoder"):
      return TapedeckError(
        .ffmpegMissing, "This FFmpeg has no MP3 encoder. Install one with libmp3lame ('apt-get install ffmpeg').",
        detail: detail)
    case .exited:
      return TapedeckError(.conversionFailed, detail: detail)
    case .signaled(9):
      return TapedeckError(
        .conversionFailed,
        "FFmpeg was killed by the system: it used \(limits.cpuSeconds) s of processor time, or memory ran out.",
        detail: detail)
    case .signaled(25):
      return TapedeckError(
        .conversionFailed, "The MP3 grew beyond the limit of \(limits.outputBytes) bytes.", detail: detail)
    case .signaled(let signal):
      return TapedeckError(.conversionFailed, "FFmpeg crashed (signal \(signal)).", detail: detail)
    }
  }
}
