/// One entry of the access log: who did or attempted what, when, from where, and with which outcome.
package struct LogEntry: Sendable, Equatable {
  /// What was done or attempted. Raw values are part of the stored format.
  package enum Action: String, Sendable, Codable, CaseIterable {
    /// An identity asked for a recording to be archived.
    case ingest
    /// The pipeline archived a recording.
    case archive
    /// A file of a recording was found damaged or missing.
    case verify
    /// The pipeline replaced damaged files with intact ones.
    case repair
    /// A file that no recording refers to any more was deleted.
    case removeObject = "remove_object"
    /// The platform changed the privacy of a recording in the archive.
    case privacyChange = "privacy_change"
    /// A list of recordings was shown.
    case list
    /// A list of recordings or the access log was exported, with all its pages.
    case export
    /// The platform was searched.
    case search
    /// The comparison of the archive with what it must contain was shown or exported.
    case coverage
    /// A backfill was started, paused, resumed or cancelled.
    case backfill
    /// The metadata of one recording was shown.
    case view
    /// Playback requested its first byte: a listening session began.
    case listen
    /// The bytes of audio that the server sent in a listening session since its last such entry.
    case audioSent = "audio_sent"
    /// The passages that were played, as the player reports them.
    case audioHeard = "audio_heard"
    /// A file was downloaded.
    case download
    case signIn = "sign_in"
    case signOut = "sign_out"
    /// The access log itself was read.
    case readLog = "read_log"
    case createAccount = "create_account"
    case disableAccount = "disable_account"
    case enableAccount = "enable_account"
    case changeRole = "change_role"
    /// An administrator set the password of an account.
    case resetPassword = "reset_password"
    /// A user changed their own password.
    case changePassword = "change_password"
    /// An administrator ended the sessions of an account.
    case endSessions = "end_sessions"
    case removeAccount = "remove_account"
    case createToken = "create_token"
    case revokeToken = "revoke_token"
    /// A user started a failed job again.
    case retryJob = "retry_job"
    /// A user cancelled a job.
    case cancelJob = "cancel_job"
    /// A user accepted a file that was refused.
    case acceptQuarantined = "accept_quarantined"
    /// A user discarded a file that was refused.
    case discardQuarantined = "discard_quarantined"
    /// The platform has erased the addresses of a call whose recording is stored.
    case openNotice = "open_notice"
    /// A user decided what follows from it.
    case closeNotice = "close_notice"
    /// Rejected requests without an identity, counted per minute.
    case anonymous
  }

  package enum Outcome: String, Sendable, Codable, CaseIterable { case allowed, denied, failed }

  /// Where a request came from; personal data.
  package struct Origin: Sendable, Equatable {
    package var address: String
    package var userAgent: String?
    package var requestID: String

    package init(address: String, userAgent: String?, requestID: String) {
      self.address = address
      self.userAgent = userAgent
      self.requestID = requestID
    }
  }

  package var at: Instant
  package var action: Action
  package var outcome: Outcome
  /// Nil for the pipeline and for callers without an identity.
  package var actor: Identity?
  package var recording: RecordingKey?
  /// The number of rows, requests or bytes concerned, where it applies.
  package var count: Int64?
  /// Why it was denied or why it failed.
  package var code: TapedeckError.Code?
  package var origin: Origin?
  /// Further details such as a query; may contain personal data and can be erased.
  package var details: [String: String]

  package init(
    at: Instant, action: Action, outcome: Outcome, actor: Identity?, recording: RecordingKey? = nil,
    count: Int64? = nil, code: TapedeckError.Code? = nil, origin: Origin? = nil, details: [String: String] = [:]
  ) {
    self.at = at
    self.action = action
    self.outcome = outcome
    self.actor = actor
    self.recording = recording
    self.count = count
    self.code = code
    self.origin = origin
    self.details = details
  }
}
