import Access
import Catalog
import HTTPTypes
import Model
import TestKit
import Testing
import Web

/// Listening: what was sent, and what the player reports as heard. The recording of the fixture lasts 42.25 s.
@Suite(.timeLimit(.minutes(5)))
struct HeardTests {
  private func report(
    _ path: String, _ visitor: WebFixture.Visitor, _ body: String, _ fixture: WebFixture
  ) async throws -> WebFixture.Answer {
    try await fixture.send(.post, path, as: visitor, headers: ["Content-Type": "application/json"], body: body)
  }

  @Test func `opening a page logs a view and no listening`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let page = try await fixture.page("/play/r", as: .supervisorsBrowser)
      #expect(page.text.contains("preload=\"none\""))
      #expect(page.text.contains("No playback has been reported yet."))
      #expect(try await fixture.logged(.view).count == 1)
      let agents = try await fixture.page("/play/r", as: .agentsBrowser)
      #expect(agents.text.contains("You have not played this recording."))
      #expect(!agents.text.contains("No playback has been reported yet."))
      #expect(try await fixture.logged(.listen).isEmpty)
    }
  }

  @Test func `the page says how often a recording was played and downloaded without a report of passages`()
    async throws
  {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      _ = try await fixture.get("/audio/r.mp3", as: .agent)
      let started = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(started.contains("No passages have been reported. Played once."))
      for _ in 0..<2 { _ = try await fixture.get("/audio/r.mp3?download", as: .agentsBrowser) }
      let all = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(all.contains("No passages have been reported. Played once, downloaded 2 times."))
      #expect(all.contains(#"See the <a href="/audit?recording=r&amp;source=default">access log</a>."#))
      let own = try await fixture.page("/play/r", as: .agentsBrowser).text
      #expect(own.contains("No passages have been reported. You downloaded the recording 2 times."))
      #expect(!own.contains("/audit"))
      let passages = #"{"passages":[{"from":5,"to":7}]}"#
      _ = try await report("/api/v1/recordings/r/heard", .supervisorsBrowser, passages, fixture)
      let heard = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(heard.contains("newest first. Played once, downloaded 2 times."))
      #expect(heard.contains("<td><bdi>supervisor-anna</bdi></td>"))
    }
  }

  @Test func `a token is shown as a token, whatever it reports`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let passages = #"{"passages":[{"from":5,"to":7}]}"#
      #expect(try await report("/api/v1/recordings/r/heard", .agent, passages, fixture).status == 204)
      let page = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(page.contains("<td><bdi>token token-agent</bdi></td>"))
      let log = try await fixture.page("/audit?what=audio_heard", as: .supervisorsBrowser).text
      #expect(log.contains("<bdi>token token-agent</bdi>"))
    }
  }

  @Test func `the bytes that were sent are logged when the server stops`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      _ = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=0-1"])
      _ = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=2-5"])
      try await fixture.services.listening.flush(isFinal: true)
      let sent = try #require(try await fixture.logged(.audioSent).first)
      #expect(sent.count == 6)
      #expect(sent.details["requests"] == "2")
      #expect(sent.actor?.name == "token-agent")
    }
  }

  @Test func `a report that is sent again is logged once`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let path = "/api/v1/recordings/r/heard"
      func body(_ id: String) -> String { #"{"passages":[{"from":1,"to":9}],"report":"\#(id)"}"# }
      for _ in 0..<2 {
        #expect(try await report(path, .supervisorsBrowser, body("one"), fixture).status == 204)
      }
      #expect(try await fixture.logged(.audioHeard).count == 1)
      // The same passage in another report was heard again, and an ID belongs to one identity.
      #expect(try await report(path, .supervisorsBrowser, body("two"), fixture).status == 204)
      #expect(try await report(path, .agentsBrowser, body("one"), fixture).status == 204)
      #expect(try await fixture.logged(.audioHeard).count == 3)
      for id in ["", "a b", String(repeating: "a", count: 65)] {
        #expect(try await report(path, .supervisorsBrowser, body(id), fixture).code == "invalid_request", "\(id)")
      }
    }
  }

  @Test func `an ID of an earlier report with other passages is refused`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let path = "/api/v1/recordings/r/heard"
      func body(_ count: Int) -> String {
        // Many passages, whose text is shortened in the log.
        let passages = (0..<count).map { #"{"from":\#(Double($0) / 5),"to":\#(Double($0) / 5 + 0.1)}"# }
        return #"{"passages":[\#(passages.joined(separator: ","))],"report":"one"}"#
      }
      #expect(try await report(path, .agentsBrowser, body(150), fixture).status == 204)
      #expect(try await report(path, .agentsBrowser, body(150), fixture).status == 204)
      #expect(try await report(path, .agentsBrowser, body(2), fixture).code == "invalid_request")
      #expect(try await fixture.logged(.audioHeard).count == 1)
    }
  }

  @Test func `a report of audio that was not sent says so`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let path = "/api/v1/recordings/r/heard"
      let passages = #"{"passages":[{"from":5,"to":7}]}"#
      // What others receive does not count, nor what was only described.
      _ = try await fixture.get("/audio/r.mp3", as: .supervisorsBrowser)
      _ = try await fixture.send(.head, "/audio/r.mp3", as: .agentsBrowser)
      #expect(try await report(path, .agentsBrowser, passages, fixture).status == 204)
      #expect(try await fixture.logged(.audioHeard).first?.details["sent"] == "no audio was sent")
      let page = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(page.contains("<td>0:05–0:07 (no audio was sent)</td>"))
      let log = try await fixture.page("/audit?what=audio_heard", as: .supervisorsBrowser).text
      #expect(log.contains("heard: 0:05–0:07 · no audio was sent"))
      _ = try await fixture.get("/audio/r.mp3", as: .agentsBrowser)
      #expect(try await report(path, .agentsBrowser, passages, fixture).status == 204)
      let sent = try await fixture.logged(.audioHeard).filter { $0.details["sent"] == nil }
      #expect(sent.count == 1)
    }
  }

  @Test(arguments: [
    (#"{"passages":[{"from":12,"to":40.04}]}"#, "12.0-40.0", 28),
    (#"{"passages":[{"from":30,"to":40},{"from":0.04,"to":5}]}"#, "0.0-5.0,30.0-40.0", 15),
    (#"{"passages":[{"from":1,"to":9},{"from":2,"to":3},{"from":9,"to":10.5}]}"#, "1.0-10.5", 10),
    (#"{"passages":[{"from":40,"to":44.2}],"more":1}"#, "40.0-44.2", 4),
  ])
  func `a report is logged as passages of the player`(body: String, text: String, seconds: Int64) async throws {
    try await WebFixture.run { fixture in
      let key = try await fixture.archive(try fixture.facts("r")).key
      _ = try await fixture.get("/audio/r.mp3", as: .supervisorsBrowser)
      let answer = try await report("/api/v1/recordings/r/heard", .supervisorsBrowser, body, fixture)
      #expect(answer.status == 204)
      let entry = try #require(try await fixture.logged(.audioHeard).first)
      #expect(entry.details == ["passages": text, "reportedBy": "player"])
      #expect(entry.count == seconds)
      #expect(entry.recording == key)
      #expect(entry.actor?.name == "supervisor-anna")
    }
  }

  @Test(arguments: [
    #"{"passages":[]}"#, #"{"passages":[{"from":-1,"to":4}]}"#, #"{"passages":[{"from":5,"to":5}]}"#,
    #"{"passages":[{"from":9,"to":5}]}"#, #"{"passages":[{"from":1,"to":45}]}"#,
    #"{"passages":[{"from":1,"to":1e300}]}"#,
    #"{"passages":[{"from":null,"to":4}]}"#, #"{"passages":[{"from":"1","to":4}]}"#, #"{"passages":{}}"#, "{}", "[]",
    "",
    #"{"passages":["# + Array(repeating: #"{"from":1,"to":2}"#, count: 201).joined(separator: ",") + "]}",
  ])
  func `a report that cannot be true is refused and not logged`(body: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let answer = try await report("/api/v1/recordings/r/heard", .agent, body, fixture)
      #expect(answer.status == 400)
      #expect(try await fixture.logged(.audioHeard).isEmpty)
    }
  }

  @Test func `a report about a restricted recording is denied to agents`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      let body = #"{"passages":[{"from":1,"to":2}]}"#
      #expect(try await report("/api/v1/recordings/secret/heard", .agent, body, fixture).status == 403)
      let entry = try #require(try await fixture.logged(.audioHeard).first)
      #expect(entry.outcome == .denied)
      #expect(entry.details["passages"] == nil)
      #expect(try await report("/api/v1/recordings/none/heard", .supervisor, body, fixture).status == 404)
    }
  }

  @Test func `the page shows supervisors all passages, and others their own`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let mine = #"{"passages":[{"from":12,"to":40},{"from":1,"to":3}]}"#
      let other = #"{"passages":[{"from":5,"to":7}]}"#
      _ = try await report("/api/v1/recordings/r/heard", .agentsBrowser, mine, fixture)
      _ = try await report("/api/v1/recordings/r/heard", .supervisorsBrowser, other, fixture)
      let all = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(all.contains("0:01–0:03, 0:12–0:40"))
      #expect(all.contains("0:05–0:07"))
      let own = try await fixture.page("/play/r", as: .agentsBrowser).text
      #expect(own.contains("0:01–0:03, 0:12–0:40"))
      #expect(!own.contains("0:05–0:07"))
      let log = try await fixture.page("/audit?what=audio_heard", as: .supervisorsBrowser).text
      #expect(log.contains("28 seconds") || log.contains("30 seconds"))
      #expect(log.contains("heard: 0:01–0:03, 0:12–0:40"))
      #expect(log.contains("reported by the player"))
    }
  }
}
