import Access
import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// The routes and pages that change accounts.
@Suite(.timeLimit(.minutes(5)))
struct AccountTests {
  private static let json = ["Content-Type": "application/json"]
  private static let newPassword = "another good one"

  /// The headers of a signed-in browser.
  private struct Browser {
    var headers: [String: String]
    var csrf: String
  }

  private func browser(
    _ fixture: WebFixture, _ name: String, password: String = WebFixture.password
  ) async throws -> Browser {
    let authenticator = fixture.services.authenticator
    let secret = try await authenticator.signIn(name: name, password: password, from: WebFixture.origin).secret.text
    let session = try #require(try await authenticator.session(secret))
    return Browser(
      headers: ["Cookie": "__Host-tapedeck=\(secret)", "Sec-Fetch-Site": "same-origin", "Accept": "text/html"],
      csrf: session.csrf)
  }

  private func administrator(_ fixture: WebFixture) async throws -> Browser {
    _ = try await fixture.services.accounts.createAccount(
      name: "admin-anna", role: .admin, agentID: nil, team: nil, password: WebFixture.password,
      by: WebFixture.operator, from: nil)
    return try await browser(fixture, "admin-anna")
  }

  private func send(
    _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, to fixture: WebFixture
  ) async throws -> WebFixture.Answer {
    try await fixture.send(method, path, as: .admin, headers: Self.json, body: body)
  }

  private func account(_ name: String, _ fixture: WebFixture) async throws -> [String: Any]? {
    let list = try await fixture.get("/api/v1/accounts", as: .admin)
    return (list.json["accounts"] as? [[String: Any]])?.first { $0["name"] as? String == name }
  }

  // MARK: API

  @Test func `the list shows role, state and sessions, and no password hash`() async throws {
    try await WebFixture.run { fixture in
      let agent = try #require(try await account("agent-anna", fixture))
      #expect(agent["role"] as? String == "agent" && agent["disabledAt"] == nil)
      #expect(agent["sessions"] as? Int == 1 && agent["lastSeenAt"] is String)
      let list = try await fixture.get("/api/v1/accounts", as: .admin)
      #expect(!list.text.contains("scrypt"))
      #expect(try await send(.post, "/api/v1/accounts/agent-anna/disable", to: fixture).status == 204)
      let disabled = try #require(try await account("agent-anna", fixture))
      #expect(disabled["disabledAt"] is String && disabled["sessions"] as? Int == 0)
    }
  }

  typealias Call = (method: HTTPRequest.Method, suffix: String, body: String?)

  static let withdrawals: [Call] = [
    (.post, "/disable", nil), (.post, "/password", #"{"password":"another good one"}"#), (.delete, "/sessions", nil),
    (.delete, "", nil),
  ]

  @Test(arguments: withdrawals)
  func `a change that withdraws access refuses the next request`(call: Call) async throws {
    try await WebFixture.run { fixture in
      let before = try await fixture.get("/api/v1/recordings", as: .agentsBrowser)
      #expect(before.status == 200)
      #expect(
        try await send(call.method, "/api/v1/accounts/agent-anna\(call.suffix)", call.body, to: fixture).status == 204)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 401)
      #expect(try await fixture.page("/", as: .agentsBrowser).status == 303)
      #expect(try await fixture.get("/api/v1/recordings", as: .supervisorsBrowser).status == 200)
    }
  }

  @Test func `a new role applies to the next request`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      #expect(try await fixture.get("/audio/secret.mp3", as: .supervisorsBrowser).status == 200)
      let path = "/api/v1/accounts/supervisor-anna/role"
      #expect(try await send(.post, path, #"{"role":"agent"}"#, to: fixture).status == 204)
      #expect(try await fixture.get("/audio/secret.mp3", as: .supervisorsBrowser).status == 403)
    }
  }

  static let impossible: [(HTTPRequest.Method, String, String?, Int, String?)] = [
    (.post, "none/disable", nil, 404, "not_found"),
    (.post, "agent-anna/role", #"{"role":"metrics"}"#, 400, "invalid_request"),
    (.post, "agent-anna/role", #"{"role":"king"}"#, 400, "invalid_request"),
    (.post, "agent-anna/role", "{}", 400, "invalid_request"),
    (.post, "agent-anna/password", #"{"password":"password"}"#, 400, "invalid_request"),
    (.post, "agent-anna/password", #"{"password":"short"}"#, 400, "invalid_request"),
    (.post, "agent-anna/password", "", 400, "invalid_request"),
    (.post, "agent%2Danna/disable", nil, 204, nil), (.delete, "%20", nil, 404, "not_found"),
  ]

  @Test(arguments: impossible)
  func `a change that is not possible is answered with its reason`(
    method: HTTPRequest.Method, path: String, body: String?, status: Int, code: String?
  ) async throws {
    try await WebFixture.run { fixture in
      let answer = try await send(method, "/api/v1/accounts/\(path)", body, to: fixture)
      #expect(answer.status == status)
      #expect(answer.code == code)
    }
  }

  /// Each change of accounts and tokens, with the action of its log entry. The account and the token exist.
  static let administration: [(method: HTTPRequest.Method, path: String, body: String?, action: LogEntry.Action)] = [
    (.post, "accounts", #"{"name":"x","role":"admin","password":"\#(newPassword)"}"#, .createAccount),
    (.post, "accounts/agent-anna/disable", nil, .disableAccount),
    (.post, "accounts/agent-anna/enable", nil, .enableAccount),
    (.post, "accounts/agent-anna/role", #"{"role":"admin"}"#, .changeRole),
    (.post, "accounts/agent-anna/password", #"{"password":"\#(newPassword)"}"#, .resetPassword),
    (.delete, "accounts/agent-anna/sessions", nil, .endSessions),
    (.delete, "accounts/agent-anna", nil, .removeAccount),
    (.post, "tokens", #"{"name":"x","role":"admin"}"#, .createToken),
    (.delete, "tokens/token-supervisor", nil, .revokeToken),
  ]

  @Test(arguments: administration)
  func `only administrators change accounts and tokens, and each denial is logged`(
    method: HTTPRequest.Method, path: String, body: String?, action: LogEntry.Action
  ) async throws {
    try await WebFixture.run { fixture in
      func state() async throws -> [String] {
        let accounts = try await fixture.catalog.accounts().map { "\($0)" }
        return accounts + (try await fixture.catalog.tokens()).map { "\($0.identity) \($0.revokedAt as Any)" }
      }
      let before = try await state()
      for (visitor, role) in [(WebFixture.Visitor.agent, Role.agent), (.supervisor, .supervisor), (.metrics, .metrics)]
      {
        let answer = try await fixture.send(method, "/api/v1/\(path)", as: visitor, headers: Self.json, body: body)
        #expect(answer.status == 403 && answer.code == "insufficient_permissions", "\(visitor)")
        let entry = try #require(try await fixture.logged(action, .denied).first)
        #expect(entry.outcome == .denied && entry.actor?.role == role && entry.code == .insufficientPermissions)
      }
      #expect(try await fixture.logged(action, .denied).count == 3)
      #expect(try await state() == before)
    }
  }

  static let demotions: [Call] = [(.post, "/disable", nil), (.post, "/role", #"{"role":"agent"}"#), (.delete, "", nil)]

  @Test(arguments: demotions)
  func `the last administrator stays`(call: Call) async throws {
    try await WebFixture.run { fixture in
      let admin = try await administrator(fixture)
      let answer = try await send(call.method, "/api/v1/accounts/admin-anna\(call.suffix)", call.body, to: fixture)
      #expect(answer.status == 409 && answer.code == "last_administrator")
      #expect(try await fixture.get("/api/v1/accounts", headers: admin.headers).status == 200)
    }
  }

  @Test func `a user changes their own password, and a token has none`() async throws {
    try await WebFixture.run { fixture in
      let body = #"{"currentPassword":"\#(WebFixture.password)","newPassword":"another good one"}"#
      let other = try await browser(fixture, "agent-anna")
      let wrong = try await fixture.send(
        .post, "/api/v1/account/password", as: .agentsBrowser, headers: Self.json,
        body: #"{"currentPassword":"wrong","newPassword":"another good one"}"#)
      #expect(wrong.status == 401 && wrong.code == "sign_in_refused")
      let answer = try await fixture.send(
        .post, "/api/v1/account/password", as: .agentsBrowser, headers: Self.json, body: body)
      #expect(answer.status == 204)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 200)
      #expect(try await fixture.get("/api/v1/recordings", headers: other.headers).status == 401)
      _ = try await browser(fixture, "agent-anna", password: Self.newPassword)
      let token = try await fixture.send(
        .post, "/api/v1/account/password", as: .agent, headers: Self.json, body: body)
      #expect(token.status == 400)
      #expect(try await fixture.logged(.changePassword).map(\.outcome) == [.allowed, .denied])
    }
  }

  // MARK: Pages

  @Test func `administrators see the accounts, and others neither page nor link`() async throws {
    try await WebFixture.run { fixture in
      let admin = try await administrator(fixture)
      let list = try await fixture.get("/accounts", headers: admin.headers)
      #expect(list.status == 200)
      for name in ["admin-anna", "agent-anna", "supervisor-anna"] { #expect(list.text.contains(">\(name)</bdi></a>")) }
      let link = try #require(list.text.firstMatch(of: /href="(\/accounts\/acc_[^"]+)"><bdi>agent-anna/)?.1)
      let page = try await fixture.get(String(link), headers: admin.headers)
      #expect(page.status == 200 && page.text.contains("Disable"))
      #expect(try await fixture.get("/accounts/none", headers: admin.headers).status == 404)
      for visitor in [WebFixture.Visitor.agentsBrowser, .supervisorsBrowser] {
        #expect(try await fixture.page("/accounts", as: visitor).status == 403)
        #expect(try await !fixture.page("/", as: visitor).text.contains(#"href="/accounts""#))
      }
    }
  }

  @Test func `forms create, change and remove an account`() async throws {
    try await WebFixture.run { fixture in
      let admin = try await administrator(fixture)
      func post(_ path: String, _ form: [String: String] = [:]) async throws -> WebFixture.Answer {
        try await fixture.post(path, headers: admin.headers, form: form.merging(["csrf": admin.csrf]) { $1 })
      }
      let made = try await post(
        "/accounts", ["name": "new <b>", "role": "agent", "password": WebFixture.password, "team": "", "agentId": "7"])
      #expect(made.status == 303)
      let address = try #require(made.header("Location"))
      #expect(address.hasPrefix("/accounts/acc_"))
      let created = try await fixture.get(address, headers: admin.headers).text
      #expect(created.contains("new &lt;b&gt;"))
      #expect(created.contains(#"role="status">The account has been created.</p>"#))
      let account = String(try #require(address.split(separator: "?").first))
      let plain = try await fixture.get(account, headers: admin.headers).text
      #expect(!plain.contains(#"role="status""#))
      // The form that removes the account is shown only after its summary is opened.
      #expect(plain.contains(/<details class="confirm">\s*<summary>Remove the account<\/summary>\s*<form/))
      let steps: [(String, [String: String], String, (AccountRow?) -> Bool)] = [
        ("role", ["role": "supervisor"], "The role has been changed.", { $0?.identity.role == .supervisor }),
        ("disable", [:], "The account is disabled.", { $0?.disabledAt != nil }),
        ("enable", [:], "The account is enabled.", { $0?.disabledAt == nil }),
        ("password", ["password": Self.newPassword], "The password has been changed.", { $0 != nil }),
        ("end-sessions", [:], "The sessions of the account have ended.", { $0?.sessions == 0 }),
        ("remove", [:], "The account has been removed.", { $0 == nil }),
      ]
      for (verb, form, notice, holds) in steps {
        let answer = try await post("\(account)/\(verb)", form)
        #expect(answer.status == 303, "\(verb)")
        let next = try #require(answer.header("Location"))
        #expect(next == (verb == "remove" ? "/accounts" : account) + "?done=\(verb)")
        let page = try await fixture.get(next, headers: admin.headers)
        #expect(page.text.contains("role=\"status\">\(notice)"), "\(verb)")
        let account = try await fixture.catalog.account("new <b>")
        #expect(holds(account), "\(verb)")
      }
    }
  }

  @Test func `a form that cannot be carried out shows why`() async throws {
    try await WebFixture.run { fixture in
      let admin = try await administrator(fixture)
      let id = try #require(try await fixture.catalog.account("admin-anna")?.identity.id)
      let cases: [(String, [String: String], Int, String)] = [
        ("/accounts/\(id)/disable", [:], 409, "last enabled account with the role admin"),
        ("/accounts/\(id)/remove", [:], 409, "last enabled account with the role admin"),
        ("/accounts/\(id)/password", ["password": "password1"], 400, "easy to guess"),
        ("/accounts/\(id)/role", ["role": "x"], 400, "no such role"),
        ("/accounts", ["name": "agent-anna", "role": "agent", "password": Self.newPassword], 409, "exists"),
        ("/accounts", ["name": "kept", "role": "agent", "password": "kept"], 400, "at least 8"),
      ]
      for (path, form, status, text) in cases {
        let answer = try await fixture.post(
          path, headers: admin.headers, form: form.merging(["csrf": admin.csrf]) { $1 })
        #expect(answer.status == status, "\(path)")
        #expect(answer.text.contains(text), "\(path)")
        #expect(!answer.text.contains(Self.newPassword))
      }
    }
  }

  @Test func `a form without its token changes nothing`() async throws {
    try await WebFixture.run { fixture in
      let admin = try await administrator(fixture)
      let id = try #require(try await fixture.catalog.account("agent-anna")?.identity.id)
      for verb in ["disable", "enable", "role", "password", "end-sessions", "remove"] {
        let answer = try await fixture.post(
          "/accounts/\(id)/\(verb)", headers: admin.headers, form: ["role": "admin", "password": Self.newPassword])
        #expect(answer.status == 403, "\(verb)")
      }
      #expect(try await fixture.post("/account/password", as: .agentsBrowser, form: [:]).status == 403)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 200)
    }
  }

  @Test func `the page of the user's own account changes the password`() async throws {
    try await WebFixture.run { fixture in
      let agent = try await browser(fixture, "agent-anna")
      #expect(
        try await fixture.get("/", headers: agent.headers).text.contains(
          #"<a href="/account"><bdi>agent-anna</bdi></a>"#))
      #expect(try await fixture.get("/account", headers: agent.headers).text.contains("Current password"))
      func change(_ current: String, _ new: String, _ repeated: String) async throws -> WebFixture.Answer {
        try await fixture.post(
          "/account/password", headers: agent.headers,
          form: ["csrf": agent.csrf, "currentPassword": current, "newPassword": new, "repeated": repeated])
      }
      #expect(try await change("wrong", Self.newPassword, Self.newPassword).text.contains("current password is wrong"))
      #expect(try await change(WebFixture.password, Self.newPassword, "x").text.contains("do not match"))
      #expect(try await change(WebFixture.password, "agent-anna", "agent-anna").status == 400)
      let done = try await change(WebFixture.password, Self.newPassword, Self.newPassword)
      #expect(done.status == 200 && done.text.contains("The password has been changed"))
      #expect(try await fixture.get("/account", headers: agent.headers).status == 200)
      #expect(try await fixture.get("/api/v1/recordings", as: .agentsBrowser).status == 401)
    }
  }

  // MARK: Mistyped secrets

  @Test(arguments: [
    "/?token=SECRET", "/?q=SECRET", "/api/v1/recordings?q=SECRET", "/audit?who=SECRET", "/api/v1/audit?who=SECRET",
    "/api/v1/recordings?agent=before+SECRET", "/api/v1/recordings?token=SECRET", "/?SECRET",
  ])
  func `a token in a query is not stored`(path: String) async throws {
    try await WebFixture.run { fixture in
      let secret = "tdk_canaryCANARY0123456789canaryCANARY"
      _ = try await fixture.get(path.replacing("SECRET", with: secret), as: .supervisor)
      _ = try await fixture.page(path.replacing("SECRET", with: secret), as: .supervisorsBrowser)
      let stored = try await fixture.database.read { db in
        try db.rows("SELECT detail FROM log_detail").map { try $0.text("detail") }.joined()
      }
      #expect(!stored.contains("canary"))
    }
  }
}
