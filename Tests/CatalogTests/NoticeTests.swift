import Catalog
import Model
import TestKit
import Testing

/// Notices that the platform has erased the addresses of a call.
@Suite struct NoticeTests {
  /// Set by each test, since the database is a test argument.
  private var test: TestCatalog!
  private let day = Period(
    start: Instant(iso8601: "2026-01-14T00:00:00Z")!, end: Instant(iso8601: "2026-01-15T00:00:00Z")!)

  private func row(_ id: String, isErased: Bool = false, _ privacy: Privacy = .standard) throws -> PlatformRecording {
    var row = PlatformRecording(id: try key(id).id, status: .available, privacy: privacy)
    row.startTime = Instant(iso8601: "2026-01-14T10:00:00Z")
    row.direction = .outbound
    row.isAnonymized = isErased
    return row
  }

  private func discover(_ page: PlatformRecording..., wanted: Direction = .outbound) async throws {
    try await test.catalog.discover(
      page, in: day, of: .default, expected: SyncFilter(direction: wanted), fetched: nil, for: .check)
  }

  private func notices(_ visibility: Visibility = .everything, closed: Bool = false) async throws -> [NoticeRow] {
    try await test.catalog.notices(visibleTo: visibility, closed: closed, limit: 100)
  }

  private func logged(_ action: LogEntry.Action) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = action
    return try await test.catalog.logEntries(matching: filter, before: nil, limit: 100).map(\.entry)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `an erased call that is stored gets one notice, with an entry in the log`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(row("a"), row("b"))
    #expect(try await notices().isEmpty)
    for _ in 0..<2 { try await discover(row("a", isErased: true), row("b")) }
    let found = try await notices()
    #expect(found.map(\.key.id.rawValue) == ["a"])
    #expect(found.first?.closedAt == nil && found.first?.openedAt == test.clock.now)
    #expect(try await logged(.openNotice).map(\.recording) == [try key("a")])
    #expect(try await test.count("recording") == 2)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a call that is not stored gets none`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await discover(row("a", isErased: true), wanted: .inbound)
    try await test.catalog.openNotices(for: [row("b", isErased: true)], of: .default)
    #expect(try await test.count("recording") == 0 && test.count("notice") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a notice is closed once, and stays closed when the call is listed again`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(row("a", isErased: true))
    let id = try #require(try await notices().first).id
    var entry = test.entry(.closeNotice)
    entry.recording = try key("a")
    try await test.catalog.closeNotice(id, decision: "Kept: hold 7.", by: "acc_1", entry: entry)
    await #expect(throws: TapedeckError.self) {
      try await test.catalog.closeNotice(id, decision: "again", by: "acc_2", entry: entry)
    }
    try await discover(row("a", isErased: true))
    #expect(try await notices().isEmpty)
    let closed = try #require(try await notices(closed: true).first)
    #expect(closed.decision == "Kept: hold 7." && closed.closedBy == "acc_1" && closed.closedAt == test.clock.now)
    #expect(try await logged(.closeNotice).count == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `notices about recordings whose facts are not visible are neither listed nor counted`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(row("a", isErased: true), row("b", isErased: true, .restricted))
    let admin = Identity(kind: .account, id: "acc_1", name: "alex", role: .admin)
    let supervisor = Identity(kind: .account, id: "acc_2", name: "dana", role: .supervisor)
    #expect(try await notices(admin.visibility).map(\.key.id.rawValue) == ["a"])
    #expect(try await test.catalog.openNoticeCount(visibleTo: admin.visibility) == 1)
    #expect(try await test.catalog.openNoticeCount(visibleTo: supervisor.visibility) == 2)
    let hidden = try #require(try await notices().first { $0.key.id.rawValue == "b" })
    await #expect(throws: TapedeckError.self) {
      try await test.catalog.notice(hidden.id, visibleTo: admin.visibility)
    }
  }
}
