import Foundation
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
  ///
  /// - Parameter header: of the recording, for the message.
  func problem(of header: WAVHeader, limits: ConversionLimits, machine: MachineLimits) -> TapedeckError? {
    let detail = "\(status): \(messages)"
    if messages.contains("No space left on device") { return TapedeckError(.diskFull, detail: detail) }
    if let machineProblem = machineProblem(limits, machine, detail) { return machineProblem }
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
        .ffmpegMissing, "This FFmpeg has no MP3 encoder. Install an FFmpeg with libmp3lame ('apt-get install ffmpeg').",
        detail: detail)
    case .exited:
      let format = "\(header.codecName), channels: \(header.channels), \(header.sampleRate) Hz"
      return TapedeckError(
        .conversionFailed, "FFmpeg could not convert the recording (\(format)). The log has its messages.",
        detail: detail)
    case .signaled(SIGKILL):
      return TapedeckError(
        .conversionFailed,
        "FFmpeg was killed by the system: it used \(limits.cpuSeconds) s of processor time, or memory ran out.",
        detail: detail)
    case .signaled(SIGXFSZ):
      return TapedeckError(
        .conversionFailed, "The MP3 grew beyond the limit of \(limits.outputBytes) bytes.", detail: detail)
    case .signaled(let signal):
      return TapedeckError(.conversionFailed, "FFmpeg crashed (signal \(signal)).", detail: detail)
    }
  }

  /// A failure that says something about this machine and nothing about the recording.
  private func machineProblem(
    _ limits: ConversionLimits, _ machine: MachineLimits, _ detail: String
  ) -> TapedeckError? {
    switch status {
    case .exited(0): nil
    // FFmpeg uses neither code. The launcher, `prlimit` and the dynamic linker do.
    case .exited(126), .exited(127):
      TapedeckError(
        .internalError, "FFmpeg could not be started on this machine. The log has the reason.", detail: detail)
    case .exited where messages.hasPrefix("prlimit: "):
      TapedeckError(
        .internalError, "FFmpeg could not be started on this machine. The log has the reason.", detail: detail)
    case .exited
    where messages.contains("Cannot allocate memory") && machine.addressSpaceBytes < UInt64(limits.addressSpaceBytes):
      limited("-v", detail)
    case .signaled(SIGXFSZ) where machine.fileBytes < UInt64(limits.outputBytes),
      .exited where messages.contains("File too large") && machine.fileBytes < UInt64(limits.outputBytes):
      limited("-f", detail)
    case .signaled(SIGKILL) where machine.cpuSeconds < UInt64(limits.cpuSeconds),
      .signaled(SIGXCPU) where machine.cpuSeconds < UInt64(limits.cpuSeconds):
      limited("-t", detail)
    default: nil
    }
  }

  private func limited(_ option: String, _ detail: String) -> TapedeckError {
    TapedeckError(
      .internalError,
      "FFmpeg reached a limit of this machine ('ulimit \(option)'). Raise it for the user that runs Tapedeck.",
      detail: detail)
  }
}
