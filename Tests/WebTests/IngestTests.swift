import Access
import Catalog
import Foundation
import HTTPTypes
import Model
import Synchronization
import TestKit
import Testing
import Web

/// `POST /ingest/{id}`: the caller waits for a worker.
@Suite(.timeLimit(.minutes(5)))
struct IngestTests {
  /// Waits until a caller has requested a recording.
  private func untilAsked(_ key: RecordingKey, _ fixture: WebFixture) async throws -> JobRow {
    try await until { try await fixture.catalog.job(of: key) != nil }
    return try await fixture.job(key)
  }

  @Test func `a caller waits and is answered when the recording is ready`() async throws {
    try await WebFixture.run { fixture in
      async let answer = fixture.post("/ingest/call-1?wait=60", as: .agent)
      _ = try await untilAsked(try fixture.key("call-1"), fixture)
      try await fixture.archive(try fixture.facts("call-1"))
      let ready = try await answer
      #expect(ready.status == 200)
      #expect(ready.json as? [String: String] == ["status": "ready", "player_url": "/play/call-1"])
    }
  }

  @Test(arguments: [(0, 202), (1, 202), (65_536, 202), (65_537, 413), (70_000, 413)])
  func `a long body is refused, and starts no job`(bytes: Int, status: Int) async throws {
    try await WebFixture.run { fixture in
      let body = String(repeating: "a", count: bytes)
      let answer = try await fixture.send(.post, "/ingest/call-1?wait=0", as: .agent, body: body)
      #expect(answer.status == status)
      let job = try await fixture.catalog.job(of: try fixture.key("call-1"))
      #expect((job != nil) == (status == 202))
    }
  }

  @Test func `an archived recording is answered at once`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("call-1"))
      let answer = try await fixture.post("/ingest/call-1", as: .agent)
      #expect(answer.status == 200)
      #expect(try await fixture.logged(.ingest).first?.actor?.name == "token-agent")
    }
  }

  @Test(arguments: ["/ingest/call-1?wait=0", "/ingest/call-1"])
  func `a caller that does not wait gets the address of the job`(path: String) async throws {
    try await WebFixture.run { fixture in
      let headers = path.contains("wait") ? [:] : ["Prefer": "wait=10, Respond-Async"]
      let answer = try await fixture.post(path, as: .agent, headers: headers)
      #expect(answer.status == 202)
      let job = try await fixture.job(try fixture.key("call-1"))
      #expect(answer.json as? [String: String] == ["status": "queued", "job_url": "/api/v1/jobs/\(job.id)"])
      #expect(answer.header("Location") == "/api/v1/jobs/\(job.id)")
      let state = try await fixture.get(try #require(answer.header("Location")), as: .agent)
      #expect(state.status == 200)
      #expect(state.json["stage"] as? String == "queued")
      #expect(state.json["state"] as? String == "idle")
    }
  }

  @Test func `a wait that ends before the recording is ready is answered 202`() async throws {
    try await WebFixture.run { fixture in
      let lease = try await fixture.leased(try fixture.key("call-1"))
      let answer = try await fixture.post("/ingest/call-1?wait=1", as: .agent)
      #expect(answer.status == 202)
      try await fixture.catalog.release(lease, .interrupted)
    }
  }

  @Test(arguments: ["-1", "3601", "1.5", "ten", "99999999999999999999", "+5 "])
  func `a malformed wait is refused`(wait: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.post("/ingest/call-1?wait=\(WebFixture.encoded(wait))", as: .agent)
      #expect(answer.status == 400)
      #expect(answer.code == "invalid_request")
      #expect(try await fixture.catalog.job(of: try fixture.key("call-1")) == nil)
    }
  }

  @Test(arguments: [
    ("call-1", Optional(SourceID.default)), ("west~call-1", SourceID("west")), ("unknown~call-1", nil),
  ])
  func `a recording of a source that is not configured is not requested`(id: String, source: SourceID?) async throws {
    for configured in [SourceID.default, SourceID("west")].compactMap({ $0 }) {
      var options = WebFixture.Options()
      options.sources = [configured]
      try await WebFixture.run(options) { fixture in
        let answer = try await fixture.post("/ingest/\(id)?wait=0", as: .agent)
        guard source != configured else {
          #expect(answer.status == 202)
          return
        }
        #expect(answer.status == 404 && answer.code == "not_found")
        #expect(answer.text.contains("No source named '\(source?.rawValue ?? "unknown")' is configured."))
        let csrf = fixture.sessions[.supervisorsBrowser]?.csrf ?? ""
        let page = try await fixture.post("/play/\(id)/ingest", as: .supervisorsBrowser, form: ["csrf": csrf])
        #expect(page.status == 404)
        #expect(try await fixture.database.read { db in try db.rows("SELECT id FROM job").isEmpty })
      }
    }
  }

  @Test func `a recording of the default source is played after its settings were removed`() async throws {
    var options = WebFixture.Options()
    options.sources = []
    try await WebFixture.run(options) { fixture in
      try await fixture.archive(try fixture.facts("call-1"))
      #expect(try await fixture.get("/audio/call-1.mp3", as: .agent).status == 200)
    }
  }

  @Test(arguments: ["disable", "remove", "sessions", "revoke"])
  func `the end of an account or token wakes its waiting caller, who is refused`(change: String) async throws {
    try await WebFixture.run { fixture in
      let visitor: WebFixture.Visitor = change == "revoke" ? .agent : .agentsBrowser
      async let answer = fixture.post("/ingest/call-1?wait=3600", as: visitor)
      try await until { fixture.services.waiters.count == 1 }
      let accounts = fixture.services.accounts
      let actor = WebFixture.operator
      switch change {
      case "disable": try await accounts.disable("agent-anna", by: actor, from: nil)
      case "remove": try await accounts.remove("agent-anna", by: actor, from: nil)
      case "sessions": try await accounts.endSessions(of: "agent-anna", by: actor, from: nil)
      default: try await accounts.revokeToken("token-agent", by: actor, from: nil)
      }
      let refused = try await answer
      #expect(refused.status == 401 && refused.code == "unauthenticated")
    }
  }

  @Test func `a caller continues to wait when the access of another one ends`() async throws {
    try await WebFixture.run { fixture in
      async let answer = fixture.post("/ingest/call-1?wait=3600", as: .agent)
      try await until { fixture.services.waiters.count == 1 }
      try await fixture.services.accounts.revokeToken("token-admin", by: WebFixture.operator, from: nil)
      try await fixture.archive(try fixture.facts("call-1"))
      #expect(try await answer.status == 200)
    }
  }

  static let failures: [(TapedeckError.Code, Int)] = [
    (.unknownRecording, 404), (.recordingFailedOnPlatform, 502), (.platformCredentialsRefused, 502),
    (.platformScopeRefused, 502), (.incompleteRecording, 502), (.platformUnavailable, 502), (.neverAvailable, 504),
    (.ffmpegMissing, 503), (.conversionFailed, 500), (.internalError, 500),
  ]

  @Test(arguments: failures)
  func `a failed job is answered with its code`(code: TapedeckError.Code, status: Int) async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("call-1")
      async let answer = fixture.post("/ingest/call-1?wait=60", as: .agent)
      let job = try await untilAsked(key, fixture)
      let lease = try await fixture.claim(job.id, in: .polling)
      try await fixture.catalog.release(
        lease, .fail(TapedeckError(code, "What happened.", detail: "for the log alone")))
      let refused = try await answer
      #expect(refused.status == status)
      #expect(refused.code == code.rawValue)
      #expect(refused.json["detail"] as? String == "What happened.")
      #expect(!refused.text.contains("for the log alone"))
    }
  }

  @Test func `a full disk is answered at once, and the next request checks the disk again`() async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("call-1")
      async let answer = fixture.post("/ingest/call-1?wait=60", as: .agent)
      let job = try await untilAsked(key, fixture)
      let lease = try await fixture.claim(job.id, in: .polling)
      try await fixture.catalog.release(
        lease, .postpone(until: .systemNow() + .seconds(900), because: TapedeckError(.diskFull)))
      let full = try await answer
      #expect(full.status == 507)
      #expect(full.code == "disk_full")
      #expect(try await fixture.post("/ingest/call-1?wait=0", as: .agent).status == 202)
      _ = try await fixture.claim(job.id, in: .polling)
    }
  }

  @Test(arguments: [nil, Duration.seconds(1200)])
  func `a rate limit of the platform is answered when the wait is over, with Retry-After`(after: Duration?) async throws
  {
    try await WebFixture.run { fixture in
      let lease = try await fixture.leased(try fixture.key("call-1"))
      let due = Instant.systemNow() + (after ?? .zero)
      try await fixture.catalog.release(
        lease, .postpone(until: due, because: TapedeckError(.platformRateLimited, retryAfter: after)))
      let answer = try await fixture.post("/ingest/call-1?wait=0", as: .agent)
      #expect(answer.status == 503)
      #expect(answer.code == "platform_rate_limited")
      let seconds = try #require(answer.header("Retry-After").flatMap { Int($0) })
      #expect((after == nil ? 1...1 : 1000...1200).contains(seconds))
    }
  }

  @Test func `a shutdown answers waiting callers with 202`() async throws {
    try await WebFixture.run { fixture in
      let waiters = fixture.services.waiters
      async let answer = fixture.post("/ingest/call-1?wait=600", as: .agent)
      _ = try await untilAsked(try fixture.key("call-1"), fixture)
      // Stopped, as when the server shuts down.
      let second = Task { try await waiters.run() }
      second.cancel()
      try await second.value
      #expect(try await answer.status == 202)
      // Later callers do not wait.
      #expect(try await fixture.post("/ingest/call-2?wait=600", as: .agent).status == 202)
    }
  }

  @Test func `a recording that turns out to be restricted is denied to the caller who waits, and not to others`()
    async throws
  {
    try await WebFixture.run { fixture in
      let key = try fixture.key("secret")
      async let agent = fixture.post("/ingest/secret?wait=60", as: .agent)
      let job = try await untilAsked(key, fixture)
      async let supervisor = fixture.post("/ingest/secret?wait=60", as: .supervisor)
      try await until { try await fixture.job(key).clearance == .restricted }
      let lease = try await fixture.claim(job.id, in: .polling)
      try await fixture.catalog.observe(try fixture.facts("secret", privacy: .restricted), of: key)
      try await fixture.catalog.release(lease, .advance(to: .fetching))
      let denied = try await agent
      #expect(denied.status == 403)
      #expect(denied.code == "insufficient_permissions")
      #expect(denied.json["detail"] as? String == "Insufficient permissions")
      #expect(try await fixture.logged(.ingest, .denied).count == 1)
      let moving = try await fixture.claim(job.id, in: .transfer)
      try await fixture.catalog.release(moving, .fail(TapedeckError(.conversionFailed)))
      #expect(try await supervisor.code == "conversion_failed")
    }
  }

  @Test func `a known restricted recording starts no job for an agent`() async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("secret")
      try await fixture.catalog.observe(try fixture.facts("secret", privacy: .restricted), of: key)
      #expect(try await fixture.post("/ingest/secret?wait=0", as: .agent).status == 403)
      #expect(try await fixture.post("/ingest/secret?wait=0", as: .admin).status == 403)
      #expect(try await fixture.catalog.job(of: key) == nil)
      #expect(try await fixture.post("/ingest/secret?wait=0", as: .supervisor).status == 202)
      #expect(try await fixture.job(key).clearance == .restricted)
    }
  }

  /// How the identity of a waiting caller ends.
  private static let endings: [(WebFixture.Visitor, String, HTTPRequest.Method)] = [
    (.agent, "/api/v1/tokens/token-agent", .delete), (.supervisor, "/api/v1/tokens/token-supervisor", .delete),
    (.agentsBrowser, "/api/v1/accounts/agent-anna/disable", .post),
    (.supervisorsBrowser, "/api/v1/accounts/supervisor-anna/sessions", .delete),
  ]

  @Test(arguments: endings)
  func `a caller whose identity ends during the wait is refused`(
    visitor: WebFixture.Visitor, path: String, method: HTTPRequest.Method
  ) async throws {
    try await WebFixture.run { fixture in
      async let answer = fixture.post("/ingest/call-1?wait=60", as: visitor)
      _ = try await untilAsked(try fixture.key("call-1"), fixture)
      #expect(try await fixture.send(method, path, as: .admin).status == 204)
      try await fixture.archive(try fixture.facts("call-1"))
      let refused = try await answer
      #expect(refused.status == 401 && refused.json["player_url"] == nil)
    }
  }

  @Test func `an agent's ingest of an archived recording applies stricter privacy of the platform`() async throws {
    let asked = Mutex<[String]>([])
    var options = WebFixture.Options()
    options.reviewPrivacy = { catalog, key in
      asked.withLock { $0.append(key.id.rawValue) }
      guard key.id.rawValue == "secret" else { return }
      let facts = PlatformRecording(id: key.id, status: .available, privacy: .restricted)
      _ = try? await catalog.observe(facts, of: key)
    }
    try await WebFixture.run(options) { fixture in
      for id in ["secret", "open"] { try await fixture.archive(try fixture.facts(id)) }
      #expect(try await fixture.post("/ingest/open", as: .agent).status == 200)
      // A supervisor may hear it in either case, so the platform is not asked.
      #expect(try await fixture.post("/ingest/secret", as: .supervisor).status == 200)
      #expect(asked.withLock { $0 } == ["open"])
      for visitor in [WebFixture.Visitor.agent, .admin, .agentsBrowser] {
        #expect(try await fixture.post("/ingest/secret", as: visitor).status == 403)
      }
      #expect(asked.withLock { $0 } == ["open", "secret"])
      #expect(try await fixture.get("/audio/secret.mp3", as: .agent).status == 403)
      #expect(try await fixture.logged(.ingest, .denied).count == 3)
    }
  }

  @Test func `many callers of one job get one response each`() async throws {
    try await WebFixture.run { fixture in
      let answers = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<50 {
          group.addTask { try await fixture.post("/ingest/call-1?wait=60", as: .agent).status }
        }
        try await until { try await fixture.logged(.ingest).count >= 50 }
        try await fixture.archive(try fixture.facts("call-1"))
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(answers.count == 50)
      #expect(answers.allSatisfy { $0 == 200 })
    }
  }

  static let malformed = [
    "/ingest/.", "/ingest/..", "/ingest/%2E%2E", "/ingest/%00", "/ingest/a%0Ab", "/ingest/%FF", "/ingest/%zz",
    "/ingest/%", "/ingest/\(String(repeating: "x", count: 501))", "/ingest/WEST~a", "/ingest/west~", "/ingest/~a",
    "/ingest/\(String(repeating: "s", count: 41))~a",
  ]

  @Test(arguments: malformed)
  func `a malformed id is refused`(path: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.post(path + "?wait=0", as: .agent)
      #expect(answer.status == 400)
      #expect(answer.code == "invalid_recording_id")
    }
  }

  @Test func `an unknown source is not found, and a configured one has its own jobs`() async throws {
    try await WebFixture.run { fixture in
      let nowhere = try await fixture.post("/ingest/nowhere~call-1?wait=0", as: .agent)
      #expect(nowhere.status == 404)
      #expect(nowhere.code == "not_found")
      #expect(try await fixture.post("/ingest/west~call-1?wait=0", as: .agent).status == 202)
      let west = try #require(SourceID("west"))
      #expect(try await fixture.catalog.job(of: try fixture.key("call-1", source: west)) != nil)
      #expect(try await fixture.catalog.job(of: try fixture.key("call-1")) == nil)
    }
  }

  @Test func `a recording of a default source that is not configured cannot be requested, but is shown`() async throws {
    let options = WebFixture.Options(sources: [SourceID("emea")!])
    try await WebFixture.run(options) { fixture in
      try await fixture.archive(try fixture.facts("archived"))
      try await fixture.catalog.observe(try fixture.facts("known"), of: try fixture.key("known"))
      for (path, status) in [
        ("/ingest/call-1", 404), ("/ingest/default~call-1", 404), ("/ingest/known", 404), ("/ingest/west~call-1", 404),
        ("/ingest/emea~call-1", 202), ("/ingest/archived", 200),
      ] {
        let answer = try await fixture.post("\(path)?wait=0", as: .supervisor)
        #expect(answer.status == status, "\(path): \(answer.text)")
        #expect((answer.code == "not_found") == (status == 404))
      }
      #expect(try await fixture.post("/ingest/call-1?wait=0", as: .agent).text.contains("No source named 'default'"))
      #expect(try await fixture.get("/api/v1/recordings/archived", as: .supervisor).status == 200)
      #expect(try await fixture.catalog.job(of: try fixture.key("call-1")) == nil)
    }
  }

  @Test(arguments: [["default"], ["emea"], []])
  func `an archived recording of a source that is not configured any more stays readable`(names: [String]) async throws
  {
    let options = WebFixture.Options(sources: Set(names.compactMap { SourceID($0) }))
    try await WebFixture.run(options) { fixture in
      let west = try #require(SourceID("west"))
      try await fixture.archive(try fixture.facts("call"), source: west)
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted), source: west)
      try await fixture.catalog.observe(try fixture.facts("known"), of: try fixture.key("known", source: west))
      for path in [
        "/audio/west~call.mp3", "/audio/west~call/original", "/api/v1/recordings/west~call", "/play/west~call",
        "/api/v1/recordings/west~known",
      ] {
        for visitor in [WebFixture.Visitor.agent, .admin, .supervisor] {
          #expect(try await fixture.get(path, as: visitor).status == 200, "\(path)")
        }
        #expect(try await fixture.get(path).status == 401, "\(path)")
        #expect(try await fixture.get(path, as: .metrics).status == 403, "\(path)")
        let restricted = path.replacing("~call", with: "~secret").replacing("~known", with: "~secret")
        #expect(try await fixture.get(restricted, as: .agent).status == 403, "\(restricted)")
        #expect(try await fixture.get(restricted, as: .supervisor).status == 200, "\(restricted)")
        let unknown = path.replacing("~call", with: "~absent").replacing("~known", with: "~absent")
        #expect(try await fixture.get(unknown, as: .supervisor).status == 404, "\(unknown)")
      }
      for (path, status) in [
        ("/ingest/west~call", 200), ("/ingest/west~known", 404), ("/ingest/west~absent", 404),
        ("/ingest/west~secret", 403),
      ] {
        #expect(try await fixture.post("\(path)?wait=0", as: .agent).status == status, "\(path)")
      }
      #expect(try await fixture.catalog.job(of: try fixture.key("known", source: west)) == nil)
    }
  }

  @Test(arguments: [Role.agent, .admin])
  func `a supervisor who is demoted during the wait gets no answer about a restricted recording`(role: Role)
    async throws
  {
    try await WebFixture.run { fixture in
      let key = try fixture.key("secret")
      try await fixture.catalog.observe(try fixture.facts("secret", privacy: .restricted), of: key)
      async let answer = fixture.post("/ingest/secret?wait=3600", as: .supervisorsBrowser)
      try await until { fixture.services.waiters.count == 1 }
      try await fixture.services.accounts.setRole(role, of: "supervisor-anna", by: WebFixture.operator, from: nil)
      #expect(try await answer.status == 403)
      #expect(try await fixture.logged(.ingest, .denied).count == 1)
    }
  }

  @Test func `a node that knows no source leaves requests to the others`() async throws {
    try await WebFixture.run(WebFixture.Options(sources: [])) { fixture in
      let answer = try await fixture.post("/ingest/call-1?wait=0", as: .agent)
      #expect(answer.status == 202)
    }
  }

  @Test func `only POST starts a job`() async throws {
    try await WebFixture.run { fixture in
      for method in [.get, .head, .put, .delete, .patch] as [HTTPRequest.Method] {
        let answer = try await fixture.send(method, "/ingest/call-1", as: .supervisor)
        #expect(answer.status == 405)
        #expect(answer.header("Allow") == "POST, OPTIONS")
      }
      #expect(try await fixture.catalog.job(of: try fixture.key("call-1")) == nil)
    }
  }
}
