import Catalog
import Dispatch
import Foundation
import Model
import TestKit
import Testing

/// No order of `close` and other calls ends the process.
@Suite(.serialized, .timeLimit(.minutes(5))) struct CloseTests {
  private enum Call: CaseIterable {
    case read, write, cachedRow, cachedAnswer, check, close, changes

    func run(on database: any Database) async throws(TapedeckError) {
      switch self {
      case .read: _ = try await database.read { db in try db.rows("SELECT name FROM agent_name").count }
      case .write:
        try await database.write { db in
          try db.execute("INSERT INTO agent_name (name, words) VALUES ('x', 'x') ON CONFLICT (name) DO NOTHING")
          db.notify(.workDue)
        }
      case .cachedRow:
        _ = try await database.cachedRow(nil) { db in try db.row("SELECT name FROM agent_name")?.text("name") }
      case .cachedAnswer: _ = try await Catalog(database: database).account(named: "anna")
      case .check: try await database.check()
      case .close: try database.close()
      case .changes: _ = database.changes()
      }
    }

    /// Whether it needs an open database.
    var fails: Bool { self != .close && self != .changes }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `every call after close fails`(kind: DatabaseKind) async throws {
    let folder = try TemporaryFolder()
    // Each database on the server is a copy, which takes time.
    for first in kind == .sqlite ? Call.allCases : [.read, .changes] {
      let database = try await kind.openMigrated(in: folder, now: { .systemNow() })
      try await first.run(on: database)
      try database.close()
      for call in Call.allCases + Call.allCases where call != .check || kind == .sqlite {
        let failure = await failure { try await call.run(on: database) }
        #expect((failure != nil) == call.fails, "\(call) after \(first)")
      }
    }
  }

  @Test(arguments: [(DatabaseKind.postgresql, 2)] + (0..<4).map { (.sqlite, $0) })
  func `calls that run during close end, with a result or with an error`(kind: DatabaseKind, round: Int) async throws {
    let folder = try TemporaryFolder()
    let database = try await kind.openMigrated(in: folder, now: { .systemNow() })
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<48 {
        // The first calls of each round are other ones; close comes after a few of them, and again later.
        let call = Call.allCases[(number + round) % Call.allCases.count]
        if call == .close, number < round * 5 { continue }
        group.addTask { _ = await failure { try await call.run(on: database) } }
      }
    }
    try database.close()
    #expect(await failure { try await Call.read.run(on: database) } != nil)
    // The file is whole.
    let again = try await kind.openMigrated(in: folder, now: { .systemNow() })
    try await again.check()
    try again.close()
  }

  @Test func `close waits for no call, and the last call closes the file`() async throws {
    let folder = try TemporaryFolder()
    let database = try await DatabaseKind.sqlite.openMigrated(in: folder, now: { .systemNow() })
    try await Call.write.run(on: database)
    let (started, closed) = (Gate(), DispatchSemaphore(value: 0))
    async let reading = database.read { db in
      started.open()
      closed.wait()
      return try db.rows("SELECT name FROM agent_name").count
    }
    try await started.wait()
    try database.close()
    #expect(await failure { try await Call.read.run(on: database) } == .catalogFailed)
    closed.signal()
    #expect(try await reading == 1)
    // The WAL is in the file.
    for ending in ["wal", "shm"] {
      #expect(!FileManager.default.fileExists(atPath: folder.file("catalog.sqlite-\(ending)")))
    }
  }
}
