import CXone
import Catalog
import Logging
import Model

extension Ingest {
  /// Asks the platform whether the recording is available, and stores what it reports.
  func askPlatform(about job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> JobRelease {
    var known: PlatformRecording?
    if case .untilDeadline(let schedule) = source.policy.waiting {
      known = try await catalog.recording(job.key)?.facts
      if let end = known?.endTime, let first = schedule.firstRequest(afterCallEndedAt: end, now: system.now()) {
        return .pollAgain(at: first)
      }
    }
    let located: Located
    do {
      located = try await source.locate(job.key.id)
    } catch {
      throw try await asNotYetAvailable(error, job)
    }
    let recording = try await catalog.observe(located.facts(knowing: known), of: job.key)
    if recording.facts.privacy > job.clearance { return .awaitClearance }
    switch located.availability {
    case .failed: throw TapedeckError(.recordingFailedOnPlatform)
    case .available:
      // The other parts may appear until the deadline; then the recording is archived without them, as partial.
      if !located.missing.isEmpty, case .untilDeadline(let schedule) = source.policy.waiting,
        let next = nextRequest(for: job, on: schedule, callEndedAt: recording.facts.endTime)
      {
        return .pollAgain(at: next)
      }
      if located.media != job.media ?? .single {
        try await catalog.recordMedia(located.media, of: JobLease(jobID: job.id, fence: job.fence))
      }
      if !located.skipped.isEmpty {
        logger.notice(
          "a call has media that is not archived",
          metadata: ["recording": "\(job.key)", "reason": "\(located.skipped.joined(separator: " "))"])
      }
      let waited = StepTime(
        step: .waiting, startedAt: job.requestedAt, duration: system.now() - job.requestedAt)
      try await catalog.recordStep(waited, of: job.id)
      IngestMetrics.record(waited)
      return .advance(to: .fetching)
    case .notYet: return try waitForMedia(of: job, source: source, located, callEndedAt: recording.facts.endTime)
    }
  }

  private func waitForMedia(
    of job: JobRow, source: any RecordingSource, _ located: Located, callEndedAt end: Instant?
  ) throws(TapedeckError) -> JobRelease {
    switch source.policy.waiting {
    case .polls: try poll(job, again: located.facts)
    case .untilDeadline(let schedule): try wait(for: job, on: schedule, callEndedAt: end, skipped: located.skipped)
    }
  }

  /// The next poll of a recording whose status says that it is not ready.
  ///
  /// - Throws: `neverAvailable` after the last one.
  private func poll(_ job: JobRow, again facts: PlatformRecording) throws(TapedeckError) -> JobRelease {
    if job.polls == 0, let word = facts.unknownStatus {
      logger.warning(
        "the platform reports a status of unknown meaning; the recording counts as not ready",
        metadata: ["recording": "\(job.key)", "status": "\(word)"])
    }
    guard job.polls + 1 < settings.waiting.attempts else {
      throw TapedeckError(
        .neverAvailable,
        "The platform did not make the recording available in \(settings.waiting.attempts) attempts."
          + (facts.unknownStatus.map { " Its last status is '\($0)', which Tapedeck does not know." } ?? "")
          + " Ask again later.")
    }
    return .pollAgain(
      at: system.now() + settings.waiting.delay(attempt: job.polls, random: system.random()))
  }

  /// The next request for a recording without media, on a platform that does not say why there is none.
  ///
  /// - Parameter end: the end of the call; where it is unknown, the time of the request for the recording counts.
  /// - Throws: `neverAvailable` after the deadline.
  private func wait(
    for job: JobRow, on schedule: DeadlineSchedule, callEndedAt end: Instant?, skipped: [String]
  ) throws(TapedeckError) -> JobRelease {
    if let next = nextRequest(for: job, on: schedule, callEndedAt: end) { return .pollAgain(at: next) }
    let time = counted(schedule.deadline.milliseconds / 3_600_000, "hour")
    let sentences =
      ["The platform does not have all media of this call \(time) after its end, and does not say why."] + skipped
      + ["It may not have been recorded, or its media was removed or moved to long-term storage."]
    throw TapedeckError(.neverAvailable, sentences.joined(separator: " "))
  }

  /// When the platform is asked again for media of a call; nil after the deadline.
  private func nextRequest(
    for job: JobRow, on schedule: DeadlineSchedule, callEndedAt end: Instant?
  ) -> Instant? {
    schedule.nextRequest(afterCallEndedAt: end ?? job.requestedAt, now: system.now())
  }

  /// A recording that the platform has listed or described exists, so "no such recording" means "not yet". For an
  /// archived one, which is to be repaired, it means that the platform no longer keeps it.
  func asNotYetAvailable(_ error: TapedeckError, _ job: JobRow) async throws(TapedeckError) -> TapedeckError {
    guard error.code == .unknownRecording, let row = try await catalog.recording(job.key), row.archivedAt == nil
    else { return error }
    return TapedeckError(
      .notYetAvailable, "The platform lists this recording but answers that it does not exist. It is requested again.",
      detail: error.detail, retryAfter: error.retryAfter, cause: error)
  }
}
