import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct AccessLogTests {
  @Test func `an entry is durable when the call returns`() async throws {
    let desk = try await Desk()
    let key = RecordingKey(id: try #require(RecordingID("call-1")))
    try await desk.log.record(
      .view, .denied, by: Desk.admin, recording: key, count: 3, code: .insufficientPermissions, from: Desk.origin,
      details: ["a": "b"])
    let entry = try #require(try await desk.entries().first)
    #expect(
      entry
        == LogEntry(
          at: desk.clock.now, action: .view, outcome: .denied, actor: Desk.admin, recording: key, count: 3,
          code: .insufficientPermissions, origin: Desk.origin, details: ["a": "b"]))
  }

  @Test func `two hundred callers at once share a few transactions, and each finds its entry written`() async throws {
    let desk = try await Desk()
    let before = desk.database.commits
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<200 {
        group.addTask {
          try await desk.log.record(.view, by: Desk.admin, count: Int64(number))
          let isWritten = try await desk.entries().contains { $0.count == Int64(number) }
          #expect(isWritten)
        }
      }
      try await group.waitForAll()
    }
    #expect(try await Set(desk.entries().map(\.count)).count == 200)
    #expect(desk.database.commits - before < 50)
  }

  @Test func `whoever comes while a transaction is under way goes into the next one`() async throws {
    let desk = try await Desk()
    let before = desk.database.commits
    let gate = Gate()
    desk.database.hold(by: gate)
    let first = Task { try await desk.log.record(.view, by: Desk.admin) }
    let rest = (0..<20).map { _ in Task { try await desk.log.record(.list, by: Desk.admin) } }
    gate.open()
    try await first.value
    for task in rest { try await task.value }
    #expect(try await desk.entries().count == 21)
    #expect(desk.database.commits - before <= 21)
  }

  @Test func `when the log cannot be written every caller is told, and later ones get through`() async throws {
    let desk = try await Desk()
    desk.database.setBroken(true)
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for _ in 0..<50 { group.addTask { await failure { try await desk.log.record(.view, by: Desk.admin) } } }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == [.accessLogUnavailable])
    desk.database.setBroken(false)
    try await desk.log.record(.view, by: Desk.admin)
    #expect(try await desk.entries().count == 1)
    try desk.database.close()
    #expect(await failure { try await desk.log.record(.view, by: Desk.admin) } == .accessLogUnavailable)
  }

  @Test func `a caller who leaves does not take the entry back`() async throws {
    let desk = try await Desk()
    let code = await Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return await failure { try await desk.log.record(.view, by: Desk.admin) }
    }.value
    #expect(code == nil)
    #expect(try await desk.entries().count == 1)
  }

  @Test func `refusals without an identity are one entry with their number`() async throws {
    let desk = try await Desk()
    try await desk.log.flush()
    #expect(try await desk.entries().isEmpty)
    for _ in 0..<1000 { desk.log.countAnonymousRefusal() }
    try await desk.log.flush()
    try await desk.log.flush()
    let entries = try await desk.entries()
    #expect(entries.map(\.count) == [1000])
    #expect(entries.first?.action == .anonymous)
    #expect(entries.first?.outcome == .denied)
    #expect(entries.first?.actor == nil)
  }

  @Test func `a number that cannot be written is kept for the next time`() async throws {
    let desk = try await Desk()
    for _ in 0..<7 { desk.log.countAnonymousRefusal() }
    desk.database.setBroken(true)
    #expect(await failure { try await desk.log.flush() } == .accessLogUnavailable)
    desk.log.countAnonymousRefusal()
    desk.database.setBroken(false)
    try await desk.log.flush()
    #expect(try await desk.entries(.anonymous).map(\.count) == [8])
  }
}
