import Model

/// The catalog's row of a listed recording, with its job.
struct KnownRecording {
  var status: PlatformStatus
  var privacy: Privacy
  var startTime: Instant?
  var json: String
  var isWhole: Bool
  var isArchived: Bool
  var isTombstoned: Bool
  var jobState: RunState?
  var failure: TapedeckError.Code?
  var workerDeaths: Int64

  init(_ row: Row) throws(TapedeckError) {
    status = try row.value("platform_status", as: PlatformStatus.self)
    privacy = try row.value("privacy", as: Privacy.self)
    startTime = row.optionalInstant("started_at")
    json = try row.text("metadata")
    isWhole = try row.int("is_whole") == 1
    isArchived = row.optionalInstant("archived_at") != nil
    isTombstoned = row.optionalInstant("tombstoned_at") != nil
    jobState = row.optionalValue("run_state", as: RunState.self)
    failure = row.optionalErrorCode("failure_code")
    workerDeaths = row.optionalInt("worker_deaths") ?? 0
  }

  /// Whether the row already has everything that the platform reports, so that no write is needed.
  func equals(_ recording: PlatformRecording) -> Bool {
    json == recording.json && status == recording.status && privacy >= recording.privacy
      && startTime == recording.startTime
  }

  /// Whether the recording needs no job.
  func isSettled(for reason: DiscoveryReason, listedAs status: PlatformStatus) -> Bool {
    if isWhole || isTombstoned { return true }
    switch (jobState, reason) {
    case (.cancelled, _): return true
    case (.failed, .lookBack): return !mayHavePassed(status)
    case (.failed, _): return true
    case (.idle, _), (.leased, _), (.waiting, _), (.done, _), (nil, _): return false
    }
  }

  /// Whether the cause of the job's failure may have passed, by itself or after an operator's action.
  private func mayHavePassed(_ status: PlatformStatus) -> Bool {
    // A failed repair is retried by the verification, which tries the stored original first.
    guard !isArchived, status != .failed, let failure else { return false }
    switch failure {
    case .ffmpegMissing: return true
    case .neverAvailable: return status == .available
    // A job whose workers die must not be restarted every hour.
    case .internalError: return workerDeaths < RetrySchedule().workerDeaths
    default: return failure.remedy == .retry
    }
  }
}
