import CXone
import Catalog
import Logging
package import Model

extension Scheduler {
  /// Brings the back-fill of a source on whose turn it is: lists it from its oldest call on, a day at a time and a page
  /// at a time, until enough of its jobs are open. Pausing and cancelling work from page to page.
  ///
  /// - Returns: when to go on; nil when there is no back-fill to bring on.
  func advance(_ duty: TaskRow, _ discovery: Discovery) async throws(TapedeckError) -> Instant? {
    guard let backfill = try await catalog.nextBackfill(of: duty.key.source) else { return nil }
    do throws(TapedeckError) {
      if backfill.isListed {
        guard backfill.open == 0 else { return system.now() + limits.backfillPause }
        try await catalog.endBackfill(backfill.id, lease: duty.lease)
        logger.notice(
          "a back-fill is through",
          metadata: ["backfill": "\(backfill.id)", "found": "\(backfill.found)", "failed": "\(backfill.failed)"])
      } else {
        let isListed = try await list(backfill, duty, discovery)
        guard isListed else { return system.now() + limits.backfillPause }
        try await catalog.advanceBackfill(
          backfill.id, lease: duty.lease, to: backfill.period.end, isListed: true)
      }
    } catch {
      // It was paused or cancelled, or another node holds the task: the rows say which.
      if error.code == .leaseLost { return system.now() }
      // What cannot be understood for hours will not be understood later either.
      guard error.code.remedy == .giveUp, duty.failures >= 10 else { throw error }
      try await catalog.endBackfill(backfill.id, lease: duty.lease, because: error)
    }
    return system.now()
  }

  /// - Returns: whether all of it is listed; false when it has to wait for its jobs first.
  private func list(
    _ backfill: Backfill, _ duty: TaskRow, _ discovery: Discovery
  ) async throws(TapedeckError) -> Bool {
    var filter = discovery.plan.filter
    if let direction = backfill.direction { filter.direction = direction }
    var count = BackfillCount(from: backfill.reachedAt)
    while count.reached < backfill.period.end {
      let day = CalendarDay(containing: count.reached, in: discovery.plan.zone)
      let period = Period(start: count.reached, end: min(day.end, backfill.period.end))
      var cursor: String?
      var pages = 0
      repeat {
        guard pages < discovery.maxPages else { throw Discovery.endless }
        pages += 1
        guard try await catalog.nextBackfill(of: duty.key.source).map({ $0.open < limits.openBackfillJobs }) ?? true
        else { return false }
        let page = try await discovery.page(of: period, direction: filter.direction, cursor: cursor)
        cursor = page.nextCursor
        let wanted = page.recordings.filter(filter.wants)
        let isLast = cursor == nil
        let found = count.take(
          wanted.map(\.startTime), lastStart: page.recordings.last?.startTime, of: period, isLast: isLast)
        _ = try await discovery.take(
          page.recordings, in: period, fetched: filter,
          for: .backfill(id: backfill.id, lease: duty.lease, reached: count.reached, found: found))
      } while cursor != nil
    }
    return true
  }
}

/// Counts what a back-fill finds, so that a call is counted once although the run after a restart lists the
/// second again in which it was left.
package struct BackfillCount {
  /// Everything before this is listed and counted; a resumed run begins here.
  package private(set) var reached: Instant
  /// Calls of the second `reached` that were listed, and are counted when all of that second is.
  private var pending = 0

  package init(from start: Instant) { reached = Instant(milliseconds: start.milliseconds / 1000 * 1000) }

  /// Takes in a page of a span.
  ///
  /// - Parameters:
  ///   - wanted: the starts of the calls that are wanted; nil where the platform does not tell one.
  ///   - lastStart: the start of the last call of the page, wanted or not.
  /// - Returns: how many calls are counted with it.
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
