import CXone
import Catalog
import Logging
package import Model

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
    var count = BackfillCount(from: backfill.reachedAt)
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
        let wanted = page.recordings.filter(filter.wants)
        let isLast = cursor == nil
        let found = count.take(
          wanted.map(\.startTime), lastStart: page.recordings.last?.startTime, of: period, isLast: isLast)
        _ = try await discovery.take(
          page.recordings, in: period, fetched: filter,
          for: .backfill(
            id: backfill.id, lease: task.lease, reached: count.reached, found: found,
            unidentified: UnidentifiedRows(page.unidentified, after: listed, in: period)))
        listed += page.rowCount
      } while cursor != nil
    }
    return true
  }
}

/// Counts the calls of a back-fill, each once, although a resumed run lists again the second in which the last one
/// stopped.
package struct BackfillCount {
  /// Everything before this is listed and counted; a resumed run begins here.
  package private(set) var reached: Instant
  /// Listed calls of the second `reached`, which are counted when all of that second is listed.
  private var pending = 0

  package init(from start: Instant) { reached = Instant(milliseconds: start.milliseconds / 1000 * 1000) }

  /// Adds a page of a period.
  ///
  /// - Parameters:
  ///   - wanted: the start times of the calls that match the filter; nil where the platform reports none.
  ///   - lastStart: the start time of the last call of the page, whether it matches or not.
  /// - Returns: the number of calls that are counted with this page.
  package mutating func take(_ wanted: [Instant?], lastStart: Instant?, of period: Period, isLast: Bool) -> Int {
    if isLast {
      defer { (reached, pending) = (period.end, 0) }
      return pending + wanted.count
    }
    let last = min(max(lastStart ?? reached, reached), period.end)
    let next = Instant(milliseconds: last.milliseconds / 1000 * 1000)
    let before = wanted.filter { $0.map { $0 < next } ?? true }.count
    guard next > reached else {
      pending += wanted.count - before
      return before
    }
    defer { (reached, pending) = (next, wanted.count - before) }
    return pending + before
  }
}
