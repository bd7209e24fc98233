import CXone
import Catalog
import Logging
import Model

/// The result of the final privacy check, which reads a recording's privacy from the platform before the commit.
enum FinalPrivacyCheck: Sendable {
  case reported(PlatformRecording)
  /// The platform no longer reports the privacy: the known facts, with the privacy `restricted`.
  case withdrawn(PlatformRecording)
  /// The platform does not answer now. The job keeps its bytes and repeats the check.
  case later(JobRelease)
}

extension Ingest {
  /// Reads the privacy of a completely downloaded recording from the platform again.
  ///
  /// The bytes are kept whatever the answer is, because the platform may delete its copy. Without an answer the job
  /// waits, and no attempt is counted. An answer that the recording does not exist or may not be read can mean that it
  /// became restricted: the request is repeated as often as other failures, and then the recording is archived as
  /// `restricted`. An administrator may change that.
  ///
  /// Where the source bills requests, the privacy that it reported with the media counts.
  ///
  /// - Throws: `interrupted`, `catalogFailed`.
  func checkPrivacy(of job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> FinalPrivacyCheck {
    if !source.policy.rereadsPrivacy, let known = try await catalog.recording(job.key)?.facts {
      return .reported(known)
    }
    let failure: TapedeckError
    do {
      return .reported(try await source.locate(job.key.id).facts)
    } catch {
      if error.code.remedy == .none { throw error }
      failure = error
    }
    let isWithdrawn = [.unknownRecording, .platformRefused, .notYetAvailable].contains(failure.code)
    if isWithdrawn, job.attempts >= settings.retry.attempts, var known = try await catalog.recording(job.key)?.facts {
      report("the platform no longer reports the privacy of a recording; it is archived as restricted", failure, job)
      known.privacy = .restricted
      return .withdrawn(known)
    }
    report("a downloaded recording waits until the platform reports its privacy", failure, job)
    let reason = TapedeckError(
      failure.code, "The recording is downloaded. It is archived as soon as the platform reports its privacy.",
      detail: failure.detail ?? failure.message, retryAfter: failure.retryAfter, cause: failure)
    // Uncounted attempts cannot lengthen the delay, so the longest delay is used.
    let delay = settings.retry.delay(attempt: isWithdrawn ? job.attempts - 1 : .max, random: system.random())
    let due = system.now() + max(delay, failure.retryAfter ?? .zero)
    return .later(isWithdrawn ? .retry(at: due, because: reason) : .postpone(until: due, because: reason))
  }

  private func report(_ message: Logger.Message, _ failure: TapedeckError, _ job: JobRow) {
    logger.warning(
      message,
      metadata: [
        "recording": "\(job.key)", "code": "\(failure.code.rawValue)", "reason": "\(failure.message)",
        "detail": "\(failure.detail ?? "")", "attempt": "\(job.attempts)",
      ])
  }
}
