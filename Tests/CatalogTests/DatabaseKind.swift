import Catalog
import Foundation
import Model
import Synchronization
import TestKit

/// The databases under test.
enum DatabaseKind: CaseIterable, Sendable {
  case sqlite, postgresql

  var dialect: Dialect {
    switch self {
    case .sqlite: .sqlite
    case .postgresql: .postgresql
    }
  }

  /// Opens the database of a folder, which is empty at first.
  func open(in folder: TemporaryFolder, now: @escaping @Sendable () -> Instant) throws -> any Database {
    switch self {
    case .sqlite: try SQLiteDatabase(path: folder.file("catalog.sqlite"), now: now)
    case .postgresql: try PostgreSQLDatabase(url: folder.serverURL(), now: now)
    }
  }

  /// Opens the database of a folder with the current schema.
  func openMigrated(in folder: TemporaryFolder, now: @escaping @Sendable () -> Instant) async throws -> any Database {
    if self == .postgresql { try await folder.copyMigratedDatabase() }
    let database = try open(in: folder, now: now)
    try await Catalog(database: database).migrate()
    return database
  }
}

/// A temporary folder of one test, and on demand a database on the test server; removed with the last reference.
final class TemporaryFolder: Sendable {
  private let url: URL
  private let database = Mutex<String?>(nil)

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "tapedeck-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
    if let name = database.withLock({ $0 }) { try? PostgresServer.shared().drop(name) }
  }

  func file(_ name: String) -> String { url.appending(path: name).path() }

  /// The URL of the database of this folder, which is created on first use.
  func serverURL() throws -> String {
    let server = try PostgresServer.shared()
    return try database.withLock { name in
      if name == nil { name = try server.makeDatabase() }
      return server.url(of: name ?? "")
    }
  }

  /// Creates the database of this folder as a copy of a migrated one, which takes a tenth of the time.
  func copyMigratedDatabase() async throws {
    let server = try PostgresServer.shared()
    let template = try await Self.migrated.value
    try database.withLock { $0 = try server.makeDatabase(copyOf: template) }
  }

  private static let migrated = Task {
    let server = try PostgresServer.shared()
    let name = try server.makeDatabase()
    let database = try PostgreSQLDatabase(url: server.url(of: name))
    try await Catalog(database: database).migrate()
    try database.close()
    return name
  }
}

/// A database that records its statements and can be made to fail.
final class WatchedDatabase: Database {
  struct Watch {
    /// The query plans of the statements since `plans` was called; nil outside of it.
    var plans: [String]?
    /// The number of statements of writing transactions before the next one fails; nil for no failure.
    var statementsLeft: Int?
    var commits = 0
  }

  private let base: any Database
  private let watch = Mutex(Watch())

  init(_ base: any Database) { self.base = base }

  /// The number of committed writing transactions.
  var commits: Int { watch.withLock { $0.commits } }

  /// The steps of the query plans of all statements of `body`.
  func plans(of body: () async throws -> Void) async throws -> [String] {
    watch.withLock { $0.plans = [] }
    try await body()
    return watch.withLock { watch in
      defer { watch.plans = nil }
      return watch.plans ?? []
    }
  }

  /// Makes writing transactions fail after this number of statements; nil for never.
  func fail(afterStatements count: Int?) { watch.withLock { $0.statementsLeft = count } }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await base.read { [self] db in try body(WatchedConnection(base: db, owner: self, isWriting: false)) }
  }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    let result = try await base.write(isolation) { [self] db in
      try body(WatchedConnection(base: db, owner: self, isWriting: true))
    }
    watch.withLock { $0.commits += 1 }
    return result
  }

  func changes() -> AsyncStream<Change> { base.changes() }
  func close() throws(TapedeckError) { try base.close() }

  fileprivate func note(_ sql: SQL, on db: any Connection, isWriting: Bool) throws(TapedeckError) {
    let isAllowed = watch.withLock { watch in
      guard isWriting, let left = watch.statementsLeft else { return true }
      watch.statementsLeft = left - 1
      return left > 0
    }
    guard isAllowed else { throw TapedeckError(.diskFull, "The test's disk is full.") }
    guard watch.withLock({ $0.plans != nil }) else { return }
    let steps =
      switch db.dialect {
      case .sqlite: try db.rows("EXPLAIN QUERY PLAN " + sql).compactMap { $0.optionalText("detail") }
      case .postgresql: try db.rows("EXPLAIN (COSTS OFF) " + sql).compactMap { $0.optionalText("QUERY PLAN") }
      }
    watch.withLock { $0.plans?.append(contentsOf: steps) }
  }
}

private struct WatchedConnection: Connection {
  let base: any Connection
  let owner: WatchedDatabase
  let isWriting: Bool

  var dialect: Dialect { base.dialect }

  func rows(_ sql: SQL) throws(TapedeckError) -> [Row] {
    try owner.note(sql, on: base, isWriting: isWriting)
    return try base.rows(sql)
  }

  func execute(_ sql: SQL) throws(TapedeckError) -> Int {
    try owner.note(sql, on: base, isWriting: isWriting)
    return try base.execute(sql)
  }

  func notify(_ change: Change) { base.notify(change) }
}
