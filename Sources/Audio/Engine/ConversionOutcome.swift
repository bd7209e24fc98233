import CTranscoder
import Glibc
import Model
import SystemPackage

/// How a conversion ended.
struct ConversionOutcome: Sendable {
  var end: ConversionEnd
  var report: ConversionReport
  var limits: ConversionLimits

  /// The result. An exit code of 0 alone does not prove that everything was written.
  ///
  /// - Parameters:
  ///   - audio: a description of the recording, for the message.
  ///   - mp3: the MP3, whose size must be the reported one.
  /// - Throws: why there is no result.
  func conversion(of audio: String, mp3: FilePath) throws(TapedeckError) -> Conversion {
    switch end {
    case .exited(0):
      guard let conversion = report.conversion else {
        throw TapedeckError(.conversionFailed, detail: "the report of the conversion is incomplete")
      }
      var facts = stat()
      guard stat(mp3.string, &facts) == 0, Int64(facts.st_size) == conversion.mp3Bytes else {
        throw TapedeckError(
          .conversionFailed, detail: "the conversion left no MP3 of \(conversion.mp3Bytes) bytes at \(mp3)")
      }
      return conversion
    case .exited(let status):
      guard case .failed(let stage, let code, let text) = report.ending else {
        // Before the sandbox, or when the report could not be written.
        throw TapedeckError(.internalError, "The conversion could not be started.", detail: "exit code \(status)")
      }
      throw failure(stage, code, text, audio, mp3)
    case .signaled(let signal): throw crash(signal)
    case .refused(let error):
      // Describes the machine, such as a missing process slot, and not the recording.
      throw TapedeckError(
        .internalError, "The conversion could not be started. It will be retried; the log has the reason.",
        detail: "\(error)")
    case .lost:
      throw TapedeckError(
        .internalError, "The conversion was interrupted and must be restarted.", detail: "the transcoder was killed")
    }
  }

  /// A failure that the conversion reported itself.
  private func failure(
    _ stage: UInt32, _ code: Int32, _ text: String, _ audio: String, _ mp3: FilePath
  ) -> TapedeckError {
    switch stage {
    case STAGE_SANDBOX.rawValue:
      TapedeckError(
        .internalError, "The sandbox for conversions cannot be set up on this machine. The log has the reason.",
        detail: text)
    case STAGE_INPUT.rawValue:
      TapedeckError(.storageFailed, "The recording could not be read while it was converted.", detail: text)
    case STAGE_OUTPUT.rawValue where (code == -ENOSPC || code == -EDQUOT) && isFull(mp3):
      TapedeckError(.diskFull, detail: text)
    case STAGE_OUTPUT.rawValue where code == -EFBIG:
      TapedeckError(
        .conversionFailed, "The MP3 grew beyond the limit of \(limits.outputBytes) bytes.", detail: text)
    case STAGE_OUTPUT.rawValue:
      TapedeckError(.storageFailed, "The MP3 could not be written.", detail: text)
    case STAGE_MEMORY.rawValue where isLower(RLIMIT_AS, than: limits.addressSpaceBytes): limited("-v", text)
    case STAGE_RATE.rawValue: TapedeckError(.unsupportedAudio, detail: text)
    case STAGE_LENGTH.rawValue: limits.tooLong(detail: text)
    default:
      TapedeckError(
        .conversionFailed, "FFmpeg could not convert the recording (\(audio)). The log has its messages.", detail: text)
    }
  }

  /// Whether the disk of the MP3 is full for this process too. A full disk stops all transfers, so a report
  /// from a process that a recording may control is not enough.
  private func isFull(_ mp3: FilePath) -> Bool {
    do {
      let file = try FileDescriptor.open(mp3, .writeOnly, options: [.append, .closeOnExec])
      return try file.closeAfter {
        try file.writeAll(repeatElement(0, count: 64 << 10))
        return false
      }
    } catch {
      return [Errno.noSpace, Errno(rawValue: EDQUOT)].contains(error as? Errno)
    }
  }

  private func crash(_ signal: Int32) -> TapedeckError {
    let detail = "signal \(signal), warnings: \(report.warnings)"
    return switch signal {
    case SIGXFSZ where isLower(RLIMIT_FSIZE, than: limits.outputBytes): limited("-f", detail)
    case SIGKILL where isLower(RLIMIT_CPU, than: Int64(limits.cpuSeconds)): limited("-t", detail)
    case SIGKILL:
      TapedeckError(
        .conversionFailed,
        "The conversion was killed by the system: it used \(limits.cpuSeconds) s of processor time, or memory ran out.",
        detail: detail)
    case SIGSYS:
      TapedeckError(
        .conversionFailed, "The conversion crashed or attempted something that its sandbox forbids (signal \(signal)).",
        detail: detail)
    default: TapedeckError(.conversionFailed, "The conversion crashed (signal \(signal)).", detail: detail)
    }
  }

  /// Whether the hard limit of this process, which no child can exceed, is lower.
  private func isLower(_ resource: __rlimit_resource, than limit: Int64) -> Bool {
    var hard = rlimit()
    return getrlimit(__rlimit_resource_t(resource.rawValue), &hard) == 0 && UInt64(hard.rlim_max) < UInt64(limit)
  }

  private func limited(_ option: String, _ detail: String) -> TapedeckError {
    TapedeckError(
      .internalError,
      "The conversion reached a limit of this machine ('ulimit \(option)'). Raise it for the user that runs Tapedeck.",
      detail: detail)
  }
}
