import Access
import Catalog
import HTTPTypes
import Model
import Testing

/// What the player remembers of a person, and the links from one call to the next.
@Suite(.timeLimit(.minutes(5)))
struct PreferenceTests {
  private func change(
    _ body: String, as visitor: WebFixture.Visitor, _ fixture: WebFixture
  ) async throws -> WebFixture.Answer {
    try await fixture.send(
      .patch, "/api/v1/preferences", as: visitor, headers: ["Content-Type": "application/json"], body: body)
  }

  @Test func `a change keeps the other preferences, and each identity has its own`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let none = try await fixture.get("/api/v1/preferences", as: .agentsBrowser)
      #expect(none.status == 200 && none.json.isEmpty)
      #expect(try await change(#"{"speed":1.5}"#, as: .agentsBrowser, fixture).status == 204)
      #expect(try await change(#"{"volume":0.25,"skipSilence":true}"#, as: .agentsBrowser, fixture).status == 204)
      #expect(try await change(#"{"speed":2,"other":1}"#, as: .supervisorsBrowser, fixture).status == 204)
      let own = try await fixture.get("/api/v1/preferences", as: .agentsBrowser).json
      #expect(own["speed"] as? Double == 1.5)
      #expect(own["volume"] as? Double == 0.25)
      #expect(own["skipSilence"] as? Bool == true)
      let page = try await fixture.page("/play/r", as: .agentsBrowser).text
      #expect(page.contains(#"data-speed="1.5" data-volume="0.25" data-skip"#))
      #expect(try await fixture.page("/play/r", as: .supervisorsBrowser).text.contains(#"data-speed="2.0""#))
    }
  }

  @Test(arguments: [
    #"{"speed":0.4}"#, #"{"speed":3.1}"#, #"{"speed":-1}"#, #"{"speed":"fast"}"#, #"{"volume":1.1}"#,
    #"{"volume":-0.1}"#, #"{"skipSilence":1}"#, #"{"timeZone":"Mars/Olympus"}"#, #"{"timeZone":1}"#,
    #"{"browserTimeZone":"browser"}"#, "[]", "",
  ])
  func `a value outside its range is refused`(body: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await change(body, as: .agentsBrowser, fixture)
      #expect(answer.status == 400)
      let kept = try await fixture.get("/api/v1/preferences", as: .agentsBrowser)
      #expect(kept.json.isEmpty)
    }
  }

  @Test func `the page of a call links to its neighbours in the list it was opened from`() async throws {
    try await WebFixture.run { fixture in
      let start = Instant(milliseconds: 1_700_000_000_000)
      for (number, agent) in ["Anna Müller", "Bert", "Anna Müller", "Anna Müller"].enumerated() {
        try await fixture.archive(
          try fixture.facts("call-\(number)") {
            $0.startTime = start + .seconds(-60 * number)
            $0.agentName = agent
          })
      }
      let list = try await fixture.page("/?agent=Anna+M%C3%BCller", as: .agentsBrowser).text
      let address = "/play/call-2?list=agent%3DAnna%2520M%25C3%25BCller"
      #expect(list.contains("href=\"\(address)\""))
      #expect(list.firstMatch(of: /[0-9]+ recordings on this page, newest first/) != nil)
      let page = try await fixture.page(address, as: .agentsBrowser).text
      #expect(page.contains(#"href="/?agent=Anna%20M%C3%BCller" id="back-to-results""#))
      #expect(page.contains(#"href="/play/call-0?list=agent%3DAnna%2520M%25C3%25BCller" id="newer-call""#))
      #expect(page.contains(#"href="/play/call-3?list=agent%3DAnna%2520M%25C3%25BCller" id="older-call""#))
      #expect(page.contains(">Newer call</a>") && page.contains(">Older call</a>"))
      let first = try await fixture.page("/play/call-0", as: .agentsBrowser).text
      #expect(!first.contains("id=\"newer-call\""))
      #expect(first.contains(#"href="/play/call-1" id="older-call""#))
      #expect(first.contains(#"href="/" id="back-to-results""#))
      // A list that was changed by hand.
      for list in ["status%3Dno-such-status", "%25", "to%3Dyesterday"] {
        let page = try await fixture.page("/play/call-1?list=\(list)", as: .agentsBrowser)
        #expect(page.status == 200)
        #expect(page.text.contains("href=\"/play/call-2"))
      }
    }
  }
}
