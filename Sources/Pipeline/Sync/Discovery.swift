package import CXone
package import Catalog
import Metrics
package import Model

/// Lists the recordings of a source in a period, and stores them in the catalog page by page.
package struct Discovery: Sendable {
  /// What was found in a period.
  package struct Found: Sendable, Equatable {
    /// Recordings that match the filter.
    package var wanted = 0
    /// Recordings that got a job.
    package var queued = 0
    /// Rows without a usable ID; of a checked day, also those of another day.
    package var unidentified = UnidentifiedRows()

    mutating func add(_ other: Found) {
      wanted += other.wanted
      queued += other.queued
      unidentified.add(other.unidentified)
    }
  }

  package let plan: SyncPlan
  let catalog: Catalog
  let source: any RecordingSource
  /// More pages than any day has: two million recordings. A list that does not end is an error.
  let maxPages: Int

  /// - Parameter plan: the plan of this source.
  package init(catalog: Catalog, source: any RecordingSource, plan: SyncPlan, maxPages: Int = 4000) {
    self.catalog = catalog
    self.source = source
    self.plan = plan
    self.maxPages = maxPages
  }

  /// Lists a period and queues what matches the filter. The platform is asked only for the plan's direction.
  func list(_ period: Period, for reason: DiscoveryReason) async throws(TapedeckError) -> Found {
    var found = Found()
    var listed = 0
    try await forEachPage(of: period, direction: plan.filter.direction) { page async throws(TapedeckError) in
      found.unidentified.add(UnidentifiedRows(page.unidentified, after: listed, in: period))
      listed += page.rowCount
      found.wanted += page.recordings.count { $0.isFirstLeg && plan.filter.wants($0) }
      found.queued += try await take(page.recordings, in: period, fetched: plan.filter, for: reason)
    }
    return found
  }

  /// Lists a whole day regardless of the filter, and records what the platform listed. Rows without a usable ID, and
  /// expected recordings that began more than a second outside that day, are recorded as unidentified. A future day is
  /// not listed.
  ///
  /// - Parameter fetches: whether recordings that match the filter and have no job get one.
  @discardableResult
  package func check(
    _ day: CalendarDay, now: Instant, fetches: Bool, for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Found {
    guard !day.period.isEmpty, day.start <= now else { return Found() }
    let startedAt = try await catalog.now()
    var found = Found()
    var (wanted, unwanted, misplaced) = (Set<RecordingID>(), Set<RecordingID>(), Set<RecordingID>())
    var edge: Set<RecordingID> = []
    var unidentified: [UnidentifiedRow] = []
    var listed = 0
    try await forEachPage(of: day.period, direction: nil) { page async throws(TapedeckError) in
      var rows = page.unidentified
      for (position, recording) in page.located {
        let isMisplaced = Self.isMisplaced(recording, in: day.period)
        if plan.filter.wants(recording) {
          if recording.isFirstLeg { found.wanted += 1 }
          wanted.insert(recording.id)
          if isMisplaced, misplaced.insert(recording.id).inserted {
            rows.append(UnidentifiedRow(position: position, reason: "The start of the call is not in the listed day."))
          }
        } else {
          unwanted.insert(recording.id)
          if Self.isAtEdge(recording, of: day.period) { edge.insert(recording.id) }
        }
      }
      rows.sort { $0.position < $1.position }
      unidentified += rows.map { UnidentifiedRow(position: listed + $0.position, reason: $0.reason) }
      found.unidentified.add(UnidentifiedRows(rows, after: listed, in: day.period))
      listed += page.rowCount
      found.queued += try await take(page.recordings, in: day.period, fetched: fetches ? plan.filter : nil, for: reason)
    }
    try await catalog.recordCheck(
      of: day, by: plan, unwanted: unwanted.subtracting(wanted).count, edge: edge.subtracting(wanted),
      unidentified: unidentified, startedAt: startedAt)
    return found
  }

  /// Whether a recording does not belong in the list of a period, so that it would count toward a day that is perhaps
  /// never reported. A platform that rounds times may list a call of the second before or after, which then counts
  /// toward the listed day.
  private static func isMisplaced(_ recording: PlatformRecording, in period: Period) -> Bool {
    guard let start = recording.startTime else { return false }
    return start < period.start + .seconds(-1) || period.end + .seconds(1) < start
  }

  /// Whether a recording began so close to the start or end of a period that the next period may list it too.
  private static func isAtEdge(_ recording: PlatformRecording, of period: Period) -> Bool {
    guard let start = recording.startTime else { return false }
    return [period.start, period.end].contains { $0 + .seconds(-1) <= start && start <= $0 + .seconds(1) }
  }

  /// Stores a page in the catalog.
  ///
  /// - Returns: the number of jobs created or restarted.
  func take(
    _ page: [PlatformRecording], in period: Period, fetched: SyncFilter?, for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Int {
    let queued = try await catalog.discover(
      page, in: period, of: plan.source, expected: plan.filter, fetched: fetched, for: reason)
    SyncMetrics.recordQueued(queued, of: plan.source, for: reason)
    return queued
  }

  /// Calls `body` with each page.
  ///
  /// - Throws: what a listing throws; `platformProtocol` when the list repeats, does not end or may be incomplete;
  ///   `interrupted`.
  func forEachPage(
    of period: Period, direction: Direction?, _ body: (ListPage) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    try await follow(
      { cursor async throws(TapedeckError) in
        try await self.page(of: period, direction: direction, cursor: cursor)
      }, body: body)
  }

  /// Opens a notice for each stored recording whose addresses the platform has erased since a moment.
  ///
  /// - Throws: what `forEachPage` throws.
  func openNotices(since start: Instant) async throws(TapedeckError) {
    try await follow(
      { cursor async throws(TapedeckError) in
        if Task.isCancelled { throw TapedeckError(.interrupted) }
        return try await source.listChanges(since: start, bookmark: cursor)
      },
      body: { page async throws(TapedeckError) in
        try await catalog.openNotices(for: page.recordings, of: plan.source)
      })
  }

  private func follow(
    _ fetch: (_ cursor: String?) async throws(TapedeckError) -> ListPage,
    body: (ListPage) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    var progress = ListProgress(maxPages: maxPages)
    var cursor: String?
    repeat {
      let page = try await fetch(cursor)
      if let next = page.nextCursor { try progress.follow(next, after: page.ids) }
      try await body(page)
      // After the page is stored: what is listed is archived, although the list is not complete.
      try progress.count(
        page.ids, unidentified: page.unidentified.count, notes: page.notes, isLast: page.nextCursor == nil)
      cursor = page.nextCursor
    } while cursor != nil
  }

  func page(of period: Period, direction: Direction?, cursor: String?) async throws(TapedeckError) -> ListPage {
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    return try await source.list(
      RecordingQuery(start: period.start, end: period.end, direction: direction), bookmark: cursor)
  }
}
