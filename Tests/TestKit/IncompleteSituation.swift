package import Catalog
package import Model

/// Something that keeps the archive of two days from being complete. Both days are over, and one recording is listed.
package enum IncompleteSituation: String, Sendable, CaseIterable {
  case neverChecked, oneDayNeverChecked, futureDay, checkedBeforeItsEnd, checkedAtItsBeginning
  case checkedWithAnotherFilter, checkedInAnotherZone
  case notRequested, queued, failed, refused, cancelled, failedOnPlatform, withoutFiles
  case unidentifiedRow, onlyUnidentifiedRows

  /// Later than both days.
  package static let now = Instant(milliseconds: 1_768_478_400_000)
  package static let first = CalendarDay(containing: now, in: .utc).advanced(by: -2)

  /// Stores the situation, and returns the days to report.
  package func prepare(_ catalog: Catalog, _ database: any Database) async throws -> [CalendarDay] {
    let plan = SyncPlan()
    let days = [Self.first, self == .futureDay ? Self.first.advanced(by: 9) : Self.first.advanced(by: 1)]
    guard let id = RecordingID("call-1") else { return [] }
    var call = PlatformRecording(id: id, status: self == .failedOnPlatform ? .failed : .available, privacy: .standard)
    call.startTime = days[0].start + .seconds(36_000)
    if isAboutRecording || self == .unidentifiedRow {
      try await catalog.discover(
        [call], in: days[0].period, of: .default, expected: plan.filter, fetched: fetchesCall ? plan.filter : nil,
        for: .check)
    }
    if let change { _ = try await database.write { db in try db.execute(change) } }
    for (index, day) in days.enumerated() {
      var (checked, plan, at) = (day, plan, Self.now)
      switch (self, index) {
      case (.neverChecked, _), (.oneDayNeverChecked, 1), (.futureDay, 1): continue
      case (.checkedBeforeItsEnd, 1): at = Instant(milliseconds: day.end.milliseconds - 1)
      case (.checkedAtItsBeginning, 1): at = day.start
      case (.checkedWithAnotherFilter, 1): plan.filter = SyncFilter(agentIDs: ["1001"])
      case (.checkedInAnotherZone, 1):
        guard let zone = CalendarZone("Europe/Berlin"), let local = CalendarDay(day.description, in: zone) else {
          return []
        }
        checked = local
      default: break
      }
      let hasRows = index == 0 && [.unidentifiedRow, .onlyUnidentifiedRows].contains(self)
      try await catalog.recordCheck(
        of: checked, by: plan, unwanted: 0,
        unidentified: hasRows ? [UnidentifiedRow(position: 7, reason: "The row has no id.")] : [], startedAt: at)
    }
    return days
  }

  /// Whether the reason is a listed recording.
  private var isAboutRecording: Bool {
    switch self {
    case .notRequested, .queued, .failed, .refused, .cancelled, .failedOnPlatform, .withoutFiles: true
    default: false
    }
  }

  private var fetchesCall: Bool { [.queued, .failed, .refused, .cancelled].contains(self) }

  private var change: SQL? {
    switch self {
    case .failed: "UPDATE job SET run_state = 'failed', failure_code = 'never_available', ended_at = 5"
    case .refused: "UPDATE job SET run_state = 'failed', failure_code = 'not_a_whole_recording', ended_at = 5"
    case .cancelled: "UPDATE job SET run_state = 'cancelled', ended_at = 5"
    case .withoutFiles: "UPDATE recording SET archived_at = 5"
    default: nil
    }
  }
}
