import Access
import Catalog
import Foundation
import Model
import Synchronization
import TestKit
import Testing

/// A catalog with all services of Access, and a clock that only the test moves.
final class AccessFixture: Sendable {
  static let origin = LogEntry.Origin(address: "192.0.2.1", userAgent: "Browser", requestID: "req-1")
  static let admin = Identity(kind: .account, id: "acc_admin", name: "root", role: .admin)
  static let password = "correct horse"

  let clock = TestClock()
  let database: HeldDatabase
  let catalog: Catalog
  let log: AccessLog
  let passwords: PasswordHasher
  let accounts: Accounts
  let authenticator: Authenticator
  let listening: ListeningSessions
  private let folder: URL

  init(limits: Authenticator.Limits = .init(), derive: PasswordHasher.Derive? = nil) async throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "tapedeck-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    let now = { @Sendable [clock] in clock.now }
    database = HeldDatabase(try SQLiteDatabase(path: folder.appending(path: "catalog.sqlite").path(), now: now))
    catalog = Catalog(database: database)
    try await catalog.migrate()
    // A low cost: these tests do not measure how long a guess takes.
    passwords = PasswordHasher(cost: .init(logRounds: 4), derive: derive)
    log = AccessLog(catalog: catalog, now: now)
    accounts = Accounts(catalog: catalog, passwords: passwords, now: now)
    authenticator = Authenticator(catalog: catalog, log: log, passwords: passwords, limits: limits, now: now)
    listening = ListeningSessions(catalog: catalog, now: now)
  }

  deinit {
    try? database.close()
    try? FileManager.default.removeItem(at: folder)
  }

  @discardableResult
  func account(_ name: String = "anna", role: Role = .agent) async throws -> Identity {
    try await accounts.createAccount(
      name: name, role: role, agentID: nil, team: nil, password: Self.password, by: Self.admin, from: Self.origin)
  }

  func signIn(
    _ name: String = "anna", password: String = AccessFixture.password, address: String = AccessFixture.origin.address
  ) async throws -> Secret {
    try await authenticator.signIn(
      name: name, password: password, from: .init(address: address, userAgent: nil, requestID: "req")
    ).secret
  }

  /// The access log, oldest entry first.
  func entries(_ action: LogEntry.Action? = nil) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = action
    return try await catalog.logEntries(matching: filter, before: nil, limit: 10_000).reversed().map(\.entry)
  }

  func recording(_ name: String) async throws -> RecordingRow {
    let id = try #require(RecordingID(name))
    return try await catalog.observe(
      PlatformRecording(id: id, status: .available, privacy: .standard), of: RecordingKey(id: id))
  }

  /// What the log says about the bytes that were sent, oldest entry first.
  func sent() async throws -> [String] {
    try await entries(.audioSent).map { "\($0.details["requests"] ?? "-") requests, \($0.count ?? -1) bytes" }
  }
}

/// A database whose write transactions a test can count, hold and fail.
final class HeldDatabase: Database {
  private struct State {
    var commits = 0
    var isBroken = false
    var gate: Gate?
  }

  private let base: any Database
  private let state = Mutex(State())

  init(_ base: any Database) { self.base = base }

  /// The number of committed write transactions.
  var commits: Int { state.withLock { $0.commits } }

  /// Makes every write fail, or succeed again.
  func setBroken(_ isBroken: Bool) { state.withLock { $0.isBroken = isBroken } }

  /// Holds all writes until the gate opens.
  func hold(by gate: Gate) { state.withLock { $0.gate = gate } }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T { try await base.read(body) }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try? await state.withLock { $0.gate }?.wait()
    if state.withLock({ $0.isBroken }) { throw TapedeckError(.diskFull) }
    let result = try await base.write(isolation, body)
    state.withLock { $0.commits += 1 }
    return result
  }

  func changes() -> AsyncStream<Change> { base.changes() }
  func close() throws(TapedeckError) { try base.close() }
}

/// The `TapedeckError` that a call throws, or nil.
func error(of body: () async throws -> some Any) async -> TapedeckError? {
  do {
    _ = try await body()
    return nil
  } catch { return error as? TapedeckError }
}

/// The code of the `TapedeckError` that a call throws, or nil.
func failure(of body: () async throws -> some Any) async -> TapedeckError.Code? { await error(of: body)?.code }
