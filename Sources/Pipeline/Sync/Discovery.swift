package import CXone
package import Catalog
import Metrics
package import Model

/// Asks a source what it has in a span of time, and takes it into the catalog page by page.
package struct Discovery: Sendable {
  /// What was found in a span.
  package struct Found: Sendable, Equatable {
    /// Recordings that are to be archived.
    package var wanted = 0
    /// Those of them that had no job and have one now.
    package var queued = 0
  }

  package let plan: SyncPlan
  let catalog: Catalog
  let source: any RecordingSource
  /// A page is a transaction; the contract allows no larger one.
  private let pageSize = 500
  /// More pages than any day has: a platform that never comes to an end must not hold us for ever.
  let maxPages: Int

  /// - Parameter plan: of this source.
  package init(catalog: Catalog, source: any RecordingSource, plan: SyncPlan, maxPages: Int = 20_000) {
    self.catalog = catalog
    self.source = source
    self.plan = plan
    self.maxPages = maxPages
  }

  /// Lists a span and queues what is wanted. The platform is asked for the plan's direction alone.
  func list(_ period: Period, for reason: DiscoveryReason) async throws(TapedeckError) -> Found {
    var found = Found()
    try await forEachPage(of: period, direction: plan.filter.direction) { page, _ async throws(TapedeckError) in
      found.wanted += page.filter(plan.filter.wants).count
      found.queued += try await take(page, in: period, fetched: plan.filter, for: reason)
    }
    return found
  }

  /// Lists all of a day, wanted or not, and writes down what the platform has. A day to come has nothing.
  ///
  /// - Parameter fetches: whether what is wanted and has no job gets one.
  @discardableResult
  package func check(
    _ day: CalendarDay, now: Instant, fetches: Bool, for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Found {
    guard !day.period.isEmpty, day.start <= now else { return Found() }
    let startedAt = try await catalog.now()
    var found = Found()
    var unwanted: Set<RecordingID> = []
    try await forEachPage(of: day.period, direction: nil) { page, _ async throws(TapedeckError) in
      found.queued += try await take(page, in: day.period, fetched: fetches ? plan.filter : nil, for: reason)
      for recording in page {
        if plan.filter.wants(recording) {
          found.wanted += 1
        } else if recording.startTime.map(day.period.contains) ?? true {
          unwanted.insert(recording.id)
        }
      }
    }
    try await catalog.recordCheck(of: day, by: plan, unwanted: unwanted.count, startedAt: startedAt)
    return found
  }

  /// Takes a page into the catalog.
  ///
  /// - Returns: how many jobs were made, or set going.
  func take(
    _ page: [PlatformRecording], in period: Period, fetched: SyncFilter?, for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Int {
    let queued = try await catalog.discover(
      page, in: period, of: plan.source, expected: plan.filter, fetched: fetched, for: reason)
    SyncMetrics.recordQueued(queued, of: plan.source, for: reason)
    return queued
  }

  /// Hands over page after page; with each whether there is another one.
  ///
  /// - Throws: what a search throws; `platformProtocol` when there is no end; `interrupted`.
  func forEachPage(
    of period: Period, direction: Direction?,
    _ body: ([PlatformRecording], _ isLast: Bool) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    var cursor: String?
    for _ in 0..<maxPages {
      let page = try await self.page(of: period, direction: direction, cursor: cursor)
      try await body(page.recordings, page.nextCursor == nil)
      guard let next = page.nextCursor else { return }
      cursor = next
    }
    throw Self.endless
  }

  static var endless: TapedeckError {
    TapedeckError(.platformProtocol, "The platform's list of recordings does not come to an end.")
  }

  func page(of period: Period, direction: Direction?, cursor: String?) async throws(TapedeckError) -> SearchPage {
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    return try await source.search(
      RecordingQuery(start: period.start, end: period.end, direction: direction), cursor: cursor, pageSize: pageSize)
  }
}
