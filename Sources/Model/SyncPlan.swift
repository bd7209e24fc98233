/// Which calls of a source are to be archived.
package struct SyncFilter: Sendable, Hashable, CustomStringConvertible {
  /// Nil for every direction.
  package var direction: Direction?
  /// The platform's ids of agents; empty for everybody.
  package var agentIDs: Set<String>

  package init(direction: Direction? = .outbound, agentIDs: Set<String> = []) {
    self.direction = direction
    self.agentIDs = agentIDs
  }

  /// Whether a recording is to be archived.
  ///
  /// One whose direction the platform does not tell is: an archive that must be complete had better hold a call too
  /// many. One of an unknown agent is not, when agents are named.
  package func wants(_ recording: PlatformRecording) -> Bool {
    if let direction, let actual = recording.direction, actual != direction { return false }
    return agentIDs.isEmpty || recording.agentID.map(agentIDs.contains) ?? false
  }

  /// The same text for the same filter and no other, for comparing it with one of another time.
  package var canonical: String {
    ([direction?.rawValue ?? "all"] + agentIDs.sorted().map { "\($0.utf8.count):\($0)" }).joined(separator: " ")
  }

  /// In words, such as `outbound calls of agents 1001, 1002`.
  package var description: String {
    let calls = direction.map { "\($0.rawValue) calls" } ?? "all calls"
    return agentIDs.isEmpty ? calls : "\(calls) of agents \(agentIDs.sorted().joined(separator: ", "))"
  }
}

/// How new calls of a source are looked for.
package struct SyncPlan: Sendable, Equatable {
  package var source: SourceID
  package var filter: SyncFilter
  /// What a day of this source is.
  package var zone: CalendarZone
  /// How often new calls are looked for.
  package var interval: Duration
  /// How far before the last look each look begins: calls are listed by their start, and appear when they have ended.
  package var overlap: Duration
  /// How many days before today are looked through again every hour; 0 for today alone.
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
