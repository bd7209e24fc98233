extension TapedeckError {
  /// Who can do something about a failure.
  package enum Remedy: Sendable {
    /// The same work may succeed later: the job tries again with backoff.
    case retry
    /// Somebody has to change a setting or the machine first.
    case `operator`
    /// The work cannot succeed; only an explicit new request starts it afresh.
    case giveUp
    /// Nothing is wrong with the system: the answer is the answer.
    case none
  }

  /// How loud a failure is in the log.
  package enum Severity: Sendable { case debug, info, warning, error, critical }

  /// The process exit codes of the command line, as promised in `docs/command-line.md`.
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
  /// Who can do something about it.
  package var remedy: TapedeckError.Remedy {
    switch self {
    case .unauthenticated, .insufficientPermissions, .crossSiteRequest, .signInRefused, .signInThrottled,
      .invalidRequest, .invalidRecordingID, .requestTooLarge, .methodNotAllowed, .notFound, .audioNotReady,
      .rangeNotSatisfiable, .alreadyExists, .usage, .partlyDone, .interrupted, .shuttingDown, .leaseLost, .jobEnded:
      .none
    case .platformUnavailable, .platformRateLimited, .retryBudgetSpent, .downloadInterrupted, .conversionTimedOut,
      .storageFailed, .catalogFailed, .webhookFailed, .accessLogUnavailable, .diskFull, .internalError:
      .retry
    case .platformCredentialsRefused, .platformScopeRefused, .ffmpegMissing, .configurationInvalid,
      .dataDirectoryMissing, .dataDirectoryInUse, .serverUnreachable, .webhookDisabled, .objectMissing,
      .objectDamaged, .checkFailed:
      .operator
    case .unknownRecording, .platformRefused, .platformProtocol, .recordingFailedOnPlatform, .neverAvailable,
      .notAWholeRecording, .conversionFailed, .jobCancelled:
      .giveUp
    }
  }

  /// How loud it is in the log.
  package var severity: TapedeckError.Severity {
    switch self {
    case .rangeNotSatisfiable, .audioNotReady, .notFound, .methodNotAllowed, .interrupted, .shuttingDown, .leaseLost,
      .jobEnded:
      .debug
    case .unauthenticated, .insufficientPermissions, .signInRefused, .invalidRequest, .invalidRecordingID,
      .requestTooLarge, .unknownRecording, .alreadyExists, .usage, .partlyDone, .checkFailed, .jobCancelled:
      .info
    case .crossSiteRequest, .signInThrottled, .platformUnavailable, .platformRateLimited, .retryBudgetSpent,
      .downloadInterrupted, .webhookFailed, .recordingFailedOnPlatform, .neverAvailable, .conversionTimedOut:
      .warning
    case .platformCredentialsRefused, .platformScopeRefused, .platformRefused, .platformProtocol,
      .notAWholeRecording, .ffmpegMissing, .conversionFailed, .storageFailed, .catalogFailed, .webhookDisabled,
      .configurationInvalid, .dataDirectoryMissing, .dataDirectoryInUse, .serverUnreachable, .internalError:
      .error
    case .diskFull, .objectMissing, .objectDamaged, .accessLogUnavailable:
      .critical
    }
  }

  /// The status of an HTTP answer that reports it.
  package var httpStatus: Int {
    switch self {
    case .invalidRequest, .invalidRecordingID, .usage: 400
    case .unauthenticated, .signInRefused: 401
    case .insufficientPermissions, .crossSiteRequest: 403
    case .notFound, .unknownRecording, .audioNotReady: 404
    case .methodNotAllowed: 405
    case .alreadyExists, .jobEnded, .jobCancelled: 409
    case .requestTooLarge: 413
    case .rangeNotSatisfiable: 416
    case .signInThrottled: 429
    case .conversionFailed, .conversionTimedOut, .storageFailed, .objectMissing, .objectDamaged, .catalogFailed,
      .configurationInvalid, .partlyDone, .checkFailed, .leaseLost, .internalError, .webhookDisabled:
      500
    case .platformUnavailable, .platformCredentialsRefused, .platformScopeRefused, .platformRefused,
      .platformProtocol, .recordingFailedOnPlatform, .downloadInterrupted, .notAWholeRecording, .webhookFailed:
      502
    case .platformRateLimited, .retryBudgetSpent, .ffmpegMissing, .accessLogUnavailable, .dataDirectoryMissing,
      .dataDirectoryInUse,
      .serverUnreachable, .shuttingDown, .interrupted:
      503
    case .neverAvailable: 504
    case .diskFull: 507
    }
  }

  /// The exit code of a command that ends with it.
  package var exitStatus: TapedeckError.ExitStatus {
    switch self {
    case .usage, .invalidRequest, .invalidRecordingID, .requestTooLarge, .methodNotAllowed, .rangeNotSatisfiable:
      .usage
    case .partlyDone: .partlyDone
    case .unauthenticated, .insufficientPermissions, .crossSiteRequest, .signInRefused, .platformCredentialsRefused,
      .platformScopeRefused:
      .refused
    case .signInThrottled, .platformUnavailable, .platformRateLimited, .retryBudgetSpent, .downloadInterrupted,
      .neverAvailable,
      .dataDirectoryInUse, .serverUnreachable, .shuttingDown, .webhookFailed, .accessLogUnavailable, .leaseLost,
      .conversionTimedOut:
      .temporary
    case .notFound, .unknownRecording, .audioNotReady, .objectMissing: .notFound
    case .notAWholeRecording, .objectDamaged: .integrity
    case .configurationInvalid, .dataDirectoryMissing: .configuration
    case .interrupted: .interrupted
    case .checkFailed, .alreadyExists, .jobEnded, .jobCancelled, .platformRefused, .platformProtocol,
      .recordingFailedOnPlatform, .ffmpegMissing,
      .conversionFailed, .diskFull, .storageFailed, .catalogFailed, .webhookDisabled, .internalError:
      .error
    }
  }

  /// The sentence that is used where the place of failure has nothing better to say.
  package var defaultMessage: String {
    switch self {
    case .unauthenticated: "Sign in, or send an API token as 'Authorization: Bearer'."
    case .insufficientPermissions: "Insufficient permissions"
    case .crossSiteRequest: "This form was sent from another site. Open the page again and repeat."
    case .signInRefused: "Name or password is wrong."
    case .signInThrottled: "Too many attempts. Wait a moment and try again."
    case .invalidRequest: "The request is malformed."
    case .invalidRecordingID: "A recording id has 1 to 200 printable ASCII characters and is not '.' or '..'."
    case .requestTooLarge: "The request is larger than this address accepts."
    case .methodNotAllowed: "This address does not answer that method."
    case .notFound: "There is nothing at this address."
    case .unknownRecording: "The platform knows no recording of this id. Check the id and the source."
    case .audioNotReady: "Audio file not yet processed"
    case .rangeNotSatisfiable: "The requested range lies beyond the end of the file."
    case .alreadyExists: "That name is already in use. Choose another."
    case .platformUnavailable: "The platform did not answer properly. It is tried again; nothing is lost."
    case .platformRateLimited: "The platform asks us to slow down. Try again later."
    case .retryBudgetSpent:
      "Too many requests had to be made again lately. This one waits until there is room for it; nothing is lost."
    case .jobEnded: "This job has ended already."
    case .jobCancelled: "Somebody stopped the work on this recording. Ask for it again to start it afresh."
    case .platformCredentialsRefused:
      "The platform refused our credentials. Check client id, client secret and that the base URL is of the right environment."
    case .platformScopeRefused:
      "The platform refused access: the API client lacks a scope. Grant 'recording:read' and 'recording:download'."
    case .platformRefused: "The platform refused this request."
    case .platformProtocol: "The platform's answer could not be understood."
    case .recordingFailedOnPlatform: "The platform reports that this recording failed. There is no audio to fetch."
    case .neverAvailable: "The platform did not make the recording available in time. Ask again later."
    case .downloadInterrupted: "The download was interrupted. It goes on where it stopped."
    case .notAWholeRecording: "What the platform sent is not a whole recording. It was kept in quarantine."
    case .ffmpegMissing:
      "FFmpeg with the libmp3lame encoder was not found. Install it ('apt-get install ffmpeg') and try again."
    case .conversionFailed: "The recording could not be converted. The reason is in the log."
    case .conversionTimedOut: "The conversion took too long and was stopped."
    case .diskFull: "The disk is full. Free some space; work goes on by itself afterwards."
    case .storageFailed: "The archive could not be written or read."
    case .objectMissing: "A file of the archive is missing. 'tapedeck verify' says which and repairs it."
    case .objectDamaged: "A file of the archive is damaged. 'tapedeck verify' says which and repairs it."
    case .catalogFailed: "The catalog could not be read or written."
    case .accessLogUnavailable: "The access log cannot be written, so nothing is disclosed. Try again later."
    case .dataDirectoryMissing: "There is no data directory. 'tapedeck serve' makes one."
    case .dataDirectoryInUse: "Another process is using the data directory."
    case .webhookFailed: "The webhook's receiver did not accept the message. It is sent again later."
    case .webhookDisabled: "The webhook's receiver said that it is gone for good (410)."
    case .configurationInvalid: "A setting is missing or malformed."
    case .usage: "The command was used wrongly. See '--help'."
    case .serverUnreachable: "The server cannot be reached."
    case .leaseLost: "Another worker has taken over this job."
    case .partlyDone: "Some of the work failed."
    case .checkFailed: "Some of the checks failed."
    case .shuttingDown: "The server is shutting down. The work goes on after its next start."
    case .interrupted: "Interrupted."
    case .internalError: "Something went wrong inside Tapedeck. The request id leads to the reason in the log."
    }
  }
}
