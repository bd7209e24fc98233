import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// Who may use each route.
@Suite(.timeLimit(.minutes(5)))
struct AccessMatrixTests {
  typealias Visitor = WebFixture.Visitor

  /// What a route is about, which decides who may use it.
  enum Kind: Sendable {
    /// One recording, standard or restricted.
    case recording
    case list, audit, metrics, administration, work
  }

  struct Route: Sendable {
    var method: HTTPRequest.Method
    var path: String
    var kind: Kind
    /// The status for those who may use it.
    var good: Int
    var headers: [String: String] = [:]
    var body: String?

    var name: String { "\(method.rawValue) \(path)" }
  }

  /// Requests about recordings, with `ID` for the recording and `JOB` for its job.
  static let recordingRoutes: [Route] = [
    Route(method: .get, path: "/audio/ID.mp3", kind: .recording, good: 200),
    Route(method: .head, path: "/audio/ID.mp3", kind: .recording, good: 200),
    Route(method: .get, path: "/audio/ID.mp3", kind: .recording, good: 206, headers: ["Range": "bytes=0-0"]),
    Route(method: .get, path: "/audio/ID.mp3", kind: .recording, good: 304, headers: ["If-None-Match": "*"]),
    Route(method: .get, path: "/audio/ID.mp3", kind: .recording, good: 416, headers: ["Range": "bytes=999-"]),
    Route(method: .get, path: "/audio/ID.mp3?download", kind: .recording, good: 200),
    Route(method: .get, path: "/audio/ID/original", kind: .recording, good: 200),
    Route(method: .head, path: "/audio/ID/original", kind: .recording, good: 200),
    Route(method: .get, path: "/audio/ID/peaks", kind: .recording, good: 200),
    Route(method: .head, path: "/audio/ID/peaks", kind: .recording, good: 200),
    Route(method: .get, path: "/play/ID", kind: .recording, good: 200),
    Route(method: .head, path: "/play/ID", kind: .recording, good: 200),
    Route(method: .get, path: "/play/ID", kind: .recording, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .get, path: "/api/v1/recordings/ID", kind: .recording, good: 200),
    Route(method: .head, path: "/api/v1/recordings/ID", kind: .recording, good: 200),
    Route(method: .get, path: "/api/v1/jobs/JOB", kind: .recording, good: 200),
    Route(method: .head, path: "/api/v1/jobs/JOB", kind: .recording, good: 200),
    Route(method: .post, path: "/ingest/ID", kind: .recording, good: 200),
    Route(method: .post, path: "/ingest/ID?wait=0", kind: .recording, good: 200, headers: ["Prefer": "respond-async"]),
  ]

  static let otherRoutes: [Route] = [
    Route(method: .get, path: "/", kind: .list, good: 200),
    Route(method: .get, path: "/", kind: .list, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .get, path: "/api/v1/recordings", kind: .list, good: 200),
    Route(method: .head, path: "/api/v1/recordings", kind: .list, good: 200),
    Route(method: .get, path: "/api/v1/recordings?q=x", kind: .list, good: 200),
    Route(method: .get, path: "/api/v1/recordings.csv", kind: .list, good: 200),
    Route(method: .get, path: "/api/v1/recordings.csv?agent=x", kind: .list, good: 200),
    Route(method: .get, path: "/api/v1/audit.csv", kind: .audit, good: 200),
    Route(method: .get, path: "/audit", kind: .audit, good: 200),
    Route(method: .get, path: "/api/v1/audit", kind: .audit, good: 200),
    Route(method: .head, path: "/api/v1/audit", kind: .audit, good: 200),
    Route(method: .get, path: "/platform", kind: .work, good: 200),
    Route(method: .get, path: "/platform", kind: .work, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .get, path: "/api/v1/platform", kind: .work, good: 200),
    Route(method: .get, path: "/api/v1/jobs", kind: .work, good: 200),
    Route(method: .head, path: "/api/v1/jobs?state=failed", kind: .work, good: 200),
    Route(method: .post, path: "/api/v1/jobs/1/retry", kind: .work, good: 409),
    Route(method: .post, path: "/api/v1/jobs/1/cancel", kind: .work, good: 409),
    Route(method: .post, path: "/api/v1/jobs/999/retry", kind: .work, good: 404),
    Route(method: .post, path: "/api/v1/jobs/x/cancel", kind: .work, good: 404),
    Route(method: .get, path: "/api/v1/quarantine", kind: .work, good: 200),
    Route(method: .get, path: "/quarantine", kind: .work, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .get, path: "/api/v1/quarantine/1", kind: .work, good: 404),
    Route(method: .post, path: "/api/v1/quarantine/1/accept", kind: .work, good: 404),
    Route(method: .post, path: "/api/v1/quarantine/1/discard", kind: .work, good: 404),
    Route(method: .get, path: "/api/v1/notices", kind: .work, good: 200),
    Route(method: .get, path: "/notices", kind: .work, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .post, path: "/api/v1/notices/1/close", kind: .work, good: 404),
    Route(method: .get, path: "/coverage", kind: .audit, good: 200),
    Route(method: .get, path: "/api/v1/coverage", kind: .audit, good: 200),
    Route(method: .get, path: "/api/v1/backfills", kind: .audit, good: 200),
    Route(method: .post, path: "/api/v1/backfills/nothing/pause", kind: .administration, good: 404),
    Route(
      method: .post, path: "/api/v1/backfills", kind: .administration, good: 400,
      headers: ["Content-Type": "application/json"], body: #"{"from":"2026-01-02","to":"2026-01-01"}"#),
    Route(method: .get, path: "/metrics", kind: .metrics, good: 200),
    Route(method: .head, path: "/metrics", kind: .metrics, good: 200),
    Route(method: .get, path: "/api/v1/tokens", kind: .administration, good: 200),
    Route(method: .delete, path: "/api/v1/tokens/unknown", kind: .administration, good: 404),
    Route(
      method: .post, path: "/api/v1/tokens", kind: .administration, good: 409,
      headers: ["Content-Type": "application/json"], body: #"{"name":"token-agent","role":"agent"}"#),
    Route(
      method: .post, path: "/api/v1/accounts", kind: .administration, good: 409,
      headers: ["Content-Type": "application/json"],
      body: #"{"name":"agent-anna","role":"admin","password":"correct horse"}"#),
    Route(method: .get, path: "/accounts", kind: .administration, good: 200),
    Route(method: .get, path: "/accounts", kind: .administration, good: 200, headers: ["Accept": "text/html"]),
    Route(method: .get, path: "/accounts/agent-anna", kind: .administration, good: 200),
    Route(method: .get, path: "/api/v1/accounts", kind: .administration, good: 200),
    Route(method: .post, path: "/api/v1/accounts/unknown/disable", kind: .administration, good: 404),
    Route(method: .post, path: "/api/v1/accounts/unknown/enable", kind: .administration, good: 404),
    Route(method: .delete, path: "/api/v1/accounts/unknown/sessions", kind: .administration, good: 404),
    Route(method: .delete, path: "/api/v1/accounts/unknown", kind: .administration, good: 404),
    Route(
      method: .post, path: "/api/v1/accounts/unknown/role", kind: .administration, good: 404,
      headers: ["Content-Type": "application/json"], body: #"{"role":"agent"}"#),
    Route(
      method: .post, path: "/api/v1/accounts/unknown/password", kind: .administration, good: 404,
      headers: ["Content-Type": "application/json"], body: #"{"password":"another good one"}"#),
  ]

  /// The rule, written down a second time.
  private func isAllowed(_ route: Route, _ visitor: Visitor, restricted: Bool) -> Bool {
    switch (route.kind, visitor) {
    case (_, .anonymous): false
    case (.recording, .supervisor), (.recording, .supervisorsBrowser): true
    case (.recording, .agent), (.recording, .admin), (.recording, .agentsBrowser): !restricted
    case (.list, .metrics): false
    case (.list, _): true
    case (.audit, .supervisor), (.audit, .supervisorsBrowser), (.audit, .admin): true
    case (.work, .supervisor), (.work, .supervisorsBrowser), (.work, .admin): true
    case (.metrics, .metrics), (.metrics, .admin): true
    case (.administration, .admin): true
    default: false
    }
  }

  private func expected(_ route: Route, _ visitor: Visitor, restricted: Bool) -> Int {
    if isAllowed(route, visitor, restricted: restricted) { return route.good }
    guard visitor == .anonymous else { return 403 }
    // A browser is redirected to the sign-in page.
    let isPage = route.headers["Accept"] != nil && route.method == .get
    return isPage ? 303 : 401
  }

  @Test func `each request is answered by role and privacy`() async throws {
    try await WebFixture.run { fixture in
      let standard = try await fixture.archive(try fixture.facts("standard-1"))
      let restricted = try await fixture.archive(try fixture.facts("restricted-1", privacy: .restricted))
      for visitor in Visitor.allCases {
        for (job, id, isRestricted) in [(standard, "standard-1", false), (restricted, "restricted-1", true)] {
          for route in Self.recordingRoutes {
            let path = route.path.replacing("ID", with: id).replacing("JOB", with: "\(job.id)")
            let answer = try await fixture.send(
              route.method, path, as: visitor, headers: route.headers, body: route.body)
            #expect(
              answer.status == expected(route, visitor, restricted: isRestricted), "\(visitor): \(route.name) of \(id)")
          }
        }
        for route in Self.otherRoutes {
          let answer = try await fixture.send(
            route.method, route.path, as: visitor, headers: route.headers, body: route.body)
          #expect(answer.status == expected(route, visitor, restricted: false), "\(visitor): \(route.name)")
        }
      }
    }
  }

  /// Who has a permission, written down a second time.
  private func has(_ permission: Permission, _ visitor: Visitor) -> Bool {
    switch permission {
    case .listRecordings: visitor != .metrics && visitor != .anonymous
    case .readAccessLog, .manageJobs, .manageNotices, .readCoverage, .readPlatform:
      [.supervisor, .supervisorsBrowser, .admin].contains(visitor)
    case .runBackfills, .administer: visitor == .admin
    case .readMetrics: visitor == .metrics || visitor == .admin
    }
  }

  private func mayUse(_ access: Web.Route.Access, _ visitor: Visitor, restricted: Bool) -> Bool {
    switch access {
    case .open, .signedIn: true
    case .permission(let permission): has(permission, visitor)
    case .recording: visitor.hearsRestricted || visitor != .metrics && !restricted
    }
  }

  private func denials(_ fixture: WebFixture) async throws -> Int {
    var filter = LogFilter()
    filter.outcome = .denied
    return try await fixture.catalog.logEntries(matching: filter, before: nil, limit: 1000).count
  }

  @Test(arguments: Visitor.allCases)
  func `every route of the table asks for its access, and logs each denial`(visitor: Visitor) async throws {
    try await WebFixture.run { fixture in
      let standard = try await fixture.archive(try fixture.facts("standard-1"))
      let restricted = try await fixture.archive(try fixture.facts("restricted-1", privacy: .restricted))
      for route in fixture.table.routes where route.access != .open {
        for (id, job, isRestricted) in [("standard-1", standard, false), ("restricted-1", restricted, true)] {
          let path = route.path.replacing("{id}", with: id).replacing("{job}", with: "\(job.id)")
            .replacing("{name}", with: "none")
          let before = try await denials(fixture)
          let answer = try await fixture.send(route.method, path, as: visitor)
          let name = "\(route.method) \(path) as \(visitor): \(answer.status)"
          if visitor == .anonymous {
            #expect(answer.status == 401, "\(name)")
          } else if mayUse(route.access, visitor, restricted: isRestricted) {
            #expect(answer.code != "insufficient_permissions" && answer.status != 401, "\(name)")
          } else {
            #expect(answer.status == 403 && answer.code == "insufficient_permissions", "\(name)")
            #expect(try await denials(fixture) == before + 1, "\(name)")
          }
        }
      }
    }
  }

  @Test func `a recording that becomes restricted is closed from the next request on`() async throws {
    try await WebFixture.run { fixture in
      let facts = try fixture.facts("turns")
      let job = try await fixture.archive(facts)
      let paths = ["/audio/turns.mp3", "/play/turns", "/api/v1/recordings/turns", "/api/v1/jobs/\(job.id)"]
      for path in paths { #expect(try await fixture.get(path, as: .agent).status == 200) }
      let listened = try await fixture.get("/audio/turns.mp3", as: .agent, headers: ["Range": "bytes=0-1"])
      #expect(listened.status == 206)
      var stricter = facts
      stricter.privacy = .restricted
      try await fixture.catalog.observe(stricter, of: job.key)
      for path in paths { #expect(try await fixture.get(path, as: .agent).status == 403, "\(path)") }
      // An open listening session changes nothing.
      let next = try await fixture.get("/audio/turns.mp3", as: .agent, headers: ["Range": "bytes=2-3"])
      #expect(next.status == 403)
      // A less strict privacy on the platform does not open it again.
      try await fixture.catalog.observe(facts, of: job.key)
      for path in paths { #expect(try await fixture.get(path, as: .agent).status == 403, "\(path)") }
      #expect(try await fixture.get("/audio/turns.mp3", as: .supervisor).status == 200)
    }
  }

  @Test(arguments: ["?user_role=supervisor", "?user_role=admin&role=supervisor", "?user_role[]=supervisor&user=root"])
  func `a role in the query or headers is ignored`(query: String) async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      for path in ["/audio/secret.mp3", "/play/secret", "/api/v1/recordings/secret", "/api/v1/jobs/\(job.id)"] {
        #expect(try await fixture.get(path + query, as: .agent).status == 403)
        #expect(try await fixture.get(path + query).status == 401)
      }
      #expect(try await fixture.post("/ingest/secret" + query, as: .agent).status == 403)
      let headers = ["X-User-Role": "supervisor", "X-Role": "supervisor", "X-Forwarded-User": "supervisor"]
      #expect(try await fixture.get("/audio/secret.mp3", as: .agent, headers: headers).status == 403)
    }
  }

  @Test func `only health, assets and the sign-in page are open`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for path in ["/livez", "/readyz", "/login", "/assets/tapedeck.css", "/assets/player.js", "/assets/icon.svg"] {
        #expect(try await fixture.get(path).status == 200, "\(path)")
      }
      for path in [
        "/assets/", "/assets/nothing", "/assets/..%2Flogin", "/assets/%2e%2e", "/nothing", "/api", "/api/v1", "/.env",
      ] {
        #expect(try await fixture.get(path).status == 404, "\(path)")
      }
      for path in ["/", "/play/r", "/audio/r.mp3", "/metrics", "/audit"] {
        let answer = try await fixture.get(path)
        #expect(answer.status == 401)
        #expect(answer.code == "unauthenticated")
        #expect(answer.header("WWW-Authenticate") == "Bearer")
      }
    }
  }

  static let credentials = [
    "Bearer", "Bearer ", "Bearer x", "Bearer tdk_", "Basic dXNlcjpwYXNz", "bearer", "tdk_x", "", "Bearer tdk_x y",
  ]

  @Test(arguments: credentials)
  func `malformed credentials are refused, even with a valid cookie`(credentials: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.get("/api/v1/recordings", headers: ["Authorization": credentials])
      #expect(answer.status == 401)
      let both = try await fixture.get(
        "/api/v1/recordings", as: .agentsBrowser, headers: ["Authorization": credentials])
      #expect(both.status == 401)
    }
  }

  @Test func `a revoked token and an ended session are refused`() async throws {
    try await WebFixture.run { fixture in
      #expect(try await fixture.get("/api/v1/recordings", as: .agent).status == 200)
      #expect(try await fixture.send(.delete, "/api/v1/tokens/token-agent", as: .admin).status == 204)
      #expect(try await fixture.get("/api/v1/recordings", as: .agent).status == 401)

      let csrf = try #require(fixture.sessions[.agentsBrowser]?.csrf)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 200)
      let out = try await fixture.post("/logout", as: .agentsBrowser, form: ["csrf": csrf])
      #expect(out.status == 303)
      #expect(out.header("Location") == "/login")
      #expect(out.header("Set-Cookie")?.contains("Max-Age=0") == true)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 401)
    }
  }

  @Test func `a new token works, and its secret is shown once`() async throws {
    try await WebFixture.run { fixture in
      let made = try await fixture.send(
        .post, "/api/v1/tokens", as: .admin, headers: ["Content-Type": "application/json"],
        body: #"{"name":"new","role":"agent","agentId":"a-9","team":"t"}"#)
      #expect(made.status == 201)
      let token = try #require(made.json["token"] as? String)
      #expect(try await fixture.get("/api/v1/recordings", headers: ["Authorization": "Bearer \(token)"]).status == 200)
      let list = try await fixture.get("/api/v1/tokens", as: .admin)
      #expect(list.text.contains(#""name":"new""#))
      #expect(!list.text.contains(token))
    }
  }

  static let badBodies = ["", "{", "[]", "null", #"{"name":1}"#, #"{"name":"x"}"#, #"{"name":"x","role":"root"}"#]

  @Test(arguments: badBodies)
  func `a malformed body is a bad request`(body: String) async throws {
    try await WebFixture.run { fixture in
      for path in ["/api/v1/tokens", "/api/v1/accounts"] {
        let answer = try await fixture.send(
          .post, path, as: .admin, headers: ["Content-Type": "application/json"], body: body)
        #expect(answer.status == 400, "\(path)")
        #expect(answer.code == "invalid_request")
      }
    }
  }
}
