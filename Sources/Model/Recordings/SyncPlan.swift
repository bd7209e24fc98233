/// Which calls of a source are archived.
package struct SyncFilter: Sendable, Hashable, CustomStringConvertible {
  /// Nil for every direction.
  package var direction: Direction?
  /// The platform's agent IDs; empty for all agents.
  package var agentIDs: Set<String>

  package init(direction: Direction? = .outbound, agentIDs: Set<String> = []) {
    self.direction = direction
    self.agentIDs = agentIDs
  }

  /// Whether a recording is to be archived.
  ///
  /// A recording of unknown direction is archived: an archive may contain a call too many, but must not miss one. A
  /// recording of an unknown agent is not, when agents are listed. Neither is a call that was never recorded: there is
  /// nothing to archive.
  package func wants(_ recording: PlatformRecording) -> Bool {
    if recording.wasRecorded == false { return false }
    if let direction, let actual = recording.direction, actual != direction { return false }
    return agentIDs.isEmpty || recording.agentID.map(agentIDs.contains) ?? false
  }

  /// A canonical text of the filter, equal exactly for equal filters; stored to detect changes.
  package var canonical: String {
    ([direction?.rawValue ?? "all"] + agentIDs.sorted().map { "\($0.utf8.count):\($0)" }).joined(separator: " ")
  }

  /// A description such as `outbound calls of agents 1001, 1002`.
  package var description: String {
    let calls = direction.map { "\($0.rawValue) calls" } ?? "all calls"
    return agentIDs.isEmpty ? calls : "\(calls) of agents \(agentIDs.sorted().joined(separator: ", "))"
  }
}

/// How new calls of a source are discovered.
package struct SyncPlan: Sendable, Equatable {
  package var source: SourceID
  package var filter: SyncFilter
  /// The time zone of this source's days.
  package var zone: CalendarZone
  /// How often new calls are listed.
  package var interval: Duration
  /// How far before the previous listing each listing begins: calls are listed by start time but appear only when they
  /// end.
  package var overlap: Duration
  /// How many past days are listed again every hour; 0 for the current day only.
  package var lookBackDays: Int

  package init(
    source: SourceID = .default, filter: SyncFilter = SyncFilter(), zone: CalendarZone = .utc,
    interval: Duration = .seconds(60), overlap: Duration = .seconds(3600), lookBackDays: Int = 7
  ) {
    self.source = source
    self.filter = filter
    self.zone = zone
    self.interval = interval
    self.overlap = overlap
    self.lookBackDays = lookBackDays
  }
}
