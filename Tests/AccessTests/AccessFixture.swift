import Access
import Catalog
import Foundation
import Model
import TestKit
import Testing

/// A catalog with all services of Access, and a clock that only the test moves.
final class AccessFixture: Sendable {
  static let origin = LogEntry.Origin(address: "192.0.2.1", userAgent: "Browser", requestID: "req-1")
  /// An API token, so that it is not among the accounts.
  static let admin = Identity(kind: .token, id: "tok_admin", name: "root", role: .admin)
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
    // Without an entry of the log, which tests compare.
    _ = try await database.write { db in
      try db.execute(
        """
        INSERT INTO api_token (id, name, role, secret_sha256, created_at)
        VALUES (\(Self.admin.id), \(Self.admin.name), \(Self.admin.role), \([UInt8](repeating: 0, count: 32)), 0)
        """)
    }
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
