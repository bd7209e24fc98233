/// The error type of Tapedeck: a stable code and a message that says what failed and what to do.
///
/// Adapters wrap foreign errors once, where they enter Tapedeck's code. The log level, HTTP status, exit code and
/// remedy of a code are in the tables in `TapedeckError+Tables.swift`.
package struct TapedeckError: Error, Sendable {
  /// The stable name of the failure.
  package var code: Code
  /// What failed and what to do. Shown to every caller, so it never holds a secret or a path.
  package var message: String
  /// Which permission is missing and who can help, as a sentence; for refusals whose message does not say it.
  package var help: String?
  /// Details for the operator; written to the log only.
  package var detail: String?
  /// How long the caller should wait before it tries again; nil when that is unknown.
  package var retryAfter: Duration?
  /// The foreign error that caused this one; written to the log only.
  package var cause: (any Error)?

  package init(
    _ code: Code, _ message: String? = nil, detail: String? = nil, retryAfter: Duration? = nil,
    cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message ?? code.defaultMessage
    self.detail = detail
    self.retryAfter = retryAfter
    self.cause = cause
  }

  /// The kinds of failure. The raw values are stable: they are stored in the catalog and sent as `code` in problem
  /// details.
  package enum Code: String, Sendable, CaseIterable, Codable {
    // Requests
    case unauthenticated
    case insufficientPermissions = "insufficient_permissions"
    case crossSiteRequest = "cross_site_request"
    case signInRefused = "sign_in_refused"
    case signInThrottled = "sign_in_throttled"
    case invalidRequest = "invalid_request"
    case invalidRecordingID = "invalid_recording_id"
    case tooManyStreams = "too_many_streams"
    case tooManyJobs = "too_many_jobs"
    case requestTooLarge = "request_too_large"
    case methodNotAllowed = "method_not_allowed"
    case notFound = "not_found"
    case unknownRecording = "unknown_recording"
    case audioNotReady = "audio_not_ready"
    case rangeNotSatisfiable = "range_not_satisfiable"
    case alreadyExists = "already_exists"
    case lastAdministrator = "last_administrator"

    // The platform
    case platformUnavailable = "platform_unavailable"
    case platformRateLimited = "platform_rate_limited"
    case platformCredentialsRefused = "platform_credentials_refused"
    case platformScopeRefused = "platform_scope_refused"
    case platformRefused = "platform_refused"
    case platformProtocol = "platform_protocol"
    case recordingFailedOnPlatform = "recording_failed_on_platform"
    case neverAvailable = "never_available"
    case notYetAvailable = "not_yet_available"
    case downloadInterrupted = "download_interrupted"
    case incompleteRecording = "not_a_whole_recording"
    case retryBudgetSpent = "retry_budget_spent"

    // Jobs
    case jobEnded = "job_ended"
    case jobCancelled = "job_cancelled"

    // Conversion
    case ffmpegMissing = "ffmpeg_missing"
    case conversionFailed = "conversion_failed"
    case conversionTimedOut = "conversion_timed_out"
    case unsupportedAudio = "unsupported_audio"

    // Storage
    case diskFull = "disk_full"
    case storageFailed = "storage_failed"
    case objectMissing = "object_missing"
    case objectDamaged = "object_damaged"
    case catalogFailed = "catalog_failed"
    case accessLogUnavailable = "access_log_unavailable"
    case dataDirectoryMissing = "data_directory_missing"
    case dataDirectoryInUse = "data_directory_in_use"

    // Webhooks
    case webhookFailed = "webhook_failed"
    case webhookDisabled = "webhook_disabled"

    // The program
    case configurationInvalid = "configuration_invalid"
    case usage
    case serverUnreachable = "server_unreachable"
    case leaseLost = "lease_lost"
    case partlyDone = "partly_done"
    case checkFailed = "check_failed"
    case shuttingDown = "shutting_down"
    case interrupted
    case internalError = "internal_error"
  }
}

extension TapedeckError: CustomStringConvertible {
  /// The code and the message; safe to show. Detail and cause are written to the log only.
  package var description: String { "\(code.rawValue): \(message)" }
}

extension TapedeckError {
  /// No account has the requested name or ID.
  package static let unknownAccount = TapedeckError(.notFound, "No account has this name or ID.")

  /// No job has the requested number.
  package static let unknownJob = TapedeckError(.notFound, "There is no job with this number.")

  /// No file in quarantine has the requested number, or the caller may not see it.
  package static let unknownQuarantinedFile = TapedeckError(
    .notFound, "There is no quarantined file with this number.")

  /// The error for a file that reaches the limit of the size of files (EFBIG).
  ///
  /// - Parameter what: the operation, for the log.
  package static func fileTooLarge(_ what: String, cause: (any Error)? = nil) -> TapedeckError {
    TapedeckError(
      .storageFailed,
      "A file reached the size limit of this process. Raise it ('ulimit -f', LimitFSIZE= in systemd).",
      detail: what, cause: cause)
  }

  /// No source of this name is configured.
  package static func unknownSource(_ name: String) -> TapedeckError {
    TapedeckError(.notFound, "No source named '\(name)' is configured.")
  }

  /// A recording needs the platform, and its source is not configured any more.
  package static func sourceNotInSettings(_ source: SourceID) -> TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "Its source '\(source)' is not in the settings. Add the source to the settings, then try again.")
  }

  /// A source whose recordings are in the catalog is not configured any more.
  package static func removedSource(_ name: String) -> TapedeckError {
    TapedeckError(
      .notFound,
      "The source '\(name)' is no longer in the settings, which define its days and its filter, so its coverage is unknown. Its recordings stay in the archive. To see its coverage, add the source to the settings again."
    )
  }
}

extension Result where Failure == TapedeckError {
  /// The outcome of `work` as a value, for closures that cannot throw typed errors.
  package init(running work: () async throws(TapedeckError) -> Success) async {
    do {
      self = .success(try await work())
    } catch {
      self = .failure(error)
    }
  }
}
