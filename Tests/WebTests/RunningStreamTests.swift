import Access
import Catalog
import Foundation
import Glibc
import HummingbirdTesting
import Model
import TestKit
import Testing
import Web

/// A download whose client reads only when the test asks for it.
private final class SlowClient: Sendable {
  private let descriptor: Int32

  /// - Parameter buffer: a small one, so that most of the file stays with the server.
  init(port: Int, path: String, headers: [String: String], buffer: Int32 = 64 << 10) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var size = buffer
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    // The bytes of `struct sockaddr_in`: which module its members belong to depends on other files of this target.
    let address =
      [UInt8(AF_INET), 0, UInt8(port >> 8), UInt8(port & 0xFF), 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
    let connected = address.withUnsafeBytes { bytes in
      connect(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
    }
    guard connected == 0 else { throw TapedeckError(.serverUnreachable) }
    try send(path: path, headers: headers)
  }

  func send(path: String, headers: [String: String]) throws {
    let fields = headers.map { "\($0): \($1)\r\n" }.joined()
    let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n".utf8)
    guard write(descriptor, request, request.count) == request.count else { throw TapedeckError(.serverUnreachable) }
  }

  deinit { _ = close(descriptor) }

  /// Reads at least this many bytes, or all until the server closes the connection.
  ///
  /// - Returns: the number of bytes.
  func read(atLeast wanted: Int = .max) async -> Int {
    // Blocking calls, kept off the threads of Swift tasks.
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var total = 0
        while total < wanted {
          let count = Glibc.read(self.descriptor, &buffer, buffer.count)
          guard count > 0 else { break }
          total += count
        }
        continuation.resume(returning: total)
      }
    }
  }
}

@Suite(.timeLimit(.minutes(5)))
struct RunningStreamTests {
  enum End: CaseIterable, Sendable {
    case disabled, removed, passwordReset, sessionsEnded, signedOut, tokenRevoked, restricted, demoted
  }

  /// Larger than the buffers of the system.
  private static let file = [UInt8](repeating: 0x55, count: 32 << 20)

  private func apply(_ end: End, _ fixture: WebFixture) async throws {
    let (accounts, actor) = (fixture.services.accounts, WebFixture.operator)
    switch end {
    case .disabled: try await accounts.disable("agent-anna", by: actor, from: nil)
    case .removed: try await accounts.remove("agent-anna", by: actor, from: nil)
    case .passwordReset: try await accounts.setPassword("another good one", of: "agent-anna", by: actor, from: nil)
    case .sessionsEnded: try await accounts.endSessions(of: "agent-anna", by: actor, from: nil)
    case .signedOut:
      let secret = try #require(fixture.sessions[.agentsBrowser]?.secret)
      try await fixture.services.authenticator.signOut(secret, of: actor, from: WebFixture.origin)
    case .tokenRevoked: try await accounts.revokeToken("token-agent", by: actor, from: nil)
    case .restricted:
      try await fixture.catalog.observe(
        try fixture.facts("call", privacy: .restricted), of: try fixture.key("call"))
    case .demoted: try await accounts.setRole(.agent, of: "supervisor-anna", by: actor, from: nil)
    }
  }

  @Test(arguments: End.allCases)
  func `a running download ends when its identity may not hear the recording any more`(end: End) async throws {
    try await WebFixture.run(WebFixture.Options(setup: .live)) { fixture in
      try await fixture.archive(
        try fixture.facts("call", privacy: end == .demoted ? .restricted : .standard), mp3: Self.file)
      let visitor: WebFixture.Visitor =
        end == .tokenRevoked ? .agent : end == .demoted ? .supervisorsBrowser : .agentsBrowser
      let headers =
        fixture.tokens[visitor].map { ["Authorization": "Bearer \($0)"] }
        ?? fixture.sessions[visitor].map { ["Cookie": "__Host-tapedeck=\($0.secret)"] } ?? [:]
      let port = try #require(fixture.client.port)
      let client = try SlowClient(port: port, path: "/audio/call.mp3", headers: headers)
      let first = await client.read(atLeast: 64 << 10)
      #expect(first >= 64 << 10)
      #expect(fixture.services.streamAccess.count == 1)
      try await apply(end, fixture)
      let rest = await client.read()
      #expect(first + rest < Self.file.count)
      try await until { fixture.services.streamAccess.count == 0 }
    }
  }

  @Test(arguments: [30_000, 60_000, 100_000, 1 << 20], ["keep-alive", "close"])
  func `a download that fits into the buffers of the system ends, too`(length: Int, connection: String) async throws {
    try await WebFixture.run(WebFixture.Options(setup: .live)) { fixture in
      try await fixture.archive(try fixture.facts("call"), mp3: [UInt8](repeating: 0x55, count: length))
      let token = try #require(fixture.tokens[.agent])
      let client = try SlowClient(
        port: try #require(fixture.client.port), path: "/audio/call.mp3",
        headers: ["Authorization": "Bearer \(token)", "Connection": connection], buffer: 4096)
      let first = await client.read(atLeast: 1)
      #expect(fixture.services.streamAccess.count == 1)
      try await apply(connection == "close" ? .restricted : .tokenRevoked, fixture)
      try await until { fixture.services.streamAccess.count == 0 }
      #expect(first + (await client.read()) < length)
    }
  }

  @Test func `a download ends when its last byte has left, and the connection stays open`() async throws {
    try await WebFixture.run(WebFixture.Options(setup: .live)) { fixture in
      try await fixture.archive(try fixture.facts("call"), mp3: [UInt8](repeating: 0x55, count: 1 << 20))
      let token = try #require(fixture.tokens[.agent])
      let headers = ["Authorization": "Bearer \(token)", "Range": "bytes=0-999999"]
      let client = try SlowClient(
        port: try #require(fixture.client.port), path: "/audio/call.mp3", headers: headers, buffer: 4096)
      for _ in 0..<2 {
        #expect(await client.read(atLeast: 1_000_000) >= 1_000_000)
        try await until { fixture.services.streamAccess.count == 0 }
        try client.send(path: "/audio/call.mp3", headers: headers)
      }
    }
  }

  @Test func `other downloads continue to the end`() async throws {
    try await WebFixture.run(WebFixture.Options(setup: .live)) { fixture in
      try await fixture.archive(try fixture.facts("call"), mp3: Self.file)
      let token = try #require(fixture.tokens[.supervisor])
      let client = try SlowClient(
        port: try #require(fixture.client.port), path: "/audio/call.mp3",
        headers: ["Authorization": "Bearer \(token)", "Connection": "close"])
      let first = await client.read(atLeast: 64 << 10)
      try await apply(.disabled, fixture)
      try await apply(.tokenRevoked, fixture)
      try await apply(.restricted, fixture)
      let rest = await client.read()
      #expect(first + rest > Self.file.count, "the body and its head")
    }
  }

  // MARK: Nodes

  private func signIn(_ catalog: Catalog) async throws -> Accounts {
    let identity = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
    let entry = LogEntry(at: .systemNow(), action: .signIn, outcome: .allowed, actor: identity)
    let creation = LogEntry(at: .systemNow(), action: .createAccount, outcome: .allowed, actor: WebFixture.operator)
    try await catalog.createAccount(identity, passwordHash: "x", entry: creation)
    try await catalog.createSession(
      secretSHA256: [7], account: identity, passwordHash: "x", csrf: "form",
      expiresAt: .systemNow() + .seconds(3600), entry: entry)
    return Accounts(catalog: catalog, passwords: PasswordHasher(), now: { .systemNow() })
  }

  /// Runs a stream of the session on a node with this catalog until it is ended.
  private func stream(
    on catalog: Catalog, _ clock: TestClock, _ change: () async throws -> Void
  ) async throws {
    let streams = StreamAccess(catalog: catalog, system: clock.system())
    let ended = Gate()
    let service = Task { try await streams.run() }
    defer { service.cancel() }
    let number = try await streams.begin(
      whileAllowed: { () throws(TapedeckError) in
        try await catalog.session(secretSHA256: [7], idle: .seconds(3600)) != nil
      }, end: { ended.open() })
    try await clock.untilSleeping(1)
    try await change()
    try await ended.wait()
    #expect(streams.count == 1)
    streams.finish(number)
    #expect(streams.count == 0)
  }

  @Test func `a stream ends when its account is disabled on another node`() async throws {
    let server = try PostgresServer.shared()
    let name = try server.makeDatabase()
    let (first, second) = (
      try PostgreSQLDatabase(url: server.url(of: name)), try PostgreSQLDatabase(url: server.url(of: name))
    )
    let (here, there) = (Catalog(database: first), Catalog(database: second))
    try await here.migrate()
    let accounts = try await signIn(here)
    // The clock stands still, so only the announcement ends the stream.
    try await stream(on: there, TestClock()) {
      try await accounts.disable("anna", by: WebFixture.operator, from: nil)
    }
    try first.close()
    try second.close()
    try server.drop(name)
  }

  @Test func `a stream whose announcement is lost ends at the next check`() async throws {
    try await WebFixture.run { fixture in
      _ = try await signIn(fixture.catalog)
      let clock = TestClock()
      try await stream(on: fixture.catalog, clock) {
        _ = try await fixture.database.write { db in try db.execute("UPDATE account SET disabled_at = 1") }
        clock.advance(by: .seconds(5))
      }
    }
  }

  @Test func `a stream does not begin when access ended before it was registered`() async throws {
    try await WebFixture.run { fixture in
      await #expect(throws: TapedeckError.self) {
        _ = try await fixture.services.streamAccess.begin(
          whileAllowed: { () throws(TapedeckError) in false }, end: { Issue.record("the stream did not begin") })
      }
      #expect(fixture.services.streamAccess.count == 0)
    }
  }
}
