/// What an identity may do apart from actions on a single recording.
package enum Permission: String, Sendable, CaseIterable {
  /// List and search recordings.
  case listRecordings
  /// Read the access log.
  case readAccessLog
  /// List, retry and cancel jobs.
  case manageJobs
  /// Read and close notices.
  case manageNotices
  /// Read coverage, gaps and backfills.
  case readCoverage
  /// Start, pause, resume and cancel backfills.
  case runBackfills
  /// Create and revoke accounts and API tokens.
  case administer
  /// Read `/metrics`.
  case readMetrics
  /// Read the request rates and waiting jobs of each source.
  case readPlatform
}

extension Policy {
  /// Whether an identity has a permission.
  package static func allows(_ permission: Permission, for identity: Identity) -> Bool {
    switch permission {
    case .listRecordings: identity.role != .metrics
    case .readAccessLog, .manageJobs, .manageNotices, .readCoverage, .readPlatform:
      identity.role == .admin || identity.role == .supervisor
    case .runBackfills, .administer: identity.role == .admin
    case .readMetrics: identity.role == .metrics || identity.role == .admin
    }
  }
}
