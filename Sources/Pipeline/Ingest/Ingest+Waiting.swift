import CXone
import Catalog
import Logging
import Model

extension Ingest {
  /// Asks the platform whether the recording is available. Where a location does not last, the claim that downloads
  /// the recording asks instead.
  func askPlatform(about job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> JobRelease {
    if case .untilDeadline(let schedule) = source.policy.waiting,
      let end = try await catalog.recording(job.key)?.facts.endTime,
      let first = schedule.firstRequest(afterCallEndedAt: end, now: system.now())
    {
      return .pollAgain(at: first)
    }
    guard source.policy.locationLasts else { return .advance(to: .fetching) }
    return try await locate(job, source: source) ?? .advance(to: .fetching)
  }

  /// Asks the platform where the media of a recording is, and stores what it reports.
  ///
  /// - Returns: nil when the media can be downloaded now, otherwise how the job is released.
  func locate(_ job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> JobRelease? {
    let located: Located
    do {
      located = try await source.locate(job.key.id)
    } catch {
      throw try await asNotYetAvailable(error, job)
    }
    let known = located.completesList ? try await catalog.recording(job.key)?.facts : nil
    let recording = try await catalog.observe(located.facts(knowing: known), of: job.key)
    if recording.facts.privacy > job.clearance { return .awaitClearance }
    switch located.availability {
    case .failed: throw TapedeckError(.recordingFailedOnPlatform)
    case .available where located.missingParts > 0:
      // Archiving the other parts alone would present them as the whole call.
      return try waitForMedia(of: job, source: source, located, callEndedAt: recording.facts.endTime)
    case .available:
      guard located.parts.count == 1 else {
        throw TapedeckError(
          .platformRefused,
          "The call has \(counted(located.parts.count, "media file")); this version archives calls with one only.")
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
      return nil
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
    if let next = schedule.nextRequest(afterCallEndedAt: end ?? job.requestedAt, now: system.now()) {
      return .pollAgain(at: next)
    }
    let time = counted(schedule.deadline.milliseconds / 3_600_000, "hour")
    let sentences =
      ["The platform does not have all media of this call \(time) after its end, and does not say why."] + skipped
      + ["It may not have been recorded, or its media was removed or moved to long-term storage."]
    throw TapedeckError(.neverAvailable, sentences.joined(separator: " "))
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
