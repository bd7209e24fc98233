/// Which recordings an identity may see, and how much of each: the rules of `Policy` as a filter for lists, counts and
/// searches.
///
/// The scopes apply together: a recording outside one of them is not visible at all.
package struct Visibility: Sendable, Equatable {
  /// How much of a recording is visible.
  package enum Extent: Int, Sendable, CaseIterable, Comparable {
    case nothing
    /// A closed row: the recording exists, and why it is closed. A filter by facts leaves it out.
    case existence
    case facts

    package static func < (left: Extent, right: Extent) -> Bool { left.rawValue < right.rawValue }
  }

  /// The strictest privacy of the recordings that are listed at all; nil for none.
  package var listedPrivacy: Privacy?
  /// The strictest privacy of the recordings whose facts are visible; nil for none.
  package var factsPrivacy: Privacy?
  /// The platform's IDs of the agents whose recordings are visible; nil for all, also those without an agent.
  package var agents: Set<String>?
  /// The platform's IDs of the teams whose recordings are visible; nil for all, also those without a team.
  package var teams: Set<String>?
  /// Nil for all.
  package var sources: Set<SourceID>?
  /// Whether phone numbers and other addresses are shown and searched; otherwise they are masked.
  package var showsAddresses: Bool
  /// Whether the locations of files in the object store are shown.
  package var showsLocations: Bool

  package init(listedPrivacy: Privacy?, factsPrivacy: Privacy?, showsAddresses: Bool, showsLocations: Bool) {
    self.listedPrivacy = listedPrivacy
    self.factsPrivacy = factsPrivacy
    self.showsAddresses = showsAddresses
    self.showsLocations = showsLocations
  }

  /// All facts of all recordings, for what the program does on its own behalf.
  package static let everything = Visibility(
    listedPrivacy: .restricted, factsPrivacy: .restricted, showsAddresses: true, showsLocations: true)

  /// The strictest privacy of the recordings of which at least `extent` is visible; nil for none.
  package func privacyCeiling(showing extent: Extent) -> Privacy? {
    switch extent {
    case .nothing: .restricted
    case .existence: listedPrivacy
    case .facts: factsPrivacy
    }
  }

  /// How much of a recording of this privacy is visible where it is inside all scopes.
  package func extent(of privacy: Privacy) -> Extent {
    if let factsPrivacy, privacy <= factsPrivacy { return .facts }
    if let listedPrivacy, privacy <= listedPrivacy { return .existence }
    return .nothing
  }

  /// How much of a recording is visible.
  package func extent(of facts: PlatformRecording, from source: SourceID) -> Extent {
    if let agents, facts.agentID.map(agents.contains) != true { return .nothing }
    if let teams, facts.teamID.map(teams.contains) != true { return .nothing }
    if let sources, !sources.contains(source) { return .nothing }
    return extent(of: facts.privacy)
  }

  /// Whether every recording of a source is at least listed, so that figures for the whole source may be shown.
  package func listsAll(of source: SourceID) -> Bool {
    listedPrivacy == .restricted && agents == nil && teams == nil && sources?.contains(source) != false
  }
}

extension Identity {
  /// The recordings that this identity may see, by `Policy`.
  package var visibility: Visibility { Policy.visibility(of: self) }
}
