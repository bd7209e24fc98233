import Access
import Catalog
import Foundation
import HTTPTypes
import Model
import TestKit
import Testing
import Web

/// Nothing is disclosed before its log entry is committed.
@Suite(.timeLimit(.minutes(5)))
struct AccessLogTests {
  @Test func `each action has its log entry`() async throws {
    try await WebFixture.run { fixture in
      let key = try await fixture.archive(try fixture.facts("r")).key
      _ = try await fixture.get("/api/v1/recordings?q=Anna&limit=7", as: .agent)
      let list = try #require(try await fixture.logged(.list).first)
      #expect(list.details == ["q": "Anna", "limit": "7"])
      #expect(list.count == 1)
      #expect(list.actor?.name == "token-agent")

      _ = try await fixture.get("/api/v1/recordings/r", as: .agent)
      #expect(try await fixture.logged(.view).first?.recording == key)
      _ = try await fixture.page("/play/r", as: .supervisorsBrowser)
      #expect(try await fixture.logged(.view).first?.actor?.name == "supervisor-anna")

      let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["User-Agent": "Player/1"])
      let listen = try #require(try await fixture.logged(.listen).first)
      #expect(listen.recording == key)
      #expect(listen.origin?.userAgent == "Player/1")
      #expect(listen.origin?.requestID == answer.header("X-Request-Id"))

      _ = try await fixture.get("/audio/r/original?download", as: .agent, headers: ["Range": "bytes=0-3"])
      let download = try #require(try await fixture.logged(.download).first)
      #expect(download.details == ["file": "original"])
      #expect(download.count == 4)

      _ = try await fixture.get("/api/v1/audit?who=token-agent", as: .supervisor)
      let read = try #require(try await fixture.logged(.readLog).first)
      #expect(read.details == ["who": "token-agent"])
      #expect(try #require(read.count) > 0)
    }
  }

  @Test func `the page says what each entry is about`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for path in [
        "/api/v1/recordings", "/api/v1/jobs", "/api/v1/quarantine", "/api/v1/notices",
        "/api/v1/recordings.csv", "/api/v1/audit.csv", "/api/v1/recordings/r",
      ] {
        #expect(try await fixture.get(path, as: .supervisor).status == 200, "\(path)")
      }
      _ = try await fixture.get("/api/v1/accounts", as: .agent)
      let page = try await fixture.page("/audit", as: .supervisorsBrowser).text
      let cells = page.matches(of: /<td class="what">([^<]+)/).map { String($0.1).trimmingCharacters(in: .whitespaces) }
      for title in [
        "Listed recordings", "Listed jobs", "Listed quarantined files", "Listed notices", "Exported recordings",
        "Exported the access log", "Viewed a recording", "Requested a page or API address",
      ] {
        #expect(cells.count { $0 == title } == 1, "\(title) in \(cells)")
      }
      // An entry without a recording leaves nothing in its cell, which a narrow window then leaves out.
      #expect(page.contains(#"<td class="recording"></td>"#))
      let filtered = try await fixture.page("/audit?what=read_log&outcome=allowed", as: .supervisorsBrowser).text
      #expect(filtered.contains("<bdi>Action: Read the access log</bdi>"))
      #expect(filtered.contains("<bdi>Outcome: Allowed</bdi>"))
    }
  }

  @Test(arguments: [
    ("operator:root", true), ("operator:0", true), ("operator:no-such-user", false), ("operator:", false),
    ("root", false),
  ])
  func `an operator is found by the name that entries show and by the id`(who: String, isFound: Bool) async throws {
    try await WebFixture.run { fixture in
      try await fixture.catalog.log([
        LogEntry(
          at: .systemNow(), action: .cancelJob, outcome: .allowed,
          actor: Identity(kind: .operator, id: "operator:0", name: "operator:root", role: .admin))
      ])
      let path = "/api/v1/audit?what=cancel_job&who=\(WebFixture.encoded(who))"
      let found = try await fixture.get(path, as: .supervisor).json["entries"] as? [[String: Any]]
      #expect(found?.count == (isFound ? 1 : 0))
      let page = try await fixture.page(
        "/audit?what=cancel_job&who=\(WebFixture.encoded(who))", as: .supervisorsBrowser)
      #expect(page.text.contains("1 entry on this page, newest first") == isFound)
    }
  }

  @Test func `a name that no account or token has is said, and other filters without entries are not`() async throws {
    try await WebFixture.run { fixture in
      let unknown = try await fixture.get("/api/v1/audit?who=Alex", as: .supervisor)
      #expect(unknown.status == 200 && unknown.json["notice"] as? String == "No account or token is named 'Alex'.")
      let page = try await fixture.page("/audit?who=%3Cb%3E", as: .supervisorsBrowser).text
      #expect(page.contains("No account or token is named &#39;&lt;b&gt;&#39;."))
      for who in ["agent-anna", "AGENT-ANNA", "token token-admin", "operator:root"] {
        let path = "audit?what=cancel_job&who=\(WebFixture.encoded(who))"
        let known = try await fixture.get("/api/v1/\(path)", as: .supervisor).json
        #expect(known["notice"] == nil && (known["entries"] as? [Any])?.isEmpty == true, "\(who)")
        #expect(try await fixture.page("/\(path)", as: .supervisorsBrowser).text.contains("No entries match"), "\(who)")
      }
    }
  }

  @Test(arguments: ["a" + String(repeating: "\u{301}", count: 2000), String(repeating: "x", count: 5000), "日本語"])
  func `a request adds little text to the access log`(text: String) async throws {
    try await WebFixture.run { fixture in
      let encoded = WebFixture.encoded(text)
      _ = try await fixture.get("/api/v1/recordings?q=\(encoded)", as: .agent, headers: ["User-Agent": text])
      let list = try #require(try await fixture.logged(.list).first)
      #expect(list.details["q"] == text.shortened(toBytes: 500))
      #expect(list.origin?.userAgent.map { $0.utf8.count <= 200 } == true)
      let path = "/accounts/\(encoded)"
      let denied = try await fixture.page(path, as: .agentsBrowser)
      #expect(denied.status == 403)
      let address = try #require(try await fixture.logged(.view, .denied).first?.details["address"])
      #expect(address == path.shortened(toBytes: 500))
    }
  }

  @Test(arguments: ["GET /play/", "GET /audio/", "POST /ingest/", "GET /api/v1/recordings/", "GET /play/west~"])
  func `a token in the place of an id is neither logged nor sent`(request: String) async throws {
    try await WebFixture.run { fixture in
      let method: HTTPRequest.Method = request.hasPrefix("POST") ? .post : .get
      let path = request.drop { $0 != "/" }
      let token = try #require(fixture.tokens[.supervisor])
      let suffix = path.hasPrefix("/audio") ? ".mp3" : ""
      let answer = try await fixture.send(method, path + token + suffix, as: .supervisor)
      #expect(answer.status == 400 && answer.code == "invalid_recording_id")
      #expect(!answer.text.contains(token))
      let stored = try await fixture.database.read { db in
        try db.rows(
          """
          SELECT CAST(canonical AS TEXT) AS text FROM log_entry UNION ALL SELECT detail FROM log_detail
          UNION ALL SELECT platform_id FROM job
          """
        ).map { try $0.text("text") }
      }
      #expect(!stored.isEmpty && stored.allSatisfy { !$0.contains(token) })
    }
  }

  @Test func `one listening session is one entry, however many ranges it takes`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<20 {
          group.addTask {
            try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=0-1"]).status
          }
        }
        for try await status in group { #expect(status == 206) }
      }
      #expect(try await fixture.logged(.listen).count == 1)
      _ = try await fixture.get("/audio/r/original", as: .agent)
      #expect(try await fixture.logged(.listen).count == 1)
      _ = try await fixture.get("/audio/r.mp3", as: .supervisor)
      #expect(try await fixture.logged(.listen).count == 2)
    }
  }

  @Test func `a response without sound begins no listening session`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      _ = try await fixture.send(.head, "/audio/r.mp3", as: .agent)
      _ = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=5000-"])
      _ = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["If-None-Match": "*"])
      _ = try await fixture.get("/audio/r/peaks", as: .agent)
      #expect(try await fixture.logged(.listen).isEmpty)
    }
  }

  @Test func `a waveform is part of the view of its page, and a view of its own without one`() async throws {
    let clock = TestClock()
    try await WebFixture.run(WebFixture.Options(now: { clock.now })) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      #expect(try await fixture.page("/play/r", as: .agent).status == 200)
      for _ in 0..<3 { #expect(try await fixture.get("/audio/r/peaks", as: .agent).status == 200) }
      #expect(try await fixture.logged(.view).count == 1)
      for _ in 0..<3 { #expect(try await fixture.get("/audio/r/peaks", as: .supervisor).status == 200) }
      let entries = try await fixture.logged(.view)
      #expect(entries.count == 2)
      #expect(entries.first?.details["part"] == "waveform" && entries.first?.actor?.name == "token-supervisor")
      clock.advance(by: .seconds(900))
      #expect(try await fixture.get("/audio/r/peaks", as: .agent).status == 200)
      #expect(try await fixture.logged(.view).count == 3)
    }
  }

  @Test func `a denial is logged`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      let denials: [(HTTPRequest.Method, String, LogEntry.Action)] = [
        (.get, "/audio/secret.mp3", .listen), (.head, "/audio/secret.mp3", .listen),
        (.get, "/audio/secret/original?download", .listen), (.get, "/audio/secret/peaks", .listen),
        (.get, "/play/secret", .view), (.get, "/api/v1/recordings/secret", .view),
        (.get, "/api/v1/jobs/\(job.id)", .view), (.post, "/ingest/secret", .ingest),
      ]
      for (method, path, action) in denials {
        let before = try await fixture.logged(action, .denied).count
        let answer = try await fixture.send(method, path, as: .agent)
        #expect(answer.status == 403)
        let entries = try await fixture.logged(action, .denied)
        #expect(entries.count == before + 1, "\(path)")
        #expect(entries.first?.recording == job.key)
        #expect(entries.first?.code == .insufficientPermissions)
        #expect(entries.first?.actor?.name == "token-agent")
      }
      let elsewhere: [(HTTPRequest.Method, String, LogEntry.Action)] = [
        (.get, "/api/v1/audit", .readLog), (.get, "/audit", .readLog), (.get, "/metrics", .view),
        (.get, "/api/v1/tokens", .view), (.delete, "/api/v1/tokens/x", .revokeToken),
      ]
      for (method, path, action) in elsewhere {
        let before = try await fixture.logged(action, .denied).count
        let answer = try await fixture.send(method, path, as: .agent)
        #expect(answer.status == 403)
        #expect(try await fixture.logged(action, .denied).count == before + 1, "\(path)")
      }
      _ = try await fixture.get("/", as: .metrics)
      #expect(try await fixture.logged(.list, .denied).count == 1)
    }
  }

  @Test func `requests without an identity are counted, not listed`() async throws {
    try await WebFixture.run { fixture in
      for _ in 0..<5 { _ = try await fixture.get("/api/v1/recordings") }
      _ = try await fixture.get("/audio/r.mp3", headers: ["Authorization": "Bearer tdk_guess"])
      #expect(try await fixture.logged(.anonymous).isEmpty)
      try await fixture.services.log.flush()
      #expect(try await fixture.logged(.anonymous).map(\.count) == [6])
    }
  }

  static let disclosures: [(HTTPRequest.Method, String)] = [
    (.get, "/"), (.get, "/api/v1/recordings"), (.get, "/api/v1/recordings/r"), (.get, "/play/r"),
    (.get, "/audio/r.mp3"),
    (.get, "/audio/r/original"), (.get, "/audio/r.mp3?download"), (.get, "/audio/r/peaks"), (.get, "/audit"),
    (.get, "/api/v1/audit"), (.get, "/api/v1/recordings.csv"), (.get, "/api/v1/audit.csv"),
  ]

  @Test(arguments: disclosures)
  func `when the log cannot be written nothing is disclosed`(method: HTTPRequest.Method, path: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: Array("the sound".utf8), original: Array("the sound".utf8))
      try await fixture.breakAccessLog()
      let answer = try await fixture.send(method, path, as: .supervisor)
      #expect(answer.status == 503)
      #expect(answer.code == "access_log_unavailable")
      #expect(!answer.text.contains("the sound") && !answer.text.contains("Anna Agent"))
    }
  }

  @Test func `a denial that cannot be logged is answered as an error`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      try await fixture.breakAccessLog()
      for path in [
        "/audio/secret.mp3", "/audio/secret/peaks", "/play/secret", "/api/v1/recordings/secret",
        "/api/v1/jobs/\(job.id)",
        "/api/v1/audit", "/metrics", "/api/v1/tokens",
      ] {
        let answer = try await fixture.get(path, as: .agent)
        #expect(answer.status == 503, "\(path)")
      }
    }
  }

  @Test func `when the log cannot be written no job is started`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.breakAccessLog()
      #expect(try await fixture.post("/ingest/new?wait=0", as: .agent).status >= 500)
      #expect(try await fixture.catalog.job(of: try fixture.key("new")) == nil)
      #expect(try await fixture.get("/livez").status == 200)
    }
  }
}
