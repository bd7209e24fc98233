import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct OutboxTests {
  @Test(arguments: DatabaseKind.allCases)
  func `messages are claimed in the order in which they were written`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await test.catalog.nextMessageDue() == nil)
    let start = test.clock.now
    for name in ["b", "a"] {
      try await test.archiveRecording(name)
      test.clock.advance(by: .seconds(1))
    }
    #expect(try await test.catalog.nextMessageDue() == start)
    let due = try await test.claimMessages()
    #expect(due.map(\.id) == ["msg_b", "msg_a"])
    #expect(due.map(\.attempts) == [0, 0])
    #expect(due.first?.createdAt == start)
    #expect(due.first?.body == "{}")
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a message is claimed by one sender, and by another after the lease`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for name in ["a", "b"] { try await test.archiveRecording(name) }
    #expect(try await test.claimMessages(limit: 1).map(\.id) == ["msg_a"])
    #expect(try await test.claimMessages().map(\.id) == ["msg_b"])
    #expect(try await test.claimMessages().isEmpty)
    #expect(try await test.catalog.nextMessageDue() == test.clock.now + .seconds(30))
    test.clock.advance(by: .seconds(30))
    let again = try await test.claimMessages()
    #expect(again.map(\.id) == ["msg_a", "msg_b"])
    #expect(again.map(\.attempts) == [0, 0])
    try await test.catalog.release(again[1])
    #expect(try await test.claimMessages().map(\.id) == ["msg_b"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the second of two outcomes of the same message changes nothing`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("a")
    try await test.catalog.recordDelivery(of: "msg_a", status: 204, error: nil, delivered: true, next: nil)
    try await test.catalog.recordDelivery(
      of: "msg_a", status: 500, error: "late", delivered: false, next: test.clock.now)
    #expect(try await test.catalog.messageCounts() == ["delivered": 1])
    #expect(try await test.claimMessages().isEmpty)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `four senders never claim the same of a hundred messages`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<100 { try await test.archiveRecording("call-\(number)") }
    let claims = try await withThrowingTaskGroup(of: [String].self) { group in
      for _ in 0..<4 {
        group.addTask {
          var mine: [String] = []
          while case let more = try await test.claimMessages(limit: 3), !more.isEmpty { mine += more.map(\.id) }
          return mine
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(claims.count == 100)
    #expect(Set(claims).count == 100)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a message is retried at its due time until it is delivered`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("a")
    let later = test.clock.now + .seconds(5)
    try await test.catalog.recordDelivery(of: "msg_a", status: 500, error: "broken", delivered: false, next: later)
    #expect(try await test.claimMessages().isEmpty)
    #expect(try await test.catalog.nextMessageDue() == later)
    #expect(try await test.catalog.messageCounts() == ["pending": 1])
    test.clock.advance(by: .seconds(5))
    #expect(try await test.claimMessages().map(\.attempts) == [1])
    try await test.catalog.recordDelivery(of: "msg_a", status: 204, error: nil, delivered: true, next: nil)
    #expect(try await test.claimMessages().isEmpty)
    #expect(try await test.catalog.nextMessageDue() == nil)
    #expect(try await test.catalog.messageCounts() == ["delivered": 1])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a message without a next attempt is dead, with its reason`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("a")
    try await test.archiveRecording("b")
    try await test.catalog.recordDelivery(of: "msg_a", status: 410, error: "gone", delivered: false, next: nil)
    #expect(try await test.catalog.messageCounts() == ["dead": 1, "pending": 1])
    let row = try await test.database.read { db in
      try db.row("SELECT last_status, last_error, ended_at FROM webhook_message WHERE id = 'msg_a'")
    }
    #expect(row?["last_status"] == .integer(410))
    #expect(row?["last_error"] == .text("gone"))
    #expect(row?.optionalInstant("ended_at") == test.clock.now)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the sender is woken when a message is committed`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    let changes = test.catalog.changes()
    try await test.catalog.archive(try test.archive(), lease: lease)
    try test.database.close()
    var heard: [Change] = []
    for await change in changes { heard.append(change) }
    #expect(heard == [.webhookDue, .job(lease.jobID)])
  }
}

extension TestCatalog {
  fileprivate func claimMessages(limit: Int = 10) async throws -> [OutboxMessage] {
    try await catalog.claimMessages(limit: limit, lease: .seconds(30))
  }
}
