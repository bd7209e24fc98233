/// Who may hear a recording.
package enum Privacy: String, Sendable, Codable, CaseIterable, Comparable {
  /// Every identity that may hear recordings.
  case standard
  /// Supervisors only.
  case restricted

  /// Reads the platform's value: a missing one counts as standard, an unknown one as restricted.
  package init(platformValue: String?) {
    self = platformValue.map { Privacy(rawValue: $0) ?? .restricted } ?? .standard
  }

  /// `restricted` is stricter and therefore greater.
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

/// An authenticated user or program, from a password, a session, an API token or the command socket; never from a
/// network address.
package struct Identity: Sendable, Hashable {
  /// How the identity was authenticated.
  package enum Kind: String, Sendable, Codable {
    case account, token
    /// A local user who can open the command socket, and so could read the files of the data directory as well.
    case `operator`
  }

  package var kind: Kind
  /// Opaque and without personal data, since the access log keeps it forever.
  package var id: String
  /// The name that pages show; personal data.
  package var name: String
  package var role: Role
  /// The platform's ID of the agent who uses the identity, if there is one.
  package var agentID: String?
  package var team: String?
  /// The SHA-256 of the secret of the session that an account is using; nil for other identities. A change that takes
  /// time is made only while this session lasts.
  package var session: [UInt8]?

  package init(kind: Kind, id: String, name: String, role: Role, agentID: String? = nil, team: String? = nil) {
    self.kind = kind
    self.id = id
    self.name = name
    self.role = role
    self.agentID = agentID
    self.team = team
  }

  /// The name with the word `token` for a token, which an account of the same name could otherwise be taken for.
  package var shownName: String { Self.shownName(name, of: kind) }

  /// The name of an identity of some kind, as `shownName`.
  package static func shownName(_ name: String, of kind: Kind?) -> String { kind == .token ? tokenPrefix + name : name }

  /// How `shownName` begins for tokens. No name begins like this.
  package static let tokenPrefix = "token "
}

/// The access rules. Evaluated for every page, byte range and list, with the recording's current row.
package enum Policy {
  /// An action on one recording.
  package enum Act: Sendable {
    /// Archive it.
    case ingest
    /// Hear it, see its waveform or download a file of it.
    case hear
    /// See its facts and the progress of its job.
    case inspect
  }

  /// Whether an identity may perform an action on a recording of this privacy.
  ///
  /// Restricted recordings are for supervisors. The operator may archive them and see their facts, since an archive
  /// must be complete and the operator can read the disks, but may not play them.
  package static func allows(_ act: Act, by identity: Identity, privacy: Privacy) -> Bool {
    switch (identity.kind, identity.role, privacy) {
    case (.operator, _, _): act != .hear || privacy == .standard
    case (_, .metrics, _): false
    case (_, .supervisor, _): true
    case (_, .agent, .standard), (_, .admin, .standard): true
    case (_, .agent, .restricted), (_, .admin, .restricted): false
    }
  }

  /// The strictest privacy of the recordings that a job may download on behalf of an identity.
  package static func clearance(of identity: Identity) -> Privacy {
    allows(.ingest, by: identity, privacy: .restricted) ? .restricted : .standard
  }

  /// The recordings that an identity may see in lists, counts and searches.
  ///
  /// An identity that may inspect standard recordings sees closed rows for restricted ones, so that gaps in a list have
  /// a visible reason.
  package static func visibility(of identity: Identity) -> Visibility {
    let factsPrivacy = Privacy.allCases.last { allows(.inspect, by: identity, privacy: $0) }
    return Visibility(
      listedPrivacy: factsPrivacy == nil ? nil : .restricted, factsPrivacy: factsPrivacy,
      showsAddresses: identity.role != .agent, showsLocations: identity.role != .agent)
  }
}
