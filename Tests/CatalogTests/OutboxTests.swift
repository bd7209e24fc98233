import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct OutboxTests {
  @Test(arguments: DatabaseKind.allCases)
  func `messages are due in the order in which they were written`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    #expect(try await test.catalog.nextMessageDue() == nil)
    let start = test.clock.now
    for name in ["b", "a"] {
      try await test.archiveRecording(name)
      test.clock.advance(by: .seconds(1))
    }
    #expect(try await test.catalog.nextMessageDue() == start)
    let due = try await test.catalog.dueMessages(limit: 10)
    #expect(due.map(\.id) == ["msg_b", "msg_a"])
    #expect(due.map(\.attempts) == [0, 0])
    #expect(due.first?.createdAt == start)
    #expect(due.first?.body == "{}")
    #expect(try await test.catalog.dueMessages(limit: 1).map(\.id) == ["msg_b"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a message is tried again at its time until it is delivered`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("a")
    let later = test.clock.now + .seconds(5)
    try await test.catalog.recordDelivery(of: "msg_a", status: 500, error: "broken", delivered: false, next: later)
    #expect(try await test.catalog.dueMessages(limit: 10).isEmpty)
    #expect(try await test.catalog.nextMessageDue() == later)
    #expect(try await test.catalog.messageCounts() == ["pending": 1])
    test.clock.advance(by: .seconds(5))
    #expect(try await test.catalog.dueMessages(limit: 10).map(\.attempts) == [1])
    try await test.catalog.recordDelivery(of: "msg_a", status: 204, error: nil, delivered: true, next: nil)
    #expect(try await test.catalog.dueMessages(limit: 10).isEmpty)
    #expect(try await test.catalog.nextMessageDue() == nil)
    #expect(try await test.catalog.messageCounts() == ["delivered": 1])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a message that is given up is a dead letter with its reason`(kind: DatabaseKind) async throws {
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
  func `the sender is told when a message was committed`(kind: DatabaseKind) async throws {
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
