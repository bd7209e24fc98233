import Model

extension LogEntry {
  /// The details that `title` says in words.
  static let namedInTitle: Set = ["of", "list", "do", "part", "statement"]

  /// What was done or attempted, for pages.
  var title: String {
    switch action {
    case .list:
      switch details["of"] {
      case "jobs": "Listed jobs"
      case "quarantine": "Listed quarantined files"
      case "notices": "Listed notices"
      default: "Listed recordings"
      }
    case .export: details["list"] == "access log" ? "Exported the access log" : "Exported recordings"
    case .coverage: details["statement"] == nil ? action.title : "Created a coverage statement"
    case .backfill:
      switch details["do"] {
      case "start": "Started a backfill"
      case "pause": "Paused a backfill"
      case "resume": "Resumed a backfill"
      case "cancel": "Cancelled a backfill"
      default: action.title
      }
    case .view:
      // A denied request for a page or an address of the API has no recording.
      if recording == nil {
        "Requested a page or API address"
      } else {
        details["part"] == nil ? action.title : "Viewed a waveform"
      }
    default: action.title
    }
  }
}

extension LogEntry.Action {
  /// The text on pages for entries of this action, whatever they are about.
  var title: String {
    switch self {
    case .ingest: "Requested ingest"
    case .archive: "Archived a recording"
    case .verify: "Found damage"
    case .repair: "Repaired files"
    case .removeObject: "Removed an unused file"
    case .privacyChange: "Changed the privacy"
    case .list: "Viewed a list"
    case .export: "Exported a list"
    case .search: "Searched the platform"
    case .coverage: "Viewed coverage"
    case .backfill: "Changed a backfill"
    case .view: "Viewed a recording"
    case .listen: "Started playback"
    case .audioSent: "Sent audio"
    case .audioHeard: "Heard (reported by the player)"
    case .download: "Downloaded a file"
    case .signIn: "Signed in"
    case .signOut: "Signed out"
    case .readLog: "Read the access log"
    case .createAccount: "Created an account"
    case .disableAccount: "Disabled an account"
    case .enableAccount: "Enabled an account"
    case .changeRole: "Changed a role"
    case .resetPassword: "Reset a password"
    case .changePassword: "Changed own password"
    case .endSessions: "Ended sessions"
    case .removeAccount: "Removed an account"
    case .createToken: "Created a token"
    case .revokeToken: "Revoked a token"
    case .retryJob: "Retried a job"
    case .acceptQuarantined: "Accepted a quarantined file"
    case .discardQuarantined: "Discarded a quarantined file"
    case .openNotice: "Opened a notice"
    case .closeNotice: "Closed a notice"
    case .cancelJob: "Cancelled a job"
    case .anonymous: "Sent requests without signing in"
    }
  }
}
