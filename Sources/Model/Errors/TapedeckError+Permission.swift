extension TapedeckError {
  /// The refusal of a request for lack of a permission.
  package static func missing(_ permission: Permission) -> TapedeckError {
    refusal(permission.activity, Role.allCases.filter { Policy.allows(permission, for: $0.example) })
  }

  /// The refusal of an action on a recording, to an identity that may not perform it on any recording.
  package static func missing(_ act: Policy.Act) -> TapedeckError {
    refusal(
      "\(act.activity) recordings",
      Role.allCases.filter { Policy.allows(act, by: $0.example, privacy: .standard) })
  }

  /// The refusal of an action on a restricted recording, to an identity that may perform it on standard ones.
  package static func restricted(_ act: Policy.Act) -> TapedeckError {
    var error = TapedeckError(.insufficientPermissions, detail: restrictedDetail)
    error.help =
      "Only supervisors can \(act.verb) restricted recordings; if you need this one, give its address to a supervisor."
    return error
  }

  private static let restrictedDetail = "the recording is restricted"

  package var isRestrictedRecording: Bool { code == .insufficientPermissions && detail == Self.restrictedDetail }

  private static func refusal(_ activity: String, _ roles: [Role]) -> TapedeckError {
    let names = roles.map(\.rawValue)
    let list = names.count < 2 ? names.joined() : "\(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")"
    var error = TapedeckError(.insufficientPermissions)
    error.help = "\(activity) requires the role \(list), which an admin can assign."
    return error
  }
}

extension Role {
  /// An account with this role, to ask `Policy` about.
  fileprivate var example: Identity { Identity(kind: .account, id: "", name: "", role: self) }
}

extension Permission {
  /// What it allows, at the beginning of a sentence.
  fileprivate var activity: String {
    switch self {
    case .listRecordings: "Listing recordings"
    case .readAccessLog: "Reading the access log"
    case .manageJobs: "Managing jobs and quarantined files"
    case .manageNotices: "Reading and closing notices"
    case .readCoverage: "Reading coverage and backfills"
    case .runBackfills: "Starting and changing backfills"
    case .administer: "Managing accounts and tokens"
    case .readMetrics: "Reading metrics"
    case .readPlatform: "Reading request rates"
    }
  }
}

extension Policy.Act {
  fileprivate var verb: String {
    switch self {
    case .ingest: "request"
    case .hear: "play"
    case .inspect: "see"
    }
  }

  fileprivate var activity: String {
    switch self {
    case .ingest: "Requesting"
    case .hear: "Playing"
    case .inspect: "Seeing"
    }
  }
}
