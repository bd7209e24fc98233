extension LogEntry {
  /// The number of rows, requests or bytes with its noun, such as `1,204 bytes`; nil without a number.
  package var countText: String? { count.map { counted($0, action.countedNoun) } }
}

extension LogEntry.Action {
  /// What the number of an entry counts.
  package var countedNoun: String {
    switch self {
    case .archive, .download, .audioSent, .removeObject: "byte"
    case .audioHeard: "second"
    case .ingest: "recording"
    case .anonymous: "request"
    case .list, .export, .search, .coverage, .readLog, .verify, .repair, .privacyChange, .backfill, .view, .listen,
      .signIn, .signOut, .createAccount, .disableAccount, .enableAccount, .changeRole, .resetPassword,
      .changePassword, .endSessions, .removeAccount, .createToken, .revokeToken, .retryJob, .cancelJob,
      .acceptQuarantined, .discardQuarantined, .openNotice, .closeNotice:
      "result"
    }
  }
}
