/// One line of the access log: who did or wanted to do what, when, with which outcome, from where.
package struct LogEntry: Sendable, Equatable {
  /// What was done or wanted. Raw values are part of the stored format.
  package enum Action: String, Sendable, Codable, CaseIterable {
    /// Somebody asked for a recording to be archived.
    case ingest
    /// The pipeline put a recording into the archive.
    case archive
    /// A file of a recording was found damaged or missing.
    case verify
    /// The pipeline put whole files in the place of damaged ones.
    case repair
    /// The platform's word on who may hear a recording changed what we hold.
    case privacyChange = "privacy_change"
    /// A list of recordings was shown.
    case list
    /// The platform was searched.
    case search
    /// What the archive holds against what it must hold was shown or handed out.
    case coverage
    /// A back-fill was started, paused, resumed or cancelled.
    case backfill
    /// The facts of one recording were shown.
    case view
    /// A listening session began.
    case listen
    /// A file was handed out to be kept.
    case download
    case signIn = "sign_in"
    case signOut = "sign_out"
    /// The access log itself was read.
    case readLog = "read_log"
    case createAccount = "create_account"
    case createToken = "create_token"
    case revokeToken = "revoke_token"
    /// A job was started afresh by a person.
    case retryJob = "retry_job"
    /// A job was stopped by a person.
    case cancelJob = "cancel_job"
    /// Requests without any identity that were turned away, counted by the minute.
    case anonymous
  }

  package enum Outcome: String, Sendable, Codable, CaseIterable { case allowed, denied, failed }

  /// From where a request came; personal data.
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
  /// Nil for the pipeline itself and for callers without an identity.
  package var actor: Identity?
  package var recording: RecordingKey?
  /// How many rows, requests or bytes it was about, where that says something.
  package var count: Int64?
  /// Why it was denied or failed.
  package var code: TapedeckError.Code?
  package var origin: Origin?
  /// What else there is to say, such as a query; may hold personal data and can be erased.
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
