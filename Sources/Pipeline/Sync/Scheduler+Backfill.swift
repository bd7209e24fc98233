import CXone
import Catalog
import Logging
import Model

extension Scheduler {
  /// Advances the next back-fill of a source: lists it from its oldest call, day by day and page by page, until the limit
  /// of open jobs is reached. Pausing and cancelling take effect at the next page.
  ///
  /// - Returns: when to continue; nil when no back-fill is running.
  func advance(_ task: TaskRow, _ discovery: Discovery) async throws(TapedeckError) -> Instant? {
    guard let backfill = try await catalog.nextBackfill(of: task.key.source) else { return nil }
    do throws(TapedeckError) {
      if backfill.isListed {
        guard backfill.open == 0 else { return system.now() + limits.backfillPause }
        try await catalog.endBackfill(backfill.id, lease: task.lease)
        logger.notice(
          "a back-fill is done",
          metadata: ["backfill": "\(backfill.id)", "found": "\(backfill.found)", "failed": "\(backfill.failed)"])
      } else {
        let isListed = try await list(backfill, task, discovery)
        guard isListed else { return system.now() + limits.backfillPause }
        try await catalog.advanceBackfill(
          backfill.id, lease: task.lease, to: backfill.period.end, isListed: true)
      }
    } catch {
      // It was paused or cancelled, or another node holds the task; the next query shows which.
      if error.code == .leaseLost { return system.now() }
      // A permanent error that repeats for hours ends the back-fill.
      guard error.code.remedy == .newRequest, task.failures >= 10 else { throw error }
      try await catalog.endBackfill(backfill.id, lease: task.lease, because: error)
    }
    return system.now()
  }

  /// - Returns: whether the whole period is listed; false when the back-fill must wait for its open jobs.
  private func list(
    _ backfill: Backfill, _ task: TaskRow, _ discovery: Discovery
  ) async throws(TapedeckError) -> Bool {
    var filter = discovery.plan.filter
    if let direction = backfill.direction { filter.direction = direction }
    var count = BackfillCount(from: backfill.reachedAt, counted: backfill.countedRows)
    while count.reached < backfill.period.end {
      let day = CalendarDay(containing: count.reached, in: discovery.plan.zone)
      let period = Period(start: count.reached, end: min(day.end, backfill.period.end))
      var cursor: String?
      var cursors = PageCursors(maxPages: discovery.maxPages)
      var listed = 0
      repeat {
        guard try await catalog.nextBackfill(of: task.key.source).map({ $0.open < limits.openBackfillJobs }) ?? true
        else { return false }
        let page = try await discovery.page(of: period, direction: filter.direction, cursor: cursor)
        cursor = page.nextCursor
        if let cursor { try cursors.follow(cursor, after: page.recordings.map(\.id.rawValue)) }
        let rows = BackfillCount.rows(of: page, after: listed, in: period, wanted: filter.wants)
        let step = count.take(rows, of: period, isLast: cursor == nil)
        _ = try await discovery.take(
          page.recordings, in: period, fetched: filter, for: .backfill(id: backfill.id, lease: task.lease, step))
        listed += page.rowCount
      } while cursor != nil
    }
    return true
  }
}
