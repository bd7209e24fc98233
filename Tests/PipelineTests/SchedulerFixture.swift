import Catalog
import Foundation
import Logging
import Model
import Pipeline
import ServiceLifecycle
import TestKit
import Testing

/// A catalog, a tenant that lists what the test specifies, and schedulers over both. The test controls the time.
final class SchedulerFixture: Sendable {
  let clock: TestClock
  let source: ListedSource
  let plan: SyncPlan
  let database: SQLiteDatabase
  let catalog: Catalog
  private let folder: URL

  /// It is 2026-01-15T12:00:00Z.
  init(plan: SyncPlan = SyncPlan(overlap: .seconds(600), lookBackDays: 3)) async throws {
    self.plan = plan
    let clock = TestClock()
    self.clock = clock
    folder = FileManager.default.temporaryDirectory.appending(path: "tapedeck-scheduler-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    source = ListedSource(plan.source)
    database = try SQLiteDatabase(path: folder.appending(path: "catalog.sqlite").path(), now: { clock.now })
    catalog = Catalog(database: database)
    try await catalog.migrate()
  }

  deinit {
    try? database.close()
    try? FileManager.default.removeItem(at: folder)
  }

  func discovery(maxPages: Int = 20_000) -> Discovery {
    Discovery(catalog: catalog, source: source, plan: plan, maxPages: maxPages)
  }

  func scheduler(syncs: Bool = true, limits: Scheduler.Limits = .init(), maxPages: Int = 20_000) -> Scheduler {
    Scheduler(
      catalog: catalog, discoveries: [discovery(maxPages: maxPages)], syncs: syncs, limits: limits,
      system: clock.system(), logger: .silent)
  }

  @discardableResult
  func with<Result: Sendable>(
    _ services: [any Service], _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withServices(services, body)
  }

  /// Advances the time and wakes the schedulers.
  func advance(by duration: Duration) async throws {
    clock.advance(by: duration)
    try await database.write { db in db.notify(.taskDue) }
  }

  /// Waits until the row of a recurring task is as expected, and keeps waking the schedulers meanwhile.
  @discardableResult
  func task(_ name: TaskKey.Name, until isWanted: (TaskRow) -> Bool) async throws -> TaskRow {
    var task: TaskRow?
    try await until {
      if task != nil { try await database.write { db in db.notify(.taskDue) } }
      task = try await catalog.recurringTask(TaskKey(name, of: plan.source))
      return task.map(isWanted) ?? false
    }
    return try #require(task)
  }

  /// Waits until a recurring task has ended after the current time of the test's clock and is idle.
  @discardableResult
  func ended(_ name: TaskKey.Name) async throws -> TaskRow {
    let now = clock.now
    return try await task(name) { $0.leaseUntil == nil && ($0.lastEndedAt ?? Instant(milliseconds: 0)) >= now }
  }

  func queued() async throws -> [String] {
    try await database.read { db in
      try db.rows("SELECT platform_id FROM job ORDER BY id").map { try $0.text("platform_id") }
    }
  }

  func watermark() async throws -> Instant? {
    let task = try await catalog.recurringTask(TaskKey(.sync, of: plan.source))
    return task.flatMap { SyncState($0.state).watermark.map(Instant.init(milliseconds:)) }
  }

  func instant(_ text: String) throws -> Instant {
    guard let instant = Instant(iso8601: text) else { throw TapedeckError(.invalidRequest) }
    return instant
  }

  func period(_ start: String, _ end: String) throws -> Period {
    Period(start: try instant(start), end: try instant(end))
  }

  func startBackfill(_ start: String, _ end: String, direction: Direction? = nil) async throws -> Backfill {
    try await catalog.startBackfill(
      of: try period(start, end), from: plan.source, direction: direction, by: "tester", entry: entry)
  }

  func set(_ backfill: Backfill, to state: Backfill.State) async throws(TapedeckError) {
    _ = try await catalog.setBackfill(backfill.id, to: state, entry: entry)
  }

  private var entry: LogEntry { LogEntry(at: clock.now, action: .ingest, outcome: .allowed, actor: nil) }

  /// Waits until the row of a backfill is as expected.
  @discardableResult
  func backfill(_ id: String, until isWanted: (Backfill) -> Bool) async throws -> Backfill {
    var row: Backfill?
    try await until {
      row = try await catalog.backfill(id)
      return row.map(isWanted) ?? false
    }
    return try #require(row)
  }

  /// Ends the queued jobs as if their recordings were archived.
  func endJobs() async throws {
    _ = try await database.write { db in
      try db.execute(
        "UPDATE job SET run_state = 'failed', due_at = NULL, ended_at = tapedeck_now_ms() WHERE run_state = 'idle'")
    }
  }
}
