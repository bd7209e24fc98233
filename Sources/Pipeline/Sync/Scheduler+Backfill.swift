import CXone
import Catalog
import Logging
import Model

extension Scheduler {
  /// Advances the next backfill of a source: lists it from its oldest call, day by day and page by page, until the
  /// limit of open jobs is reached. Pausing and cancelling take effect at the next page.
  ///
  /// - Returns: when to continue; nil when no backfill is running.
  func advance(_ task: TaskRow, _ discovery: Discovery) async throws(TapedeckError) -> Instant? {
    guard let backfill = try await catalog.nextBackfill(of: task.key.source) else { return nil }
    do throws(TapedeckError) {
      if backfill.isListed {
        guard backfill.open == 0 else { return system.now() + limits.backfillPause }
        try await catalog.endBackfill(backfill.id, lease: task.lease)
        logger.notice(
          "a backfill is done",
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
      // A permanent error that repeats for hours ends the backfill.
      guard error.code.remedy == .newRequest, task.failures >= 10 else { throw error }
      try await catalog.endBackfill(backfill.id, lease: task.lease, because: error)
    }
    return system.now()
  }

  /// A day whose list was interrupted is listed again from its beginning when its end is reached: the last run resumed
  /// at the time of the last row, which misses rows unless the platform lists calls in the order of their start.
  ///
  /// - Returns: whether the whole period is listed; false when the backfill must wait for its open jobs.
  private func list(
    _ backfill: Backfill, _ task: TaskRow, _ discovery: Discovery
  ) async throws(TapedeckError) -> Bool {
    var count = BackfillCount(from: backfill.reachedAt, counted: backfill.countedRows)
    var relistFrom = backfill.relistFrom
    while count.reached < backfill.period.end || relistFrom != nil {
      let start = relistFrom ?? count.reached
      let (reached, isResumed) = (count.reached, relistFrom != nil)
      let end = max(min(CalendarDay(containing: start, in: discovery.plan.zone).end, backfill.period.end), reached)
      if reached < end {
        let isListed = try await list(Period(start: reached, end: end), of: backfill, task, discovery) {
          rows, isLast in
          var step = count.take(rows, of: Period(start: reached, end: end), isLast: isLast)
          step.relistFrom = isResumed || !isLast ? start : nil
          return step
        }
        guard isListed else { return false }
      }
      guard isResumed else { continue }
      let isListed = try await list(Period(start: start, end: end), of: backfill, task, discovery) { _, isLast in
        BackfillStep(reached: end, found: 0, relistFrom: isLast ? nil : start, isRepeated: true)
      }
      guard isListed else { return false }
      relistFrom = nil
    }
    return true
  }

  /// Lists a period page by page.
  ///
  /// - Parameter step: called for each page with its rows and whether it is the last one.
  /// - Returns: whether the whole period is listed; false when the backfill must wait for its open jobs.
  private func list(
    _ period: Period, of backfill: Backfill, _ task: TaskRow, _ discovery: Discovery,
    step: ([BackfillCount.ListedRow], Bool) -> BackfillStep
  ) async throws(TapedeckError) -> Bool {
    var filter = discovery.plan.filter
    if let direction = backfill.direction { filter.direction = direction }
    var cursor: String?
    var progress = ListProgress(maxPages: discovery.maxPages)
    var listed = 0
    repeat {
      guard try await catalog.nextBackfill(of: task.key.source).map({ $0.open < limits.openBackfillJobs }) ?? true
      else { return false }
      let page = try await discovery.page(of: period, direction: filter.direction, cursor: cursor)
      cursor = page.nextCursor
      if let cursor { try progress.follow(cursor, after: page.ids) }
      try progress.count(
        page.ids, unidentified: page.unidentified.count, notes: page.notes, isLast: cursor == nil)
      let rows = BackfillCount.rows(of: page, after: listed, in: period, wanted: filter.wants)
      let step = step(rows, cursor == nil)
      _ = try await discovery.take(
        page.recordings, in: period, fetched: filter, for: .backfill(id: backfill.id, lease: task.lease, step))
      listed += page.rowCount
    } while cursor != nil
    return true
  }
}
