import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct AccessLogTests {
  @Test func `an entry is durable when the call returns`() async throws {
    let fixture = try await AccessFixture()
    let key = RecordingKey(id: try #require(RecordingID("call-1")))
    try await fixture.log.record(
      .view, .denied, by: AccessFixture.admin, recording: key, count: 3, code: .insufficientPermissions,
      from: AccessFixture.origin,
      details: ["a": "b"])
    let entry = try #require(try await fixture.entries().first)
    #expect(
      entry
        == LogEntry(
          at: fixture.clock.now, action: .view, outcome: .denied, actor: AccessFixture.admin, recording: key, count: 3,
          code: .insufficientPermissions, origin: AccessFixture.origin, details: ["a": "b"]))
  }

  @Test func `two hundred concurrent entries share a few transactions, and each is written when its call returns`()
    async throws
  {
    let fixture = try await AccessFixture()
    let before = fixture.database.commits
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<200 {
        group.addTask {
          try await fixture.log.record(.view, by: AccessFixture.admin, count: Int64(number))
          let isWritten = try await fixture.entries().contains { $0.count == Int64(number) }
          #expect(isWritten)
        }
      }
      try await group.waitForAll()
    }
    #expect(try await Set(fixture.entries().map(\.count)).count == 200)
    #expect(fixture.database.commits - before < 50)
  }

  @Test func `entries that arrive during a transaction are written by the next one`() async throws {
    let fixture = try await AccessFixture()
    let before = fixture.database.commits
    let gate = Gate()
    fixture.database.hold(by: gate)
    let first = Task { try await fixture.log.record(.view, by: AccessFixture.admin) }
    let rest = (0..<20).map { _ in Task { try await fixture.log.record(.list, by: AccessFixture.admin) } }
    gate.open()
    try await first.value
    for task in rest { try await task.value }
    #expect(try await fixture.entries().count == 21)
    #expect(fixture.database.commits - before <= 21)
  }

  @Test func `every caller gets an error while the log cannot be written, and later entries succeed`() async throws {
    let fixture = try await AccessFixture()
    fixture.database.setBroken(true)
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for _ in 0..<50 {
        group.addTask { await failure { try await fixture.log.record(.view, by: AccessFixture.admin) } }
      }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == [.accessLogUnavailable])
    fixture.database.setBroken(false)
    try await fixture.log.record(.view, by: AccessFixture.admin)
    #expect(try await fixture.entries().count == 1)
    try fixture.database.close()
    #expect(await failure { try await fixture.log.record(.view, by: AccessFixture.admin) } == .accessLogUnavailable)
  }

  @Test func `an entry is written even when its caller is cancelled`() async throws {
    let fixture = try await AccessFixture()
    let code = await Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return await failure { try await fixture.log.record(.view, by: AccessFixture.admin) }
    }.value
    #expect(code == nil)
    #expect(try await fixture.entries().count == 1)
  }

  @Test func `refusals without an identity are summed in one entry`() async throws {
    let fixture = try await AccessFixture()
    try await fixture.log.flush()
    #expect(try await fixture.entries().isEmpty)
    for _ in 0..<1000 { fixture.log.countAnonymousRefusal() }
    try await fixture.log.flush()
    try await fixture.log.flush()
    let entries = try await fixture.entries()
    #expect(entries.map(\.count) == [1000])
    #expect(entries.first?.action == .anonymous)
    #expect(entries.first?.outcome == .denied)
    #expect(entries.first?.actor == nil)
  }

  @Test func `a sum that cannot be written is kept for the next flush`() async throws {
    let fixture = try await AccessFixture()
    for _ in 0..<7 { fixture.log.countAnonymousRefusal() }
    fixture.database.setBroken(true)
    #expect(await failure { try await fixture.log.flush() } == .accessLogUnavailable)
    fixture.log.countAnonymousRefusal()
    fixture.database.setBroken(false)
    try await fixture.log.flush()
    #expect(try await fixture.entries(.anonymous).map(\.count) == [8])
  }
}
