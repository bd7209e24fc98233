import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// The API of quarantined files.
@Suite(.timeLimit(.minutes(5)))
struct QuarantineTests {
  private func add(_ id: String, privacy: Privacy = .standard, to fixture: WebFixture) async throws {
    let key = try fixture.key(id)
    try await fixture.catalog.observe(try fixture.facts(id, privacy: privacy), of: key)
    try await fixture.catalog.addToQuarantine(
      key, because: TapedeckError(.incompleteRecording, "it was cut short"),
      content: ObjectContent(hash: ContentHash(rawValue: String(repeating: "ab", count: 32))!, bytes: 44),
      spoolID: "spool", node: "archive-2:/data/quarantine", file: id)
  }

  private func ids(_ answer: WebFixture.Answer) -> [String] {
    (answer.json["files"] as? [[String: Any]] ?? []).compactMap { $0["recordingId"] as? String }
  }

  @Test func `quarantined files are listed and shown to those who may see the recording`() async throws {
    try await WebFixture.run { fixture in
      try await add("a", to: fixture)
      try await add("secret", privacy: .restricted, to: fixture)
      try await add("b", to: fixture)
      #expect(ids(try await fixture.get("/api/v1/quarantine", as: .supervisor)) == ["b", "secret", "a"])
      #expect(ids(try await fixture.get("/api/v1/quarantine", as: .admin)) == ["b", "a"])
      #expect(try await fixture.get("/api/v1/quarantine", as: .agent).status == 403)
      let page = try await fixture.get("/api/v1/quarantine?limit=2", as: .supervisor)
      #expect(ids(page) == ["b", "secret"])
      let cursor = try #require(page.json["nextCursor"] as? String)
      #expect(ids(try await fixture.get("/api/v1/quarantine?limit=2&cursor=\(cursor)", as: .supervisor)) == ["a"])
      let shown = try await fixture.get("/api/v1/quarantine/1", as: .admin)
      #expect(shown.json["detail"] as? String == "it was cut short")
      #expect(shown.json["platformSeconds"] as? Int == 42)
      #expect(shown.json["node"] as? String == "archive-2:/data/quarantine")
      #expect(shown.json["path"] as? String == "/data/quarantine/a.bin")
      #expect(shown.json["state"] as? String == "kept")
      #expect(try await fixture.get("/api/v1/quarantine/2", as: .admin).status == 404)
      #expect(try await fixture.get("/api/v1/quarantine/x", as: .admin).status == 404)
    }
  }

  @Test func `the page lists files with reason, time and size for those who may see the recording`() async throws {
    try await WebFixture.run { fixture in
      let empty = try await fixture.page("/quarantine", as: .supervisorsBrowser)
      #expect(empty.status == 200 && empty.text.contains("No downloads in quarantine"))
      #expect(empty.text.contains("sample rate or length is not supported"))
      try await add("a", to: fixture)
      try await add("secret", privacy: .restricted, to: fixture)
      let page = try await fixture.page("/quarantine", as: .supervisorsBrowser).text
      for text in [
        "it was cut short", "44 bytes", "0:42", "archive-2:/data/quarantine", "2 files on this page",
        #"<a class="row-link" href="/play/secret"><bdi>secret</bdi></a>"#, "Undecided", "Restricted",
        #"<a href="/quarantine" aria-current="page">Quarantine</a>"#,
      ] { #expect(page.contains(text), "\(text)") }
      #expect(try await fixture.page("/quarantine", as: .agentsBrowser).status == 403)
      #expect(try await !fixture.page("/", as: .agentsBrowser).text.contains("/quarantine"))
      #expect(try await !fixture.get("/quarantine", as: .admin).text.contains("secret"))
      let row = try await fixture.catalog.quarantined(1, visibleTo: .everything)
      try await fixture.catalog.discardQuarantined(
        1, reason: "silence <b>", by: "user-1",
        entry: LogEntry(
          at: row.quarantinedAt, action: .discardQuarantined, outcome: .allowed, actor: nil, recording: row.key))
      #expect(try await !fixture.page("/quarantine", as: .supervisorsBrowser).text.contains("Discarded"))
      let decided = try await fixture.page("/quarantine?decided=1", as: .supervisorsBrowser).text
      #expect(decided.contains("Discarded") && decided.contains("silence &lt;b&gt;"))
      #expect(try await fixture.logged(.list).first?.details["of"] == "quarantine")
    }
  }

  @Test func `the page of a refused recording leads to its file, and only those who decide can try again`()
    async throws
  {
    try await WebFixture.run { fixture in
      let lease = try await fixture.leased(try fixture.key("b"))
      try await fixture.catalog.release(lease, .fail(TapedeckError(.incompleteRecording)))
      try await add("a", to: fixture)
      let button = #"<button class="primary">Try again</button>"#
      let without = try await fixture.page("/play/b", as: .supervisorsBrowser).text
      #expect(without.contains(button) && !without.contains("/quarantine?"))
      // Without a file, or after it was discarded, there is nothing to decide.
      let free = try await fixture.page("/play/b", as: .agentsBrowser).text
      #expect(free.contains(button) && !free.contains("Ask a supervisor"))
      try await add("b", to: fixture)
      let page = try await fixture.page("/play/b", as: .supervisorsBrowser).text
      #expect(page.contains(#"<a href="/quarantine?cursor=3#file-2">show it in Quarantine</a>"#))
      #expect(page.contains(button) && !page.contains("Ask a supervisor"))
      let list = try await fixture.page("/quarantine?cursor=3", as: .supervisorsBrowser).text
      #expect(list.contains(#"<tr data-row id="file-2">"#))
      #expect(list.contains("ask the operator of the server") && list.contains("use the API"))
      let agents = try await fixture.page("/play/b", as: .agentsBrowser).text
      #expect(agents.contains("Ask a supervisor") && !agents.contains(button) && !agents.contains("/quarantine"))
      let other = try await fixture.leased(try fixture.key("c"))
      try await fixture.catalog.release(other, .fail(TapedeckError(.platformUnavailable)))
      let temporary = try await fixture.page("/play/c", as: .agentsBrowser).text
      #expect(temporary.contains(button) && !temporary.contains("Ask a supervisor"))
    }
  }

  @Test func `the page of many files continues`() async throws {
    try await WebFixture.run { fixture in
      for number in 0..<101 { try await add("call-\(number)", to: fixture) }
      let first = try await fixture.page("/quarantine", as: .supervisorsBrowser).text
      #expect(first.contains("100 files on this page") && first.contains(#"href="/quarantine?cursor=2">Older</a>"#))
      let second = try await fixture.page("/quarantine?cursor=2", as: .supervisorsBrowser).text
      #expect(
        second.contains("1 file on this page") && second.contains("/play/call-0") && second.contains("Newest</a>"))
    }
  }

  @Test(arguments: ["accept", "discard"]) func `a decision needs a reason`(decision: String) async throws {
    try await WebFixture.run { fixture in
      try await add("a", to: fixture)
      let long = String(repeating: "x", count: 1001)
      for body in [#"{"reason":""}"#, #"{"reason":"  "}"#, "{}", #"{"reason":"\#(long)"}"#] {
        let answer = try await fixture.send(
          .post, "/api/v1/quarantine/1/\(decision)", as: .supervisor, headers: ["Content-Type": "application/json"],
          body: body)
        #expect(answer.status == 400, "\(body)")
        #expect(answer.text.contains("The reason is too long") == body.contains("xx"), "\(body)")
      }
    }
  }

  @Test func `a discarded file is logged with its reason and is listed only on request`() async throws {
    try await WebFixture.run { fixture in
      try await add("a", to: fixture)
      let row = try await fixture.catalog.quarantined(1, visibleTo: .everything)
      try await fixture.catalog.discardQuarantined(
        1, reason: "silence", by: "user-1",
        entry: LogEntry(
          at: row.quarantinedAt, action: .discardQuarantined, outcome: .allowed, actor: nil, recording: row.key,
          details: ["reason": "silence"]))
      #expect(ids(try await fixture.get("/api/v1/quarantine", as: .admin)).isEmpty)
      let decided = try await fixture.get("/api/v1/quarantine?decided", as: .admin)
      #expect(ids(decided) == ["a"])
      #expect(try await fixture.get("/api/v1/quarantine/1", as: .admin).json["reason"] as? String == "silence")
      #expect(try await fixture.logged(.discardQuarantined).first?.details["reason"] == "silence")
    }
  }

  @Test func `page, list and coverage say that a recording was accepted despite its failure`() async throws {
    try await WebFixture.run { fixture in
      for id in ["cut", "sound"] { try await fixture.archive(try fixture.facts(id), original: Array(id.utf8)) }
      let (row, parts) = try #require(try await fixture.catalog.archived(try fixture.key("cut")))
      try await fixture.catalog.addToQuarantine(
        row.key, because: TapedeckError(.incompleteRecording, "it was <cut> short"),
        content: ObjectContent(hash: parts[0].sourceHash, bytes: 3), spoolID: "spool", node: "a:/q", file: "cut")
      _ = try await fixture.database.write { db in
        try db.execute(
          """
          UPDATE quarantine SET state = 'accepted', quarantined_at = 1000, decided_at = 2000,
            decided_by = 'operator:root', decision = 'Checked by ear.'
          """)
        try db.execute("UPDATE recording SET wanted = 1, counted_at = started_at")
      }
      let badge = #"<span class="tag warn">Accepted despite failure</span>"#
      let page = try await fixture.page("/play/cut", as: .supervisorsBrowser).text
      #expect(page.contains(badge) && !page.contains("checked for integrity"))
      #expect(page.contains("The file was refused on <time datetime=\"1970-01-01T00:00:01Z\""))
      #expect(
        page.contains(
          "with the finding “<bdi>it was &lt;cut&gt; short</bdi>” and was accepted by <bdi>operator:root</bdi> on "))
      #expect(page.contains("with the reason “<bdi>Checked by ear.</bdi>”."))
      let sound = try await fixture.page("/play/sound", as: .supervisorsBrowser).text
      #expect(sound.contains(", checked for integrity and archived on") && !sound.contains(badge))
      let list = try await fixture.page("/", as: .supervisorsBrowser).text
      #expect(list.components(separatedBy: badge).count == 2)
      let start = try #require(row.facts.startTime)
      let day = CalendarDay(containing: start, in: .utc)
      let query = "from=\(day)&to=\(day)"
      let answer = try await fixture.get("/api/v1/coverage?\(query)", as: .supervisor)
      let total = try #require(answer.json["total"] as? [String: Any])
      #expect(total["ready"] as? Int == 2 && total["accepted"] as? Int == 1)
      let coverage = try await fixture.page("/coverage?\(query)", as: .supervisorsBrowser).text
      #expect(coverage.contains("1 accepted despite failure"))
    }
  }
}
