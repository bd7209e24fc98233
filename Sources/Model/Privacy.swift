/// Who a recording is for.
package enum Privacy: String, Sendable, Codable, CaseIterable, Comparable {
  /// For everybody who may listen at all.
  case standard
  /// For supervisors alone.
  case restricted

  /// Reads the platform's word: a missing one counts as standard, an unknown one as restricted.
  package init(platformValue: String?) {
    self = platformValue.map { Privacy(rawValue: $0) ?? .restricted } ?? .standard
  }

  /// `restricted` is the stricter, and so the greater.
  package static func < (left: Privacy, right: Privacy) -> Bool { left == .standard && right == .restricted }
}

/// What an account or an API token may do.
package enum Role: String, Sendable, Codable, CaseIterable {
  /// Hears standard recordings.
  case agent
  /// Hears every recording, restricted ones too, and reads the access log.
  case supervisor
  /// Runs the system: accounts, tokens, jobs, the access log. Hears what an agent hears.
  case admin
  /// Reads `/metrics` and nothing else.
  case metrics
}

/// Who is asking, as established from a password, a session, an API token or the local socket; never from an address.
package struct Identity: Sendable, Hashable {
  /// How somebody became known to us.
  package enum Kind: String, Sendable, Codable {
    case account, token
    /// Whoever can open the data directory's socket: somebody who could read the files themselves.
    case `operator`
  }

  package var kind: Kind
  /// Opaque and without personal data, so that it can stand in an access log that is never rewritten.
  package var id: String
  /// What people call it; personal data.
  package var name: String
  package var role: Role
  /// The platform's id of the agent behind it, where there is one.
  package var agentID: String?
  package var team: String?

  package init(kind: Kind, id: String, name: String, role: Role, agentID: String? = nil, team: String? = nil) {
    self.kind = kind
    self.id = id
    self.name = name
    self.role = role
    self.agentID = agentID
    self.team = team
  }
}

/// The rules of who may do what. Pure; asked anew for every page, byte range and list, with the recording's row as it is now.
package enum Policy {
  /// What somebody wants to do with one recording.
  package enum Act: Sendable {
    /// Have it archived.
    case ingest
    /// Hear it, see its waveform or fetch a file of it.
    case hear
    /// See its facts and how its job is going.
    case inspect
  }

  /// Whether an identity may do something with a recording of this privacy.
  ///
  /// A restricted recording is for supervisors. The local operator may archive it and see its facts, since an archive
  /// must be complete and the operator holds the disks, but it is not played to them.
  package static func allows(_ act: Act, by identity: Identity, privacy: Privacy) -> Bool {
    switch (identity.kind, identity.role, privacy) {
    case (.operator, _, _): act != .hear || privacy == .standard
    case (_, .metrics, _): false
    case (_, .supervisor, _): true
    case (_, .agent, .standard), (_, .admin, .standard): true
    case (_, .agent, .restricted), (_, .admin, .restricted): false
    }
  }

  /// The strictest privacy that an identity may have archived: what a job may fetch on its behalf.
  package static func clearance(of identity: Identity) -> Privacy {
    allows(.ingest, by: identity, privacy: .restricted) ? .restricted : .standard
  }

  /// Whether an identity may see lists of recordings at all.
  package static func mayList(_ identity: Identity) -> Bool { identity.role != .metrics }

  /// Whether an identity sees and finds the addresses of callers and called as they are; to others they are masked.
  package static func maySeeAddresses(_ identity: Identity) -> Bool { identity.role != .agent }

  /// Whether an identity may make and revoke accounts and tokens.
  package static func mayAdminister(_ identity: Identity) -> Bool { identity.role == .admin }

  /// Whether an identity may read the access log.
  package static func mayReadAccessLog(_ identity: Identity) -> Bool {
    identity.role == .admin || identity.role == .supervisor
  }

  /// Whether an identity may list, retry and stop jobs and see how much is asked of the platform. What a job's recording
  /// holds is shown to nobody by it, and a restricted recording is archived for nobody who could not ask for it.
  package static func mayManageJobs(_ identity: Identity) -> Bool {
    identity.role == .admin || identity.role == .supervisor
  }

  /// Whether an identity may see what the archive holds against what it must hold.
  package static func mayReadCoverage(_ identity: Identity) -> Bool {
    identity.role == .admin || identity.role == .supervisor
  }

  /// Whether an identity may start, pause, resume and cancel back-fills.
  package static func mayRunBackfills(_ identity: Identity) -> Bool { identity.role == .admin }

  /// Whether an identity may read `/metrics`.
  package static func mayReadMetrics(_ identity: Identity) -> Bool {
    identity.role == .metrics || identity.role == .admin
  }
}
