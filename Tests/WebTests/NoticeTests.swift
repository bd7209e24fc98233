import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// The API and the page of notices.
@Suite(.timeLimit(.minutes(5)))
struct NoticeTests {
  private func add(_ id: String, privacy: Privacy = .standard, to fixture: WebFixture) async throws {
    var facts = try fixture.facts(id, privacy: privacy)
    try await fixture.catalog.observe(facts, of: try fixture.key(id))
    facts.isAnonymized = true
    try await fixture.catalog.openNotices(for: [facts], of: .default)
  }

  private func ids(_ answer: WebFixture.Answer) -> [String] {
    (answer.json["notices"] as? [[String: Any]] ?? []).compactMap { $0["recordingId"] as? String }
  }

  private func close(
    _ id: Int, as visitor: WebFixture.Visitor, _ body: String, _ fixture: WebFixture
  ) async throws -> WebFixture.Answer {
    try await fixture.send(
      .post, "/api/v1/notices/\(id)/close", as: visitor, headers: ["Content-Type": "application/json"], body: body)
  }

  @Test func `notices are listed for those who may see the recording, and closed with a decision`() async throws {
    try await WebFixture.run { fixture in
      try await add("a", to: fixture)
      try await add("secret", privacy: .restricted, to: fixture)
      try await add("b", to: fixture)
      #expect(ids(try await fixture.get("/api/v1/notices", as: .supervisor)) == ["b", "secret", "a"])
      #expect(ids(try await fixture.get("/api/v1/notices", as: .admin)) == ["b", "a"])
      #expect(try await fixture.get("/api/v1/notices", as: .agent).status == 403)
      let page = try await fixture.get("/api/v1/notices?limit=2", as: .supervisor)
      let cursor = try #require(page.json["nextCursor"] as? String)
      #expect(ids(try await fixture.get("/api/v1/notices?limit=2&cursor=\(cursor)", as: .supervisor)) == ["a"])

      #expect(try await close(2, as: .admin, #"{"decision":"x"}"#, fixture).status == 404)
      #expect(try await close(1, as: .admin, #"{"decision":" "}"#, fixture).status == 400)
      let closed = try await close(1, as: .admin, #"{"decision":"Kept: hold 7."}"#, fixture)
      #expect(closed.status == 200 && closed.json["decision"] as? String == "Kept: hold 7.")
      #expect(try await close(1, as: .admin, #"{"decision":"x"}"#, fixture).status == 409)
      #expect(ids(try await fixture.get("/api/v1/notices", as: .supervisor)) == ["b", "secret"])
      #expect(ids(try await fixture.get("/api/v1/notices?closed", as: .admin)) == ["b", "a"])
      let entry = try #require(try await fixture.logged(.closeNotice).first { $0.outcome == .allowed })
      #expect(entry.recording == (try fixture.key("a")) && entry.details["reason"] == "Kept: hold 7.")
      #expect(entry.actor?.name == "token-admin")
      // The recording stays as it is.
      #expect(try await fixture.get("/api/v1/recordings/a", as: .supervisor).status == 200)
    }
  }

  @Test func `the page shows notices with a form, and the navigation has their number`() async throws {
    try await WebFixture.run { fixture in
      let empty = try await fixture.page("/notices", as: .supervisorsBrowser).text
      #expect(empty.contains("No open notices") && empty.contains(#"aria-current="page">Notices</a>"#))
      try await add("a", to: fixture)
      try await add("secret", privacy: .restricted, to: fixture)
      let count = #"<a href="/notices">Notices (2<span class="hidden-text"> open</span>)</a>"#
      #expect(try await fixture.page("/", as: .supervisorsBrowser).text.contains(count))
      #expect(try await !fixture.page("/", as: .agentsBrowser).text.contains("/notices"))
      #expect(try await fixture.page("/notices", as: .agentsBrowser).status == 403)
      let page = try await fixture.page("/notices", as: .supervisorsBrowser).text
      for text in [
        "2 notices on this page", #"<a class="row-link" href="/play/secret"><bdi>secret</bdi></a>"#, "Restricted",
        #"action="/notices/1/close""#,
      ] { #expect(page.contains(text), "\(text)") }

      let csrf = try #require(fixture.sessions[.supervisorsBrowser]?.csrf)
      let refused = try await fixture.post(
        "/notices/1/close", as: .supervisorsBrowser, form: ["csrf": "x", "decision": "y"])
      #expect(refused.status == 403)
      let bare = try await fixture.post(
        "/notices/1/close", as: .supervisorsBrowser, form: ["csrf": csrf, "decision": " "])
      #expect(bare.status == 400 && bare.text.contains("The decision is empty"))
      let done = try await fixture.post(
        "/notices/1/close", as: .supervisorsBrowser, form: ["csrf": csrf, "decision": "Kept <b>"])
      #expect(done.status == 303 && done.header("Location") == "/notices")
      #expect(try await fixture.page("/notices", as: .supervisorsBrowser).text.contains("Notices (1<span"))
      let closed = try await fixture.page("/notices?closed=1", as: .supervisorsBrowser).text
      #expect(closed.contains("Kept &lt;b&gt;") && closed.contains("Closed"))
    }
  }
}
