import Model
import Testing

@Suite struct TapedeckErrorTests {
  typealias Code = TapedeckError.Code

  @Test func `codes keep their stored names`() {
    let names = """
      unauthenticated insufficient_permissions cross_site_request sign_in_refused sign_in_throttled invalid_request \
      invalid_recording_id too_many_streams too_many_jobs request_too_large method_not_allowed not_found unknown_recording \
      audio_not_ready range_not_satisfiable already_exists last_administrator platform_unavailable \
      platform_rate_limited platform_credentials_refused \
      platform_scope_refused platform_refused platform_protocol recording_failed_on_platform never_available not_yet_available \
      download_interrupted not_a_whole_recording ffmpeg_missing conversion_failed conversion_timed_out disk_full \
      storage_failed object_missing object_damaged catalog_failed access_log_unavailable data_directory_missing \
      data_directory_in_use webhook_failed webhook_disabled configuration_invalid usage server_unreachable lease_lost \
      partly_done check_failed shutting_down interrupted internal_error
      """
    for name in names.split(separator: " ") { #expect(Code(rawValue: String(name)) != nil, "\(name)") }
    #expect(Set(Code.allCases.map(\.rawValue)).count == Code.allCases.count)
  }

  @Test(arguments: Code.allCases)
  func `every code has a message, an HTTP error status and an exit code`(code: Code) {
    #expect(code.defaultMessage.count >= 10)
    #expect(TapedeckError(code).message == code.defaultMessage)
    #expect((400...599).contains(code.httpStatus))
    #expect(code.exitStatus != .done)
  }

  static let statuses: [(Code, Int)] = [
    (Code.unauthenticated, 401), (.invalidRecordingID, 400), (.insufficientPermissions, 403), (.unknownRecording, 404),
    (.audioNotReady, 404), (.rangeNotSatisfiable, 416), (.signInThrottled, 429), (.tooManyStreams, 429),
    (.tooManyJobs, 429),
    (.platformUnavailable, 502),
    (.platformRefused, 502), (.platformCredentialsRefused, 502), (.platformScopeRefused, 502),
    (.platformProtocol, 502), (.recordingFailedOnPlatform, 502), (.incompleteRecording, 502),
    (.downloadInterrupted, 502), (.neverAvailable, 504), (.notYetAvailable, 504), (.platformRateLimited, 503),
    (.ffmpegMissing, 503),
    (.accessLogUnavailable, 503), (.shuttingDown, 503), (.conversionFailed, 500), (.objectMissing, 503),
    (.objectDamaged, 503), (.diskFull, 507),
  ]

  @Test(arguments: statuses)
  func `the documented HTTP statuses do not change`(code: Code, status: Int) {
    #expect(code.httpStatus == status)
  }

  @Test func `the two documented messages do not change`() {
    #expect(Code.insufficientPermissions.defaultMessage == "Insufficient permissions")
    #expect(Code.audioNotReady.defaultMessage == "Audio file not yet processed")
  }

  static let exits: [(Code, Int32)] = [
    (Code.usage, 2), (.partlyDone, 3), (.insufficientPermissions, 4), (.unauthenticated, 4),
    (.platformCredentialsRefused, 4), (.platformUnavailable, 5), (.neverAvailable, 5), (.unknownRecording, 6),
    (.notFound, 6), (.incompleteRecording, 7), (.objectDamaged, 7), (.configurationInvalid, 12), (.interrupted, 130),
    (.internalError, 1), (.conversionFailed, 1),
  ]

  @Test(arguments: exits)
  func `the documented exit codes do not change`(code: Code, exit: Int32) {
    #expect(code.exitStatus.rawValue == exit)
  }

  @Test func `a job retries only failures that can disappear by themselves`() {
    let retried = Code.allCases.filter { $0.remedy == .retry }
    #expect(
      Set(retried) == [
        .platformUnavailable, .platformRateLimited, .retryBudgetSpent, .downloadInterrupted, .conversionTimedOut,
        .storageFailed, .catalogFailed, .webhookFailed, .accessLogUnavailable, .diskFull, .internalError,
        .notYetAvailable,
      ])
  }

  @Test func `a description does not contain detail or cause`() {
    let error = TapedeckError(
      .catalogFailed, detail: "/secret/path", cause: TapedeckError(.internalError, "hidden"))
    #expect("\(error)" == "catalog_failed: The catalog could not be read or written. The log has the reason.")
  }
}
