import Catalog
import Foundation
import HTTPTypes
import Model
import Testing

/// Other sites cannot make a signed-in browser change anything.
@Suite(.timeLimit(.minutes(5)))
struct CrossSiteTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var headers: [String: String]
    var isOurs: Bool

    init(_ isOurs: Bool, _ headers: [String: String]) {
      self.isOurs = isOurs
      self.headers = headers
    }

    var testDescription: String { "\(headers.sorted { $0.key < $1.key })" }
  }

  private static let site = "Sec-Fetch-Site"

  static let cases: [Case] = [
    Case(true, [site: "same-origin"]),
    Case(true, [site: "none"]),
    Case(false, [site: "cross-site"]),
    Case(false, [site: "same-site"]),
    Case(false, [site: "Same-Origin"]),
    Case(false, [site: ""]),
    Case(false, [site: "cross-site", "Origin": "https://tapes.example"]),
    Case(true, [site: "same-origin", "Origin": "null"]),
    Case(true, ["Origin": "https://tapes.example"]),
    Case(true, ["Origin": "http://localhost"]),
    Case(true, ["Origin": "https://localhost"]),
    Case(false, ["Origin": "https://tapes.example.evil.example"]),
    Case(false, ["Origin": "https://evil.example"]),
    Case(false, ["Origin": "http://tapes.example"]),
    Case(false, ["Origin": "http://localhost:81"]),
    Case(false, ["Origin": "null"]),
    Case(false, ["Origin": ""]),
    Case(false, ["Referer": "https://tapes.example/"]),
    Case(false, [:]),
  ]

  @Test(arguments: cases)
  func `a change from a browser must come from a page of this server`(request: Case) async throws {
    try await WebFixture.run(WebFixture.Options(publicOrigin: "https://tapes.example")) { fixture in
      let session = try #require(fixture.sessions[.supervisorsBrowser])
      var headers = request.headers
      headers["Cookie"] = "__Host-tapedeck=\(session.secret)"
      for (method, path) in [(HTTPRequest.Method.post, "/ingest/r?wait=0"), (.delete, "/api/v1/tokens/none")] {
        let answer = try await fixture.send(method, path, headers: headers)
        if request.isOurs {
          #expect(answer.code != "cross_site_request", "\(path)")
          #expect(answer.status == (method == .post ? 202 : 403))
        } else {
          #expect(answer.status == 403)
          #expect(answer.code == "cross_site_request", "\(path)")
        }
      }
      // A link from another site works, as reading changes nothing.
      #expect(try await fixture.get("/api/v1/recordings", headers: headers).status == 200)
      #expect((try await fixture.catalog.job(of: try fixture.key("r")) != nil) == request.isOurs)
    }
  }

  @Test func `a program with a token may come from anywhere`() async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.post(
        "/ingest/r?wait=0", as: .agent, headers: [Self.site: "cross-site", "Origin": "https://evil.example"])
      #expect(answer.status == 202)
    }
  }

  @Test func `a form of a page needs the token of its session`() async throws {
    try await WebFixture.run { fixture in
      let csrf = try #require(fixture.sessions[.agentsBrowser]?.csrf)
      let others = try #require(fixture.sessions[.supervisorsBrowser]?.csrf)
      for path in ["/play/r/ingest", "/logout"] {
        for form in [[:], ["csrf": ""], ["csrf": "x"], ["csrf": others], ["csrf": csrf + "x"]] {
          let answer = try await fixture.post(path, as: .agentsBrowser, form: form)
          #expect(answer.code == "cross_site_request", "\(path)")
        }
      }
      #expect(try await fixture.catalog.job(of: try fixture.key("r")) == nil)
      let answer = try await fixture.post("/play/r/ingest", as: .agentsBrowser, form: ["csrf": csrf])
      #expect(answer.status == 303)
      #expect(answer.header("Location") == "/play/r")
      #expect(try await fixture.catalog.job(of: try fixture.key("r")) != nil)
      // An API token has no session, and so no form.
      #expect(try await fixture.post("/play/r/ingest", as: .agent, form: ["csrf": csrf]).status == 403)
      #expect(try await fixture.post("/logout", as: .agent, form: ["csrf": csrf]).status == 400)
    }
  }
}
