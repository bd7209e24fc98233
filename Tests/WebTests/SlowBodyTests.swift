import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import Model
import NIOCore
import NIOEmbedded
import TestKit
import Testing
import Web

/// A body whose last part arrives after something has happened.
private struct SlowBody: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  let text: String
  /// Runs after the first five bytes were read.
  let meanwhile: @Sendable () async throws -> Void

  func makeAsyncIterator() -> Iterator { Iterator(body: self) }

  struct Iterator: AsyncIteratorProtocol {
    let body: SlowBody
    var part = 0

    mutating func next() async throws -> ByteBuffer? {
      part += 1
      switch part {
      case 1: return ByteBuffer(string: String(body.text.prefix(5)))
      case 2:
        try await body.meanwhile()
        return ByteBuffer(string: String(body.text.dropFirst(5)))
      default: return nil
      }
    }
  }
}

/// Requests whose identity or recording changes before their body is complete.
@Suite(.timeLimit(.minutes(5)))
struct SlowBodyTests {
  enum End: CaseIterable, Sendable {
    case disabled, removed, demoted, sessionsEnded, passwordReset, signedOut, tokenRevoked

    var status: Int { self == .demoted ? 403 : 401 }
  }

  /// A request that an administrator may send.
  struct Write: Sendable {
    var method = HTTPRequest.Method.post
    var path: String
    var json: String?
    var form: [String: String] = [:]
  }

  static let writes = [
    Write(path: "/api/v1/tokens", json: #"{"name":"new","role":"supervisor"}"#),
    Write(path: "/api/v1/accounts", json: #"{"name":"new","role":"admin","password":"correct horse battery"}"#),
    Write(path: "/api/v1/accounts/agent-anna/role", json: #"{"role":"admin"}"#),
    Write(path: "/api/v1/accounts/agent-anna/password", json: #"{"password":"another good one"}"#),
    // A handler that reads no body.
    Write(path: "/api/v1/accounts/agent-anna/disable", json: "     {}"),
    Write(method: .delete, path: "/api/v1/accounts/agent-anna", json: "     {}"),
    Write(method: .delete, path: "/api/v1/tokens/token-agent", json: "     {}"),
    Write(path: "/api/v1/backfills", json: #"{"from":"2026-01-01","to":"2026-01-02"}"#),
    Write(
      path: "/accounts", form: ["name": "new", "role": "admin", "password": "correct horse battery"]),
    Write(path: "/accounts/agent-anna/role", form: ["role": "admin"]),
    Write(path: "/accounts/agent-anna/remove", form: [:]),
  ]

  /// The credentials of an administrator.
  private struct Chief {
    var session: (secret: String, csrf: String)
    var token: String
  }

  private func makeChief(_ fixture: WebFixture) async throws -> Chief {
    let (accounts, authenticator) = (fixture.services.accounts, fixture.services.authenticator)
    _ = try await accounts.createAccount(
      name: "chief", role: .admin, agentID: nil, team: nil, password: WebFixture.password, by: WebFixture.operator,
      from: nil)
    let secret = try await authenticator.signIn(name: "chief", password: WebFixture.password, from: WebFixture.origin)
      .secret.text
    let csrf = try #require(try await authenticator.session(secret)?.csrf)
    let token = try #require(fixture.tokens[.admin])
    return Chief(session: (secret, csrf), token: token)
  }

  private func apply(_ end: End, to name: String, _ secret: String?, _ fixture: WebFixture) async throws {
    let (accounts, actor) = (fixture.services.accounts, WebFixture.operator)
    switch end {
    case .disabled: try await accounts.disable(name, by: actor, from: nil)
    case .removed: try await accounts.remove(name, by: actor, from: nil)
    case .demoted: try await accounts.setRole(.agent, of: name, by: actor, from: nil)
    case .sessionsEnded: try await accounts.endSessions(of: name, by: actor, from: nil)
    case .passwordReset: try await accounts.setPassword("another good one", of: name, by: actor, from: nil)
    case .signedOut:
      try await fixture.services.authenticator.signOut(try #require(secret), of: actor, from: WebFixture.origin)
    case .tokenRevoked: try await accounts.revokeToken("token-admin", by: actor, from: nil)
    }
  }

  /// Sends a request, and does something between the first and the last part of its body.
  private func send(
    _ write: Write, _ fixture: WebFixture, token: String?, session: (secret: String, csrf: String)?,
    meanwhile: @escaping @Sendable () async throws -> Void
  ) async throws -> Int {
    var fields: HTTPFields = [:]
    if let token { fields[.authorization] = "Bearer \(token)" }
    if let session {
      fields[.cookie] = "__Host-tapedeck=\(session.secret)"
      fields[HTTPField.Name("Sec-Fetch-Site")!] = "same-origin"
    }
    fields[.contentType] = write.json == nil ? "application/x-www-form-urlencoded" : "application/json"
    let form = write.form.merging(["csrf": session?.csrf ?? ""]) { $1 }
      .map { "\(WebFixture.encoded($0.key))=\(WebFixture.encoded($0.value))" }.joined(separator: "&")
    let request = Request(
      head: HTTPRequest(
        method: write.method, scheme: "http", authority: "localhost", path: write.path, headerFields: fields),
      body: RequestBody(asyncSequence: SlowBody(text: write.json ?? form, meanwhile: meanwhile)))
    let context = WebContext(
      source: ApplicationRequestContextSource(channel: EmbeddedChannel(), logger: Logger(label: "test")))
    let responder = try makeWebRouter(fixture.services, listener: .network).buildResponder()
    return try await responder.respond(to: request, context: context).status.code
  }

  private struct State: Equatable {
    var accounts: [String]
    var tokens: [String]
    var backfills: Int
  }

  private func state(_ fixture: WebFixture) async throws -> State {
    State(
      accounts: try await fixture.catalog.accounts().filter { $0.identity.name != "chief" }
        .map { "\($0.identity) \($0.passwordHash) \($0.disabledAt == nil)" },
      tokens: try await fixture.catalog.tokens().filter { $0.identity.name != "token-admin" }
        .map { "\($0.identity) \($0.revokedAt == nil)" },
      backfills: try await fixture.catalog.backfills().count)
  }

  @Test(arguments: End.allCases)
  func `a write of an identity that ends before the body is complete is refused and changes nothing`(end: End)
    async throws
  {
    // A form needs the token of a session.
    for write in Self.writes where end != .tokenRevoked || write.json != nil {
      try await WebFixture.run { fixture in
        let chief = try await makeChief(fixture)
        let before = try await state(fixture)
        let isToken = end == .tokenRevoked
        let status = try await send(
          write, fixture, token: isToken ? chief.token : nil, session: isToken ? nil : chief.session
        ) {
          try await apply(end, to: "chief", chief.session.secret, fixture)
        }
        #expect(status == end.status, "\(write.path)")
        #expect(try await state(fixture) == before, "\(write.path)")
        var filter = LogFilter()
        filter.outcome = .denied
        let denials = try await fixture.catalog.logEntries(matching: filter, before: nil, limit: 10).map(\.entry)
        #expect(denials.count == 1 && denials.first?.actor?.id.hasPrefix(isToken ? "tok_" : "acc_") == true)
        #expect(denials.first?.code == (end == .demoted ? .insufficientPermissions : .unauthenticated))
      }
    }
  }

  @Test func `a write whose identity stays is done, however slow its body is`() async throws {
    for write in Self.writes {
      try await WebFixture.run { fixture in
        let chief = try await makeChief(fixture)
        let before = try await state(fixture)
        let status = try await send(write, fixture, token: nil, session: chief.session) {
          // The end of another session.
          try await fixture.services.accounts.endSessions(of: "supervisor-anna", by: WebFixture.operator, from: nil)
        }
        #expect((200...303).contains(status), "\(write.path): \(status)")
        #expect(try await state(fixture) != before, "\(write.path)")
      }
    }
  }

  @Test(arguments: [true, false])
  func `a recording that becomes restricted before the body is complete is not requested`(isForm: Bool) async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("call")
      try await fixture.catalog.observe(try fixture.facts("call"), of: key)
      let write = isForm ? Write(path: "/play/call/ingest") : Write(path: "/ingest/call?wait=0", json: "      ")
      let status = try await send(write, fixture, token: nil, session: fixture.sessions[.agentsBrowser]) {
        try await fixture.catalog.observe(try fixture.facts("call", privacy: .restricted), of: key)
      }
      #expect(status == 403)
      #expect(try await fixture.catalog.job(of: key) == nil)
    }
  }

  @Test func `a supervisor who becomes an agent before the body is complete decides no quarantined file`() async throws
  {
    try await WebFixture.run { fixture in
      let key = try fixture.key("call")
      try await fixture.catalog.observe(try fixture.facts("call"), of: key)
      try await fixture.catalog.addToQuarantine(
        key, because: TapedeckError(.incompleteRecording, "it was cut short"),
        content: ObjectContent(hash: ContentHash(rawValue: String(repeating: "ab", count: 32))!, bytes: 44),
        spoolID: "spool", node: "archive-2:/data/quarantine", file: "call")
      for verb in ["accept", "discard"] {
        let write = Write(path: "/api/v1/quarantine/1/\(verb)", json: #"{"reason":"it is right"}"#)
        let status = try await send(write, fixture, token: nil, session: fixture.sessions[.supervisorsBrowser]) {
          try await apply(verb == "accept" ? .demoted : .disabled, to: "supervisor-anna", nil, fixture)
        }
        #expect(status == (verb == "accept" ? 403 : 401))
        try await fixture.services.accounts.setRole(
          .supervisor, of: "supervisor-anna", by: WebFixture.operator, from: nil)
      }
      #expect(try await fixture.catalog.quarantined(1, visibleTo: .everything).state == .kept)
    }
  }
}
