package import Catalog
package import Model

/// Something that keeps the archive of two days from being complete. Both days are over, and one recording is listed.
package enum IncompleteSituation: String, Sendable, CaseIterable {
  case neverChecked, oneDayNeverChecked, futureDay, futureDayChecked, checkedInTheFuture
  case checkedBeforeItsEnd, checkedAtItsBeginning, checkedAtItsEnd, checkedBeforeTheOverlap
  case checkedWithAnotherFilter, checkedInAnotherZone
  case notRequested, queued, leased, retrying, awaitingClearance, failed, refused, cancelled, failedOnPlatform
  case withoutFiles, damaged, restricted, unlisted
  case unidentifiedRow, onlyUnidentifiedRows, manyUnidentifiedRows

  package var hasUnidentifiedRows: Bool {
    [.unidentifiedRow, .onlyUnidentifiedRows, .manyUnidentifiedRows].contains(self)
  }

  /// Later than both days.
  package static let now = Instant(milliseconds: 1_768_478_400_000)
  package static let first = CalendarDay(containing: now, in: .utc).advanced(by: -2)

  /// Stores the situation, and returns the days to report.
  package func prepare(_ catalog: Catalog, _ database: any Database) async throws -> [CalendarDay] {
    let plan = SyncPlan()
    let isFuture = self == .futureDay || self == .futureDayChecked
    let days = [Self.first, Self.first.advanced(by: isFuture ? 9 : 1)]
    guard let id = RecordingID("call-1") else { return [] }
    var call = PlatformRecording(
      id: id, status: self == .failedOnPlatform ? .failed : .available,
      privacy: self == .restricted ? .restricted : .standard)
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
      case (.checkedAtItsEnd, 1): at = day.end
      case (.checkedBeforeTheOverlap, 1): at = day.end + plan.overlap + .milliseconds(-1)
      case (.checkedInTheFuture, 1): at = Self.now + .milliseconds(1)
      // The clock was wrong.
      case (.futureDayChecked, 1): at = day.end + plan.overlap + .seconds(86_400)
      case (.checkedWithAnotherFilter, 1): plan.filter = SyncFilter(agentIDs: ["1001"])
      case (.checkedInAnotherZone, 1):
        guard let zone = CalendarZone("Europe/Berlin"), let local = CalendarDay(day.description, in: zone) else {
          return []
        }
        checked = local
      default: break
      }
      let rows = index > 0 || !hasUnidentifiedRows ? 0 : self == .manyUnidentifiedRows ? 1500 : 1
      try await catalog.recordCheck(
        of: checked, by: plan, unwanted: 0,
        unidentified: (0..<rows).map { UnidentifiedRow(position: 7 + $0, reason: "The row has no ID.") }, startedAt: at)
    }
    return days
  }

  /// Whether the reason is a listed recording.
  private var isAboutRecording: Bool {
    switch self {
    case .neverChecked, .oneDayNeverChecked, .futureDay, .futureDayChecked, .checkedInTheFuture, .checkedBeforeItsEnd,
      .checkedAtItsBeginning, .checkedAtItsEnd, .checkedBeforeTheOverlap, .checkedWithAnotherFilter,
      .checkedInAnotherZone, .unidentifiedRow, .onlyUnidentifiedRows, .manyUnidentifiedRows:
      false
    default: true
    }
  }

  private var fetchesCall: Bool {
    [.queued, .leased, .retrying, .awaitingClearance, .failed, .refused, .cancelled].contains(self)
  }

  private var change: SQL? {
    switch self {
    case .failed: "UPDATE job SET run_state = 'failed', failure_code = 'never_available', ended_at = 5"
    case .refused: "UPDATE job SET run_state = 'failed', failure_code = 'not_a_whole_recording', ended_at = 5"
    case .cancelled: "UPDATE job SET run_state = 'cancelled', ended_at = 5"
    case .leased: "UPDATE job SET run_state = 'leased', stage = 'fetching'"
    case .retrying:
      "UPDATE job SET run_state = 'waiting', failure_code = 'platform_unavailable', due_at = 9000000000000"
    case .awaitingClearance: "UPDATE job SET run_state = 'waiting', due_at = NULL"
    case .withoutFiles: "UPDATE recording SET archived_at = 5"
    // It was listed before the check began, and not by it.
    case .unlisted: "UPDATE recording SET listed_at = listed_at - 1000"
    case .damaged: "UPDATE recording SET archived_at = 5, damage = \(storedDamage)"
    default: nil
    }
  }
}
