import Catalog
import Model
import Pipeline
import TestKit
import Testing

/// Backfills, from their start to their end.
@Suite(.timeLimit(.minutes(5)))
struct BackfillRunTests {
  private let limits = Scheduler.Limits(openBackfillJobs: 10, backfillPause: .seconds(5))

  /// Consecutive calls, six an hour, from 2025-06-01 on.
  private func calls(_ count: Int) throws -> [PlatformRecording] {
    let first = try #require(Instant(iso8601: "2025-06-01T00:00:00Z"))
    return try (0..<count).map { number in
      try call("call-\(1000 + number)", at: (first + .seconds(600 * number)).iso8601)
    }
  }

  /// A source that lists consecutive calls.
  private func fixture(calls count: Int, pageSize: Int) async throws -> SchedulerFixture {
    let fixture = try await SchedulerFixture()
    let calls = try calls(count)
    fixture.source.change {
      $0.recordings = calls
      $0.pageSize = pageSize
    }
    return fixture
  }

  /// Ends all jobs again and again until the backfill ends.
  private func finish(_ backfill: Backfill, maxOpen: Int, _ fixture: SchedulerFixture) async throws -> Backfill {
    var row = backfill
    for _ in 1...200 where row.state == .running {
      try await fixture.endJobs()
      try await fixture.advance(by: .seconds(5))
      try await fixture.ended(.backfill)
      row = try #require(try await fixture.catalog.backfill(backfill.id))
      #expect(row.open <= maxOpen)
    }
    return row
  }

  private func names(_ range: Range<Int>) -> [String] { range.map { "call-\(1000 + $0)" } }

  @Test func `a span is fetched from its oldest call on, a bounded number at a time`() async throws {
    let fixture = try await fixture(calls: 300, pageSize: 4)
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T06:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false, limits: limits)]) {
      // Three pages of four: the first number of open jobs that is not below ten.
      var row = try await fixture.backfill(backfill.id) { $0.open == 12 }
      try await fixture.task(.backfill) { $0.leaseUntil == nil && $0.dueAt != nil }
      #expect(try await fixture.queued() == names(0..<12))
      row = try await finish(row, maxOpen: 13, fixture)
      #expect(row.state == .done)
      #expect((row.found, row.queued, row.open) == (180, 180, 0))
      // Without an active backfill the recurring task is idle.
      try await fixture.task(.backfill) { $0.leaseUntil == nil && $0.dueAt == nil }
    }
    // The end is exclusive.
    #expect(try await fixture.queued() == names(0..<180))
  }

  @Test func `it can be paused between two pages, resumed and cancelled`() async throws {
    let fixture = try await fixture(calls: 200, pageSize: 5)
    let started = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-03T00:00:00Z")
    fixture.source.change {
      // A person pauses it while the second page is being fetched.
      $0.events[2] = { @Sendable () async throws in try await fixture.set(started, to: .paused) }
    }
    try await fixture.with([fixture.scheduler(syncs: false, limits: limits)]) {
      try await fixture.backfill(started.id) { $0.state == .paused }
      try await fixture.task(.backfill) { $0.leaseUntil == nil && $0.dueAt == nil }
      #expect(try await fixture.queued() == names(0..<5))
      try await fixture.advance(by: .seconds(600))
      #expect(try await fixture.queued() == names(0..<5))
      try await fixture.set(started, to: .running)
      let row = try await fixture.backfill(started.id) { $0.open >= 10 }
      #expect(row.state == .running)
      #expect(try await fixture.queued() == names(0..<Int(row.queued)))
      try await fixture.set(started, to: .cancelled)
      try await fixture.endJobs()
      try await fixture.advance(by: .seconds(600))
      try await fixture.task(.backfill) { $0.leaseUntil == nil && $0.dueAt == nil }
      #expect(try await fixture.queued() == names(0..<Int(row.queued)))
    }
  }

  /// Orders of a platform's list other than that of the start times.
  private static let orders: [(name: String, arrange: @Sendable ([PlatformRecording]) -> [PlatformRecording])] = [
    ("newest first", { $0.reversed() }),
    ("later half first", { Array($0.dropFirst($0.count / 2) + $0.prefix($0.count / 2)) }),
    (
      "by ID", { $0.sorted { ($0.id.rawValue.suffix(1), $0.id.rawValue) < ($1.id.rawValue.suffix(1), $1.id.rawValue) } }
    ),
    ("one late call first", { Array($0.suffix(1) + $0.dropLast()) }),
  ]

  @Test(arguments: orders.indices) func `a list in another order misses no call`(order: Int) async throws {
    let fixture = try await fixture(calls: 200, pageSize: 10)
    fixture.source.change { $0.arrange = Self.orders[order].arrange }
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T06:00:00Z")
    let row = try await fixture.with([fixture.scheduler(syncs: false, limits: limits)]) {
      try await finish(try await fixture.backfill(backfill.id) { $0.open > 0 }, maxOpen: 20, fixture)
    }
    #expect(row.state == .done && row.found == 180 && row.queued == 180 && row.relistFrom == nil)
    #expect(Set(try await fixture.queued()) == Set(names(0..<180)))
  }

  @Test func `only a day whose list was interrupted is listed again`() async throws {
    let fixture = try await fixture(calls: 200, pageSize: 50)
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T06:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      try await fixture.backfill(backfill.id) { $0.isListed }
    }
    #expect(
      fixture.source.queries.map { "\($0.start.iso8601) \($0.end.iso8601)" } == [
        "2025-06-01T00:00:00Z 2025-06-02T00:00:00Z", "2025-06-02T00:00:00Z 2025-06-02T06:00:00Z",
      ])
  }

  /// Runs a server that is stopped after some pages, unless the backfill is listed before.
  private func list(
    _ pages: Int = 2, of backfill: Backfill, _ fixture: SchedulerFixture
  ) async throws -> Backfill {
    let stuck = Gate()
    let next = fixture.source.searches + pages + 1
    fixture.source.change {
      $0.events = [
        next: { @Sendable () async throws in
          stuck.open()
          try await Gate().wait()
        }
      ]
    }
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await stuck.wait() }
        group.addTask { try await fixture.backfill(backfill.id) { $0.isListed } }
        try await group.next()
        group.cancelAll()
      }
    }
    return try #require(try await fixture.catalog.backfill(backfill.id))
  }

  @Test func `a restart resumes where it was, and counts every call once`() async throws {
    let fixture = try await SchedulerFixture()
    var calls = try calls(30)
    // Many begin in the same second, so that pages break within it.
    let crowd = try (0..<5).map { try call("crowd-\($0)", at: "2025-06-01T01:00:00Z") }
    calls += crowd
    fixture.source.change {
      $0.recordings = calls
      $0.pageSize = 4
    }
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    var row = backfill
    for run in 1...60 where row.state == .running {
      // The day is listed once more when its end is reached, in one go.
      row = try await list(run < 25 ? 2 : 100, of: backfill, fixture)
      if row.isListed {
        try await fixture.endJobs()
        row = try await fixture.with([fixture.scheduler(syncs: false)]) {
          try await fixture.advance(by: .seconds(5))
          return try await fixture.backfill(backfill.id) { $0.state == .done }
        }
      }
    }
    #expect(row.state == .done)
    #expect((row.found, row.queued) == (35, 35))
    #expect(try await fixture.queued().count == 35)
  }

  @Test func `its direction may differ from that of sync`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.add(
      try call("outbound", at: "2025-06-01T10:00:00Z"),
      try call("inbound", at: "2025-06-01T11:00:00Z") { $0.direction = .inbound })
    let backfill = try await fixture.startBackfill(
      "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z", direction: .inbound)
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      try await fixture.backfill(backfill.id) { $0.isListed }
    }
    #expect(try await fixture.queued() == ["inbound"])
    #expect(try await fixture.catalog.backfill(backfill.id)?.found == 1)
  }

  @Test func `rows without a usable ID are counted and located by day`() async throws {
    let fixture = try await fixture(calls: 5, pageSize: 2)
    fixture.source.change {
      $0.unidentified = [
        UnidentifiedRow(position: 2, reason: "The row has no ID."),
        UnidentifiedRow(position: 3, reason: "The row is not an object."),
      ]
    }
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-03T00:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      let row = try await fixture.backfill(backfill.id) { $0.isListed }
      #expect(row.unidentified.count == 4 && row.found == 5)
      #expect(
        row.unidentified.first.map { "\($0.listFrom) \($0.position) \($0.reason)" } == [
          "2025-06-01T00:00:00Z 6 The row has no ID.", "2025-06-01T00:00:00Z 7 The row is not an object.",
          "2025-06-02T00:00:00Z 2 The row has no ID.", "2025-06-02T00:00:00Z 3 The row is not an object.",
        ])
    }
  }

  /// Rows between the calls, on pages of any size, with a stop after every page.
  @Test(arguments: [1, 2, 3, 5, 7]) func `a restart counts every row without a usable ID once`(
    pageSize: Int
  ) async throws {
    let fixture = try await fixture(calls: 12, pageSize: pageSize)
    fixture.source.change {
      $0.unidentifiedAfter = Dictionary(uniqueKeysWithValues: (0..<11).map { ("call-\(1000 + $0)", $0 % 3) })
    }
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    var row = backfill
    for run in 1...40 where !row.isListed {
      row = try await list(run < 25 ? 2 : 100, of: backfill, fixture)
    }
    #expect(row.isListed)
    #expect((row.found, row.unidentified.count) == (12, 10))
  }

  @Test func `new cursors over the same calls are a failure long before the page limit`() async throws {
    let fixture = try await SchedulerFixture()
    let calls = try calls(2)
    fixture.source.change {
      $0.recordings = calls
      $0.repeats = true
    }
    _ = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      let task = try await fixture.task(.backfill) { $0.failures == 1 && $0.leaseUntil == nil }
      #expect(task.lastError?.code == .platformProtocol && task.lastError?.message.contains("repeats") == true)
    }
    #expect(fixture.source.searches == 6)
  }

  @Test func `an endless list is a failure, and does not block the recurring task`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.change { $0.isEndless = true }
    _ = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false, maxPages: 50)]) {
      let task = try await fixture.task(.backfill) { $0.failures == 1 && $0.leaseUntil == nil }
      #expect(task.lastError?.code == .platformProtocol)
    }
    #expect(fixture.source.searches == 50)
  }

  @Test func `a failure is visible and retried, and a lasting one ends the backfill`() async throws {
    let fixture = try await SchedulerFixture()
    fixture.source.change { state in
      for number in 1...100 {
        state.events[number] = { @Sendable () async throws in throw TapedeckError(.platformProtocol) }
      }
    }
    let backfill = try await fixture.startBackfill("2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z")
    try await fixture.with([fixture.scheduler(syncs: false)]) {
      for count in 1...10 {
        let task = try await fixture.task(.backfill) { $0.failures == count && $0.leaseUntil == nil }
        #expect(task.lastError?.code == .platformProtocol)
        #expect(try await fixture.catalog.backfill(backfill.id)?.state == .running)
        try await fixture.advance(by: .seconds(900))
      }
      let row = try await fixture.backfill(backfill.id) { $0.state == .failed }
      #expect(row.failure?.code == .platformProtocol && row.endedAt != nil)
    }
  }
}
