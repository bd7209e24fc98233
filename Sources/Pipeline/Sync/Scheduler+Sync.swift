import CXone
import Catalog
import Foundation
import Logging
package import Model

/// The progress of a sync.
package struct SyncState: Codable, Sendable {
  /// All calls that began before this time, in UTC milliseconds, have been listed; nil before the first sync.
  package var watermark: Int64?

  /// Decodes the state in a recurring task's row; an unreadable state counts as none.
  package init(_ json: String) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self(watermark: nil)
  }

  private init(watermark: Int64?) { self.watermark = watermark }
}

/// The progress of a look-back.
private struct LookBackState: Codable {
  /// The next day to list, in the source's time zone; nil when the next look-back starts from today.
  var next: String?
  /// Until when changes of calls of any age were listed, in UTC milliseconds; nil before the first time.
  var changesUntil: Int64?

  /// An unreadable state counts as none.
  init(_ json: String) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self()
  }

  private init() {}

  var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension Scheduler {
  /// Syncs a source now; waits first while another node does.
  ///
  /// - Throws: what a search throws; `platformUnavailable` when another node's sync takes longer than two minutes.
  package func syncNow(_ source: SourceID) async throws(TapedeckError) -> Discovery.Found {
    guard let discovery = discoveries[source] else {
      throw TapedeckError.unknownSource(source.rawValue)
    }
    let key = TaskKey(.sync, of: source)
    try await catalog.ensureTasks([key])
    let task = try await claimInTurn(key)
    do throws(TapedeckError) {
      let startedAt = system.now()
      let found = try await renewingLease(task.lease) { () async throws(TapedeckError) in
        try await sync(task, discovery)
      }
      await release(task, .done(next: startedAt + discovery.plan.interval))
      return found
    } catch {
      await release(task, error.code == .interrupted ? .interrupted : failure(of: task, error))
      throw error
    }
  }

  private func claimInTurn(_ key: TaskKey) async throws(TapedeckError) -> TaskRow {
    for _ in 0..<600 {
      if let task = try await catalog.claimTask(key, lease: limits.lease, early: true) { return task }
      do { try await system.sleep(.milliseconds(200)) } catch { throw TapedeckError(.interrupted) }
    }
    throw TapedeckError(
      .platformUnavailable, "Another sync of this source has been running for two minutes. Try again later.")
  }

  /// Lists all calls since the last sync, with an overlap.
  ///
  /// A long period is listed day by day: the watermark advances when all pages of a day are listed, so that a run after
  /// a failure resumes there.
  @discardableResult
  func sync(_ task: TaskRow, _ discovery: Discovery) async throws(TapedeckError) -> Discovery.Found {
    let plan = discovery.plan
    // The platform's queries have a resolution of one second.
    let now = Instant(milliseconds: system.now().milliseconds / 1000 * 1000)
    let first = CalendarDay(containing: now, in: plan.zone).advanced(by: -plan.lookBackDays).start
    // A watermark in the future, set while the clock was wrong, must not stop the sync.
    let watermark = min(SyncState(task.state).watermark.map(Instant.init(milliseconds:)) ?? first, now)
    var from = watermark + (Duration.zero - plan.overlap)
    var found = Discovery.Found()
    while from < now {
      let to = min(from + .seconds(86_400), now)
      found.add(try await discovery.list(Period(start: from, end: to), for: .sync))
      try await record(#"{"watermark":\#(max(watermark, to).milliseconds)}"#, task)
      from = to
    }
    try await catalog.recordUnidentified(found.unidentified, of: task.lease)
    report(found, task)
    return found
  }

  /// Lists the last days again, from today backwards, for late calls, changed privacy and the coverage of each day; then
  /// the changes since the last look-back, for erased addresses of older calls.
  func lookBack(_ task: TaskRow, _ discovery: Discovery) async throws(TapedeckError) {
    let plan = discovery.plan
    let now = system.now()
    let today = CalendarDay(containing: now, in: plan.zone)
    let oldest = today.advanced(by: -plan.lookBackDays)
    var day = today
    var state = LookBackState(task.state)
    if let next = state.next.flatMap({ CalendarDay($0, in: plan.zone) }) {
      day = min(max(next, oldest), today)
    }
    var found = Discovery.Found()
    while day >= oldest {
      found.add(try await discovery.check(day, now: now, fetches: true, for: .lookBack))
      day = day.advanced(by: -1)
      state.next = day >= oldest ? "\(day)" : nil
      try await record(state.json, task)
    }
    if discovery.source.policy.listsChanges {
      let since = min(state.changesUntil.map(Instant.init(milliseconds:)) ?? oldest.start, now)
      try await discovery.openNotices(since: since + (Duration.zero - plan.overlap))
      state.changesUntil = now.milliseconds
      try await record(state.json, task)
    }
    try await catalog.recordUnidentified(found.unidentified, of: task.lease)
    report(found, task)
  }

  private func record(_ state: String, _ task: TaskRow) async throws(TapedeckError) {
    try await catalog.recordState(state, of: task.lease)
  }

  private func report(_ found: Discovery.Found, _ task: TaskRow) {
    logger.log(
      level: found.queued > 0 ? .info : .debug, "listed calls",
      metadata: [
        "task": "\(task.key.name.rawValue)", "source": "\(task.key.source)", "found": "\(found.wanted)",
        "queued": "\(found.queued)",
      ])
  }
}

extension Scheduler {
  /// Lists a whole day on the platform for a report; nothing is queued.
  ///
  /// - Throws: what a search throws; `notFound` for a source that is not configured.
  package func check(_ day: CalendarDay, of source: SourceID) async throws(TapedeckError) -> Discovery.Found {
    guard let discovery = discoveries[source] else {
      throw TapedeckError.unknownSource(source.rawValue)
    }
    return try await discovery.check(day, now: system.now(), fetches: false, for: .check)
  }
}
