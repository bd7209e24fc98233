import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// Signing in and out.
@Suite(.timeLimit(.minutes(5)))
struct SignInTests {
  /// The token of the form and the cookie that goes with it.
  private func form(_ fixture: WebFixture, query: String = "") async throws -> (token: String, cookie: String) {
    let page = try await fixture.page("/login\(query)")
    let cookie = try #require(page.header("Set-Cookie")?.split(separator: ";").first)
    let token = try #require(page.text.firstMatch(of: /name="csrf" value="([^"]+)"/)?.1)
    return (String(token), String(cookie))
  }

  private func signIn(
    _ fixture: WebFixture, name: String = "agent-anna", password: String = WebFixture.password, next: String = "/",
    headers: [String: String] = [:]
  ) async throws -> WebFixture.Answer {
    let (token, cookie) = try await form(fixture)
    return try await fixture.post(
      "/login", headers: headers.merging(["Cookie": cookie]) { $1 },
      form: ["csrf": token, "name": name, "password": password, "next": next])
  }

  @Test func `signing in sets a cookie for this host only and opens the requested page`() async throws {
    try await WebFixture.run { fixture in
      let wanted = try await fixture.page("/play/call%2F1?t=252")
      #expect(wanted.status == 303)
      let login = try #require(wanted.header("Location"))
      #expect(login == "/login?next=%2Fplay%2Fcall%252F1%3Ft%3D252")
      let page = try await fixture.page(login)
      #expect(page.text.contains(#"name="next" value="/play/call%2F1?t=252""#))

      let answer = try await signIn(fixture, next: "/play/call%2F1?t=252")
      #expect(answer.status == 303)
      #expect(answer.header("Location") == "/play/call%2F1?t=252")
      let cookie = try #require(answer.headers[values: .setCookie].first { $0.hasPrefix("__Host-tapedeck=") })
      for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] { #expect(cookie.contains(attribute)) }
      #expect(!cookie.contains("Domain"))
      let session = try #require(cookie.split(separator: ";").first)
      #expect(try await fixture.get("/api/v1/recordings", headers: ["Cookie": String(session)]).status == 200)
      #expect(try await fixture.logged(.signIn, .allowed).first?.actor?.name == "agent-anna")
    }
  }

  @Test(arguments: [
    ("/play/call%2F1?t=252&token=abcdef&list=q%3Da", "/play/call%2F1?t=252&list=q%3Da"),
    ("/?q=basic+training&token=tdk_0123456789abcdef", "/?q=basic+training"),
    ("/?q=tdk_0123456789abcdef&direction=inbound", "/?direction=inbound"),
    ("/?q=%74dk_0123456789abcdef", "/"), ("/?token=abcdef", "/"), ("/play/tdk_0123456789abcdef", "/"),
  ])
  func `the address of the sign-in page repeats only what the page takes, and no secrets`(
    asked: String, next: String
  ) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.page(asked)
      #expect(answer.status == 303)
      #expect(answer.header("Location") == "/login?next=\(WebFixture.encoded(next))")
    }
  }

  static let elsewhere = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
    "javascript:alert(1)", "evil.example", "/\t/evil.example", "/%0d%0aSet-Cookie: a=b", "/x\r\nSet-Cookie: a=b", "",
    " /x", "/\u{2028}", "/ä",
  ]

  @Test(arguments: elsewhere)
  func `signing in never redirects to another site`(next: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await signIn(fixture, next: next)
      #expect(answer.status == 303)
      let location = try #require(answer.header("Location"))
      #expect(location == "/" || location == next && next == "/%0d%0aSet-Cookie: a=b", "\(location)")
      let page = try await fixture.page("/login?next=\(WebFixture.encoded(next))")
      #expect(!page.text.contains("evil.example"))
    }
  }

  @Test(arguments: [
    ("", "/"), ("?next=/play/r%3Ft%3D12", "/play/r?t=12"), ("?next=//evil.example", "/"), ("?next=", "/"),
  ])
  func `the sign-in page of a signed-in browser leads to the wanted page`(query: String, target: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.page("/login\(query)", as: .agentsBrowser)
      #expect(answer.status == 303)
      #expect(answer.header("Location") == target)
      let unknown = try await fixture.get(
        "/login\(query)", headers: ["Accept": "text/html", "Cookie": "__Host-tapedeck=unknown"])
      #expect(unknown.status == 200 && unknown.text.contains("name=\"password\""))
    }
  }

  @Test(arguments: [("Europe/Berlin", "Europe/Berlin"), ("Mars/Olympus", nil), ("", nil), ("browser", nil)])
  func `the time zone of the browser is known from the first page on`(zone: String, kept: String?) async throws {
    try await WebFixture.run { fixture in
      let (token, cookie) = try await form(fixture)
      let answer = try await fixture.post(
        "/login", headers: ["Cookie": cookie],
        form: ["csrf": token, "name": "agent-anna", "password": WebFixture.password, "timeZone": zone])
      #expect(answer.status == 303)
      let set = try #require(answer.headers[values: .setCookie].first { $0.hasPrefix("__Host-tapedeck=") })
      let headers = ["Cookie": String(try #require(set.split(separator: ";").first)), "Accept": "text/html"]
      let known = try await fixture.get("/api/v1/preferences", headers: headers).json["browserTimeZone"] as? String
      #expect(known == kept)
      let page = try await fixture.get("/", headers: headers).text
      #expect(page.contains(#"<a href="/account#time-zone">\#(kept ?? "UTC")</a>"#))
    }
  }

  @Test(arguments: [("agent-anna", "wrong password"), ("unknown", WebFixture.password), ("", ""), ("agent-anna", "")])
  func `a wrong name and a wrong password are answered alike`(name: String, password: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await signIn(fixture, name: name, password: password)
      #expect(answer.status == 401)
      #expect(answer.text.contains("Name or password is wrong."))
      #expect(!answer.headers[values: .setCookie].contains { $0.hasPrefix("__Host-tapedeck=") })
      let denied = try #require(try await fixture.logged(.signIn, .denied).first)
      #expect(denied.details["name"] == (name == "agent-anna" ? name : "unknown account"))
      #expect(!denied.details.values.contains(password) || password.isEmpty)
    }
  }

  @Test func `a form from elsewhere is refused`() async throws {
    try await WebFixture.run { fixture in
      let (token, cookie) = try await form(fixture)
      let fields = ["name": "agent-anna", "password": WebFixture.password]
      let attempts: [([String: String], String?)] = [
        (fields, cookie), (fields.merging(["csrf": ""]) { $1 }, cookie), (fields.merging(["csrf": "x"]) { $1 }, cookie),
        (fields.merging(["csrf": token]) { $1 }, nil), (fields.merging(["csrf": ""]) { $1 }, "__Host-tapedeck-form="),
        (fields.merging(["csrf": token]) { $1 }, "tapedeck-form=\(token)"),
      ]
      for (form, cookie) in attempts {
        let answer = try await fixture.post("/login", headers: cookie.map { ["Cookie": $0] } ?? [:], form: form)
        #expect(answer.status == 403)
        #expect(answer.code == "cross_site_request")
      }
      #expect(try await fixture.logged(.signIn, .denied).isEmpty)
    }
  }

  @Test func `guessing is throttled, with Retry-After`() async throws {
    // The clock is fixed, so that no wait ends before the next attempt.
    let now = Instant.systemNow()
    try await WebFixture.run(WebFixture.Options(now: { now })) { fixture in
      var answer = try await signIn(fixture, password: "wrong")
      for _ in 0..<20 where answer.status == 401 { answer = try await signIn(fixture, password: "wrong") }
      #expect(answer.status == 429)
      #expect(try #require(answer.header("Retry-After").flatMap { Int($0) }) >= 1)
      #expect(answer.text.contains("Too many attempts"))
      // The right password waits too.
      #expect(try await signIn(fixture).status == 429)
      // Other accounts are not locked out.
      #expect(try await signIn(fixture, name: "supervisor-anna").status == 303)
    }
  }

  @Test func `a form of any size or type is answered`() async throws {
    try await WebFixture.run { fixture in
      let (token, cookie) = try await form(fixture)
      let large = try await fixture.post(
        "/login", headers: ["Cookie": cookie], form: ["csrf": token, "name": String(repeating: "x", count: 20_000)])
      #expect(large.status == 413)
      #expect(large.code == "request_too_large")
      for (type, body) in [("application/json", "{}"), ("", ""), ("text/plain", "csrf=\(token)")] {
        let answer = try await fixture.send(
          .post, "/login", headers: ["Content-Type": type, "Cookie": cookie], body: body)
        #expect(answer.status == 400)
      }
      for body in ["&&&=&=x&%", "%zz=1&csrf", "=", "a=b=c&a=b", "csrf=%ff"] {
        let answer = try await fixture.send(
          .post, "/login", headers: ["Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie], body: body)
        #expect(answer.status == 403, "\(body)")
      }
    }
  }

  @Test func `a name that is markup is shown as text`() async throws {
    try await WebFixture.run { fixture in
      let answer = try await signIn(fixture, name: #""><script>alert(1)</script>"#, next: #"/"><script>x"#)
      #expect(answer.status == 401)
      #expect(!answer.text.contains("<script>alert"))
      #expect(answer.text.contains("&lt;script&gt;"))
    }
  }

  @Test func `the sign-in page shows how to create the first account, until there is one`() async throws {
    try await WebFixture.run { fixture in
      #expect(!(try await fixture.page("/login").text.contains("tapedeck user add")))
      _ = try await fixture.database.write { db in
        try db.execute("DELETE FROM session")
        return try db.execute("DELETE FROM account")
      }
      #expect(try await fixture.page("/login").text.contains("tapedeck user add"))
    }
  }
}
