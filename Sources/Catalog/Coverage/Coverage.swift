package import Model

/// The state of a recording that is expected in the archive.
package enum CoverageStatus: String, Sendable, CaseIterable {
  /// Archived, with its files.
  case ready
  /// Its job is unfinished.
  case waiting
  /// Its job failed or was cancelled, or the platform has no audio for it.
  case failed
  /// The file from the platform failed the integrity check twice, or its sample rate or length is not supported.
  case refused
  /// It has no job, or it was archived but its files are damaged or lost.
  case missing
  /// The platform lists it in a row without a usable ID, or whose start is not in the day.
  case unidentified
}

/// The recordings of one source and day: how many are expected, and how many of them are in each state.
///
/// `expected` is always the sum of the counts.
package struct CoverageDay: Sendable {
  package var day: CalendarDay
  /// When the platform was last asked for the whole day; nil if never.
  package var checkedAt: Instant?
  /// Whether that was after the end of the day, by the time in which calls still appear in the platform's list. A check
  /// in the future, made while the clock was wrong, does not count.
  package var isChecked: Bool
  /// How many recordings the platform lists, including those that the source's filter excludes; nil if it was never
  /// asked, or if the figure includes recordings that are not visible.
  package var reported: Int64?
  package var counts: [CoverageStatus: Int64]
  /// How many of the expected recordings the platform no longer listed at the last check.
  package var unlisted: Int64
  /// How many of the ready recordings were refused and then accepted by a user.
  package var accepted: Int64 = 0
  /// How many of the ready recordings are partial: the platform has no media for some of their parts.
  package var partial: Int64 = 0
  /// The earliest of the last verifications of the ready recordings; nil when one was never verified, or there is none.
  package var verifiedAt: Instant?
  /// The first unidentified rows of the last check, in order of position; `counts` has the number of all.
  package var unidentified: [UnidentifiedRow]

  /// Whether the day is checked and every expected recording is archived.
  package var isComplete: Bool { isChecked && gaps == 0 }

  package var expected: Int64 { counts.values.reduce(0, +) }
  package var gaps: Int64 { expected - count(.ready) }

  package func count(_ status: CoverageStatus) -> Int64 { counts[status] ?? 0 }
}

extension Collection<CoverageDay> {
  /// The earliest of the last verifications of all ready recordings; nil when one was never verified, or there is none.
  package var verifiedAt: Instant? {
    let times = filter { $0.count(.ready) > 0 }.map(\.verifiedAt)
    return times.contains(nil) ? nil : times.compactMap { $0 }.min()
  }
}

/// An expected recording that is not in the archive.
package struct CoverageGap: Sendable {
  /// The ID of the recording's row, which is the cursor of the list.
  package var id: Int64
  package var key: RecordingKey
  package var privacy: Privacy
  /// Decides the day that the recording counts toward.
  package var countedAt: Instant
  package var status: CoverageStatus
  package var code: TapedeckError.Code?
  /// Why it is not archived, as a sentence.
  package var reason: String
  /// Whether requesting the recording may archive it.
  package var isFillable: Bool

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    privacy = try row.value("privacy", as: Privacy.self)
    countedAt = try row.instant("counted_at")
    status = try row.value("status", as: CoverageStatus.self)
    let failure = row.optionalErrorCode("failure_code")
    let message = row.optionalText("failure_message") ?? failure?.defaultMessage
    let runState = row.optionalValue("run_state", as: RunState.self)
    let isFailedOnPlatform = row.optionalText("platform_status") == PlatformStatus.failed.rawValue
    switch status {
    case .ready:
      (reason, isFillable) = ("The recording is archived.", false)
    case .waiting where row.optionalInstant("due_at") == nil && runState == .waiting:
      (reason, isFillable) = ("It is restricted, and its job waits until a supervisor requests it.", true)
    case .waiting:
      code = failure
      let text =
        message.map { "\($0) It will be retried." }
        ?? Self.reason(waitingIn: row.optionalValue("stage", as: Stage.self))
      (reason, isFillable) = (text, false)
    case .failed where runState == .cancelled && (failure == nil || failure == .jobCancelled):
      (reason, isFillable) = ("Its job was cancelled. Request the recording by its ID to start a new one.", false)
    case .failed, .refused:
      code = isFailedOnPlatform ? .recordingFailedOnPlatform : failure ?? .internalError
      let text = isFailedOnPlatform ? TapedeckError.Code.recordingFailedOnPlatform.defaultMessage : message ?? ""
      let isCancelled = runState == .cancelled
      reason = isCancelled ? "\(text) Its job was then cancelled." : text
      isFillable = status == .failed && !isFailedOnPlatform && !isCancelled
    // Never the status of a recording.
    case .unidentified:
      (reason, isFillable) = ("The row has no usable ID.", false)
    case .missing:
      (reason, isFillable) = (Self.reason(missing: row), true)
    }
  }

  private static func reason(waitingIn stage: Stage?) -> String {
    switch stage {
    case .queued, nil: "It is queued."
    case .awaiting: "The platform has not made it available yet."
    case .fetching: "It is being downloaded."
    case .processing, .ready: "It is being checked and converted."
    }
  }

  private static func reason(missing row: Row) -> String {
    if row.optionalInstant("archived_at") != nil {
      return "It was archived, but its files are damaged or lost."
    }
    if row.optionalText("run_state") != nil { return "It was archived, but the catalog no longer has it." }
    return row.optionalInt("is_unlisted") == 1
      ? "It was never requested, and the platform no longer lists it." : "It has not been requested yet."
  }
}
