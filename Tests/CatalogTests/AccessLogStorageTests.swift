import Catalog
import Crypto
import Foundation
import Model
import TestKit
import Testing

@Suite(.serialized) struct AccessLogStorageTests {
  static let supervisor = Identity(kind: .account, id: "acc_5f", name: "Wilhelmina Example", role: .supervisor)

  static let full = LogEntry(
    at: Instant(milliseconds: 1_768_478_400_123), action: .listen, outcome: .denied, actor: supervisor,
    recording: RecordingKey(source: SourceID("eu")!, id: RecordingID("a/b \"c\\d~")!), count: 7,
    code: .insufficientPermissions,
    origin: .init(address: "192.0.2.77", userAgent: "Browser/1.0", requestID: "req-1"),
    details: ["query": "from=+44 20", "b": "2", "a": "1"])

  private func stored(
    _ test: TestCatalog, _ id: Int64
  ) async throws -> (canonical: String, salt: [UInt8], detail: String) {
    let row = try #require(
      try await test.database.read { db in
        try db.row(
          "SELECT canonical, salt, detail FROM log_entry e JOIN log_detail d ON d.entry_id = e.id WHERE e.id = \(id)")
      })
    return (
      String(decoding: try row.bytes("canonical"), as: UTF8.self), try row.bytes("salt"), try row.text("detail")
    )
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the canonical bytes of an entry never change`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let id = try #require(try await test.catalog.log([Self.full]).first)
    let (canonical, salt, detail) = try await stored(test, id)
    let commitment = hex(SHA256.hash(data: salt + Array(detail.utf8)))
    #expect(
      canonical == #"""
        {"action":"listen","actor":{"id":"acc_5f","kind":"account","role":"supervisor"},\#
        "at":"2026-01-15T12:00:00.123Z","code":"insufficient_permissions","count":7,\#
        "detailSHA256":"\#(commitment)","outcome":"denied",\#
        "recording":{"id":"a/b \"c\\d~","source":"eu"},"v":1}
        """#)
    #expect(
      detail == #"""
        {"address":"192.0.2.77","details":{"a":"1","b":"2","query":"from=+44 20"},"name":"Wilhelmina Example",\#
        "requestID":"req-1","userAgent":"Browser/1.0"}
        """#)
    #expect(salt.count == 16)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an entry without optional fields has the shortest form`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let id = try #require(try await test.catalog.log([test.entry(.archive)]).first)
    let (canonical, salt, detail) = try await stored(test, id)
    #expect(detail == "{}")
    #expect(
      canonical == #"""
        {"action":"archive","at":"2026-01-15T12:00:00.000Z",\#
        "detailSHA256":"\#(hex(SHA256.hash(data: salt + Array("{}".utf8))))","outcome":"allowed","v":1}
        """#)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the canonical bytes contain no name, address or detail`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let id = try #require(try await test.catalog.log([Self.full]).first)
    let canonical = try await stored(test, id).canonical
    for personal in ["Wilhelmina", "Example", "192.0.2.77", "Browser", "req-1", "44 20", "query"] {
      #expect(!canonical.contains(personal))
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the same entry twice has different commitments, so that details cannot be guessed`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    let ids = try await test.catalog.log([Self.full, Self.full])
    #expect(ids.count == 2 && ids[0] < ids[1])
    #expect(try await stored(test, ids[0]).canonical != stored(test, ids[1]).canonical)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an entry is read back as it was written`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for action in LogEntry.Action.allCases {
      for outcome in LogEntry.Outcome.allCases {
        var entry = Self.full
        entry.action = action
        entry.outcome = outcome
        entry.at = test.clock.now
        test.clock.advance(by: .milliseconds(1))
        try await test.catalog.log([entry])
        let read = try await test.catalog.logEntries(matching: LogFilter(), before: nil, limit: 1)
        #expect(read.map(\.entry) == [entry])
      }
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an entry without its erased details can still be read`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let id = try #require(try await test.catalog.log([Self.full]).first)
    let before = try await stored(test, id).canonical
    _ = try await test.database.write { db in try db.execute("DELETE FROM log_detail WHERE entry_id = \(id)") }
    let read = try #require(try await test.catalog.logEntries(matching: LogFilter(), before: nil, limit: 1).first)
    #expect(String(decoding: read.canonical, as: UTF8.self) == before)
    #expect(read.entry.actor?.id == "acc_5f")
    #expect(read.entry.actor?.name == "acc_5f")
    #expect(read.entry.origin == nil)
    #expect(read.entry.details.isEmpty)
    #expect(read.entry.code == .insufficientPermissions)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `entries are filtered by actor, action, outcome, recording and time, and paged newest first`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    let anna = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
    let robot = Identity(kind: .token, id: "tok_1", name: "robot", role: .agent)
    try await test.catalog.createAccount(anna, passwordHash: "x", entry: test.entry(.createAccount))
    try await test.catalog.createToken(robot, secretSHA256: [1], entry: test.entry(.createToken))
    let start = test.clock.now
    for (number, actor) in [anna, robot, nil, anna].enumerated() {
      test.clock.advance(by: .seconds(1))
      var entry = test.entry(number == 3 ? .listen : .view, of: try key("call-\(number % 2)"), by: actor)
      entry.outcome = number == 1 ? .denied : .allowed
      try await test.catalog.log([entry])
    }
    func numbers(before: Int64? = nil, limit: Int = 10, _ change: (inout LogFilter) -> Void) async throws -> [Int64] {
      var filter = LogFilter()
      change(&filter)
      return try await test.catalog.logEntries(matching: filter, before: before, limit: limit).map(\.id)
    }
    #expect(try await numbers { _ in } == [6, 5, 4, 3, 2, 1])
    #expect(try await numbers(limit: 2) { _ in } == [6, 5])
    #expect(try await numbers(before: 5, limit: 2) { _ in } == [4, 3])
    #expect(try await numbers { $0.who = "anna" } == [6, 3])
    #expect(try await numbers { $0.who = "acc_1" } == [6, 3])
    #expect(try await numbers { $0.who = "robot" } == [4])
    #expect(try await numbers { $0.who = "token robot" } == [4])
    #expect(try await numbers { $0.who = "ANNA" } == [6, 3])
    #expect(try await numbers { $0.who = "ann" } == [])
    #expect(try await numbers { $0.who = "' OR 1=1 --" } == [])
    #expect(try await numbers { $0.action = .listen } == [6])
    #expect(try await numbers { $0.outcome = .denied } == [4])
    let call = try key("call-1")
    #expect(try await numbers { $0.recording = call } == [6, 4])
    #expect(try await numbers { $0.from = start + .seconds(3) } == [6, 5])
    #expect(try await numbers { $0.to = start + .seconds(2) } == [3, 2, 1])
    #expect(
      try await numbers {
        $0.who = "anna"
        $0.action = .view
        $0.outcome = .allowed
        $0.from = start
      } == [3])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the name Tapedeck finds what the server did itself, and an account of that name`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    let account = Identity(kind: .account, id: "acc_1", name: "Tapedeck", role: .agent)
    let other = Identity(kind: .account, id: "acc_2", name: "anna", role: .agent)
    try await test.catalog.createAccount(account, passwordHash: "x", entry: test.entry(.createAccount))
    try await test.catalog.log([
      test.entry(.archive), test.entry(.anonymous), test.entry(.repair), test.entry(.ingest, by: other),
      test.entry(.view, by: account),
    ])
    var filter = LogFilter()
    filter.who = "Tapedeck"
    #expect(try await test.catalog.logEntries(matching: filter, before: nil, limit: 10).map(\.id) == [6, 4, 2])
    filter.action = .repair
    #expect(try await test.catalog.logEntries(matching: filter, before: nil, limit: 10).map(\.id) == [4])
    filter.who = "tapedeck"
    #expect(try await test.catalog.logEntries(matching: filter, before: nil, limit: 10).map(\.id) == [4])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the entries of a removed account and of an operator are found by the name that they show`(kind: DatabaseKind)
    async throws
  {
    let test = try await TestCatalog(kind)
    let ann = Identity(kind: .account, id: "acc_1", name: "ann", role: .agent)
    let other = Identity(kind: .account, id: "acc_2", name: "bob", role: .agent)
    let root = Identity(kind: .operator, id: "operator:0", name: "operator:root", role: .admin)
    let robot = Identity(kind: .token, id: "tok_1", name: "robot", role: .agent)
    for account in [ann, other] {
      try await test.catalog.createAccount(account, passwordHash: "x", entry: test.entry(.createAccount))
    }
    try await test.catalog.createToken(robot, secretSHA256: [1], entry: test.entry(.createToken))
    try await test.catalog.log([ann, other, root, robot, ann].map { test.entry(.view, by: $0) })
    _ = try await test.catalog.change(account: "ann", .remove, by: nil, keepsAdministrator: false) { _ in
      test.entry(.removeAccount)
    }
    try await test.catalog.revokeToken("robot", entry: test.entry(.revokeToken))
    func found(_ who: String) async throws -> [Int64] {
      var filter = LogFilter()
      filter.who = who
      let entries = try await test.catalog.logEntries(matching: filter, before: nil, limit: 10)
      #expect(try await test.catalog.hasActor(named: who) == !entries.isEmpty, "\(who)")
      return entries.map(\.id)
    }
    #expect(try await found("ann") == [8, 4])
    #expect(try await found("Ann") == [8, 4])
    #expect(try await found("acc_1") == [8, 4])
    #expect(try await found("bob") == [5])
    #expect(try await found("operator:root") == [6])
    #expect(try await found("robot") == [7])
    #expect(try await found("root") == [])
    #expect(try await found("token ann") == [])
    // Without its details, an entry shows the ID.
    _ = try await test.database.write { db in try db.execute("DELETE FROM log_detail WHERE entry_id = 8") }
    #expect(try await found("ann") == [])
    #expect(try await found("acc_1") == [8, 4])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `allowed actions on a recording are counted, for all actors or for one`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (anna, ben) = (
      Identity(kind: .account, id: "acc_1", name: "anna", role: .agent),
      Identity(kind: .token, id: "tok_1", name: "ben", role: .agent)
    )
    let call = try key("call")
    var denied = test.entry(.listen, of: call, by: ben)
    denied.outcome = .denied
    try await test.catalog.log([
      test.entry(.listen, of: call, by: anna), test.entry(.listen, of: call, by: ben), denied,
      test.entry(.download, of: call, by: ben), test.entry(.download, of: try key("other"), by: anna),
    ])
    #expect(try await test.catalog.logCounts(of: call, by: nil) == [.listen: 2, .download: 1])
    #expect(try await test.catalog.logCounts(of: call, by: "acc_1") == [.listen: 1])
    #expect(try await test.catalog.logCounts(of: call, by: "acc_9") == [:])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `every failure to write an entry is accessLogUnavailable`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for statements in 0...3 {
      test.database.fail(afterStatements: statements)
      #expect(await failure { try await test.catalog.log([Self.full, Self.full]) } == .accessLogUnavailable)
    }
    test.database.fail(afterStatements: nil)
    #expect(try await test.count("log_entry") == 0)
    #expect(try await test.count("log_detail") == 0)
    try test.database.close()
    #expect(await failure { try await test.catalog.log([Self.full]) } == .accessLogUnavailable)
  }
}
