import CXone
import Catalog
import Logging
import Model

/// What the platform says, before a recording is committed, about who may hear it.
enum PrivacyRecheck: Sendable {
  case told(PlatformRecording)
  /// It does not tell any more: what was known of the recording, for supervisors alone.
  case withdrawn(PlatformRecording)
  /// It cannot be asked now. The job keeps its bytes and asks again.
  case later(JobRelease)
}

extension Ingest {
  /// Asks the platform once more about a recording whose every byte is here.
  ///
  /// No failure of this question loses the bytes: the platform may not keep its copy. Where it stays without an answer
  /// the job waits, without counting attempts. Where the answer is that there is no such recording any more, or that it
  /// is not for us, that may be the platform's way to hide a recording that became restricted. It is asked again as
  /// often as anything else, and then the recording is archived for supervisors alone. A person may decide otherwise.
  ///
  /// - Throws: `interrupted`, `catalogFailed`.
  func recheckPrivacy(on job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> PrivacyRecheck {
    let failure: TapedeckError
    do {
      return .told(try await source.recording(job.key.id))
    } catch {
      if error.code.remedy == .none { throw error }
      failure = error
    }
    let isWithdrawn = failure.code == .unknownRecording || failure.code == .platformRefused
    if isWithdrawn, job.attempts >= settings.retry.attempts, var known = try await catalog.recording(job.key)?.facts {
      report("the platform tells no more who may hear a recording; it is archived for supervisors alone", failure, job)
      known.privacy = .restricted
      return .withdrawn(known)
    }
    report("a recording that is here as a whole waits until the platform says who may hear it", failure, job)
    let reason = TapedeckError(
      failure.code, "The whole recording is here. It is archived as soon as the platform says who may hear it.",
      detail: failure.detail ?? failure.message, retryAfter: failure.retryAfter, cause: failure)
    // Without a count the delay does not grow, so it is the longest from the beginning.
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
