extension TapedeckError {
  /// What resolves a failure.
  package enum Remedy: Sendable {
    /// The same work may succeed later; the job is retried with backoff.
    case retry
    /// The operator must first change a setting or the machine.
    case `operator`
    /// Retrying cannot succeed; only an explicit request starts the work again.
    case newRequest
    /// The system works as intended; nothing is retried.
    case none
  }

  /// The log level of a failure.
  package enum Severity: Sendable { case debug, info, warning, error, critical }

  /// The exit codes of the command line, as documented in `docs/command-line.md`.
  package enum ExitStatus: Int32, Sendable {
    case done = 0
    case error = 1
    case usage = 2
    case partlyDone = 3
    case refused = 4
    case temporary = 5
    case notFound = 6
    case integrity = 7
    case configuration = 12
    case interrupted = 130
  }
}

extension TapedeckError.Code {
  /// What resolves it.
  package var remedy: TapedeckError.Remedy {
    switch self {
    case .unauthenticated, .insufficientPermissions, .crossSiteRequest, .signInRefused, .signInThrottled,
      .invalidRequest, .invalidRecordingID, .requestTooLarge, .methodNotAllowed, .notFound, .audioNotReady,
      .rangeNotSatisfiable, .alreadyExists, .lastAdministrator, .usage, .partlyDone, .interrupted, .shuttingDown,
      .leaseLost, .jobEnded, .tooManyStreams, .tooManyJobs:
      .none
    case .platformUnavailable, .platformRateLimited, .retryBudgetSpent, .downloadInterrupted, .conversionTimedOut,
      .storageFailed, .catalogFailed, .webhookFailed, .accessLogUnavailable, .diskFull, .internalError,
      .notYetAvailable:
      .retry
    case .platformCredentialsRefused, .platformScopeRefused, .ffmpegMissing, .configurationInvalid,
      .dataDirectoryMissing, .dataDirectoryInUse, .serverUnreachable, .webhookDisabled, .objectMissing,
      .objectDamaged, .checkFailed:
      .operator
    case .unknownRecording, .platformRefused, .platformProtocol, .recordingFailedOnPlatform, .neverAvailable,
      .incompleteRecording, .conversionFailed, .unsupportedAudio, .jobCancelled:
      .newRequest
    }
  }

  /// Whether it ends a job by moving the downloaded file to quarantine.
  package var quarantinesFile: Bool {
    switch self {
    case .incompleteRecording, .unsupportedAudio, .conversionFailed: true
    default: false
    }
  }

  /// Its log level.
  package var severity: TapedeckError.Severity {
    switch self {
    case .rangeNotSatisfiable, .audioNotReady, .notFound, .methodNotAllowed, .interrupted, .shuttingDown, .leaseLost,
      .jobEnded:
      .debug
    case .unauthenticated, .insufficientPermissions, .signInRefused, .invalidRequest, .invalidRecordingID,
      .requestTooLarge, .unknownRecording, .tooManyJobs, .alreadyExists, .lastAdministrator, .usage, .partlyDone,
      .checkFailed, .jobCancelled:
      .info
    case .crossSiteRequest, .signInThrottled, .tooManyStreams, .platformUnavailable, .platformRateLimited,
      .retryBudgetSpent, .downloadInterrupted, .webhookFailed, .recordingFailedOnPlatform, .neverAvailable,
      .conversionTimedOut, .notYetAvailable:
      .warning
    case .platformCredentialsRefused, .platformScopeRefused, .platformRefused, .platformProtocol,
      .incompleteRecording, .ffmpegMissing, .conversionFailed, .unsupportedAudio, .storageFailed, .catalogFailed,
      .webhookDisabled,
      .configurationInvalid, .dataDirectoryMissing, .dataDirectoryInUse, .serverUnreachable, .internalError:
      .error
    case .diskFull, .objectMissing, .objectDamaged, .accessLogUnavailable:
      .critical
    }
  }

  /// The status of the HTTP response that reports it.
  package var httpStatus: Int {
    switch self {
    case .invalidRequest, .invalidRecordingID, .usage: 400
    case .unauthenticated, .signInRefused: 401
    case .insufficientPermissions, .crossSiteRequest: 403
    case .notFound, .unknownRecording, .audioNotReady: 404
    case .methodNotAllowed: 405
    case .alreadyExists, .lastAdministrator, .jobEnded, .jobCancelled: 409
    case .requestTooLarge: 413
    case .rangeNotSatisfiable: 416
    case .signInThrottled, .tooManyStreams, .tooManyJobs: 429
    case .conversionFailed, .conversionTimedOut, .storageFailed, .catalogFailed,
      .configurationInvalid, .partlyDone, .checkFailed, .leaseLost, .internalError, .webhookDisabled:
      500
    case .platformUnavailable, .platformCredentialsRefused, .platformScopeRefused, .platformRefused,
      .platformProtocol, .recordingFailedOnPlatform, .downloadInterrupted, .incompleteRecording, .unsupportedAudio,
      .webhookFailed:
      502
    case .platformRateLimited, .retryBudgetSpent, .ffmpegMissing, .accessLogUnavailable, .dataDirectoryMissing,
      .dataDirectoryInUse,
      .serverUnreachable, .shuttingDown, .interrupted, .objectMissing, .objectDamaged:
      503
    case .neverAvailable, .notYetAvailable: 504
    case .diskFull: 507
    }
  }

  /// The exit code of a command that fails with it.
  package var exitStatus: TapedeckError.ExitStatus {
    switch self {
    case .usage, .invalidRequest, .invalidRecordingID, .requestTooLarge, .methodNotAllowed, .rangeNotSatisfiable:
      .usage
    case .partlyDone: .partlyDone
    case .unauthenticated, .insufficientPermissions, .crossSiteRequest, .signInRefused, .lastAdministrator,
      .platformCredentialsRefused, .platformScopeRefused:
      .refused
    case .signInThrottled, .tooManyStreams, .tooManyJobs, .platformUnavailable, .platformRateLimited,
      .retryBudgetSpent, .downloadInterrupted, .neverAvailable, .notYetAvailable,
      .dataDirectoryInUse, .serverUnreachable, .shuttingDown, .webhookFailed, .accessLogUnavailable, .leaseLost,
      .conversionTimedOut:
      .temporary
    case .notFound, .unknownRecording, .audioNotReady, .objectMissing: .notFound
    case .incompleteRecording, .unsupportedAudio, .objectDamaged: .integrity
    case .configurationInvalid, .dataDirectoryMissing: .configuration
    case .interrupted: .interrupted
    case .checkFailed, .alreadyExists, .jobEnded, .jobCancelled, .platformRefused, .platformProtocol,
      .recordingFailedOnPlatform, .ffmpegMissing,
      .conversionFailed, .diskFull, .storageFailed, .catalogFailed, .webhookDisabled, .internalError:
      .error
    }
  }

  /// The message for failures without a more specific one.
  package var defaultMessage: String {
    switch self {
    case .unauthenticated: "Sign in, or send an API token as a bearer token in the 'Authorization' header."
    case .insufficientPermissions: "Insufficient permissions"
    case .crossSiteRequest: "The form has expired or was sent from another site. Reload the page and submit it again."
    case .signInRefused: "Name or password is wrong."
    case .signInThrottled: "Too many attempts. Wait a moment, then try again."
    case .tooManyStreams: "Too many files and lists are being sent to this account. Try again when one has ended."
    case .tooManyJobs:
      "Too many recordings that this account requested are not archived yet. Try again when some of them are archived."
    case .invalidRequest: "The request is malformed. Check its parameters and body against the API documentation."
    case .invalidRecordingID:
      "The recording ID is invalid. Use 1 to 500 bytes of text without control characters, other than '.' or '..'."
    case .requestTooLarge: "The request body is too large. Send a smaller one."
    case .methodNotAllowed: "This address does not support this method. See the header 'Allow'."
    case .notFound: "There is nothing at this address. Check it for typing errors."
    case .unknownRecording:
      "The platform has no recording with this ID. Compare the ID with the one on the platform, character by character, and check the source. A call of the last few minutes may not be listed yet; try again later."
    case .audioNotReady: "Audio file not yet processed"
    case .rangeNotSatisfiable: "The requested range starts after the end of the file. Request a smaller offset."
    case .alreadyExists: "This name is already in use. Choose another."
    case .lastAdministrator:
      "This is the last enabled account with the role admin. Give this role to another account first, or use the command line."
    case .platformUnavailable: "The platform is unavailable. Requests are retried automatically; no recording is lost."
    case .platformRateLimited: "The platform is limiting requests. Try again later."
    case .retryBudgetSpent: "The retry budget is used up. This request will be sent later; no recording is lost."
    case .jobEnded: "This job has already ended. Request the recording again if it is needed."
    case .jobCancelled: "The job for this recording was cancelled. Request the recording again to restart it."
    case .platformCredentialsRefused:
      "The platform rejected the credentials. Check the client ID, the client secret and the base URL."
    case .platformScopeRefused:
      "The platform denied access. Grant the API client the scopes 'recording:read' and 'recording:download'."
    case .platformRefused: "The platform rejected the request. The log has the reason."
    case .platformProtocol:
      "The platform sent an unexpected answer. Check that the base URL is correct; the log has the reason."
    case .recordingFailedOnPlatform: "The platform reports that this recording failed. It has no audio to archive."
    case .neverAvailable: "The platform did not make the recording available in time. Try again later."
    case .notYetAvailable:
      "The platform lists the recording but does not provide it yet. The request will be retried."
    case .downloadInterrupted: "The download was interrupted. It resumes automatically."
    case .incompleteRecording:
      "The downloaded file failed the integrity check and is in quarantine. Check the recording on the platform."
    case .ffmpegMissing:
      "The program tapedeck-transcoder or a library of FFmpeg is missing. 'tapedeck doctor' says what to install."
    case .conversionFailed: "FFmpeg could not convert the recording. The log has the reason."
    case .unsupportedAudio:
      "The sample rate or the length of the recording is not supported. The file is in quarantine."
    case .conversionTimedOut: "The conversion made no progress and was stopped. It is retried automatically."
    case .diskFull: "The disk is full. Free some space; work then resumes automatically."
    case .storageFailed:
      "The object store could not be read or written. Check the disk or the bucket; the log has the reason."
    case .objectMissing: "An archived file is missing. Run 'tapedeck verify' to identify and repair it."
    case .objectDamaged: "An archived file is damaged. Run 'tapedeck verify' to identify and repair it."
    case .catalogFailed: "The catalog could not be read or written. The log has the reason."
    case .accessLogUnavailable:
      "The access log cannot be written, and nothing is disclosed without an entry. Try again later."
    case .dataDirectoryMissing: "The data directory does not exist. Create it with 'tapedeck init --empty' or 'tapedeck serve'."
    case .dataDirectoryInUse: "Another process is using the data directory. Stop it, or wait until it ends."
    case .webhookFailed: "The webhook receiver did not accept the message. It is sent again later."
    case .webhookDisabled:
      "The webhook receiver answered 410 Gone, so deliveries have stopped. Check QM_WEBHOOK_URL, then restart the server."
    case .configurationInvalid: "A setting is missing or invalid. Run 'tapedeck doctor' to find it."
    case .usage: "The command line is invalid. See '--help'."
    case .serverUnreachable: "The server cannot be reached. Check that it is running."
    case .leaseLost: "Another worker has taken over this job. No action is needed."
    case .partlyDone: "Some of the work failed. The messages above have the reasons."
    case .checkFailed: "Some checks failed. The messages above say how to fix them."
    case .shuttingDown: "The server is shutting down. The job resumes after the next start."
    case .interrupted: "The command was interrupted. Work that it requested continues in a running server."
    case .internalError: "An internal error occurred. The log has the reason; search it for the request ID."
    }
  }
}
