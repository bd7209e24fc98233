import Catalog
import Foundation
import HTTPTypes
import Model
import Testing

/// Facts of restricted recordings must not leak anywhere.
@Suite(.timeLimit(.minutes(5)))
struct RestrictedLeakTests {
  typealias Visitor = WebFixture.Visitor

  private static let closedTo: [Visitor] = [.agent, .admin, .metrics, .agentsBrowser, .anonymous]

  /// Words that occur only in the facts of the restricted recording.
  private static let canaries = [
    "Zacharias", "z-agent", "Zskill", "Zcampaign", "555666777", "555666888", "z-contact", "zdisposition", "zteam",
    "Zwarning", "2026-03-02T11:22:33", "11:22:33", "1234.5", "20:34", "1234",
  ]

  private func prepare(_ fixture: WebFixture) async throws -> JobRow {
    try await fixture.archive(try fixture.facts("open-1") { $0.startTime = Instant(iso8601: "2026-03-02T09:00:00Z") })
    try await fixture.archive(try fixture.facts("open-2") { $0.startTime = Instant(iso8601: "2026-03-02T15:00:00Z") })
    return try await fixture.archive(
      try fixture.facts("closed-1", privacy: .restricted) { facts in
        facts.startTime = Instant(iso8601: "2026-03-02T11:22:33Z")
        facts.durationSeconds = 1234
        facts.direction = .inbound
        facts.agentID = "z-agent"
        facts.agentName = "Zacharias"
        facts.teamID = "zteam"
        facts.skillName = "Zskill"
        facts.campaignName = "Zcampaign"
        facts.fromAddress = "+555666777"
        facts.toAddress = "+555666888"
        facts.contactID = "z-contact"
        facts.disposition = "zdisposition"
      }, warning: "Zwarning")
  }

  /// The whole response, headers included, without the ID of the request: random digits can contain those of a fact.
  private func said(_ answer: WebFixture.Answer) -> String {
    let headers = answer.headers.map { "\($0.name): \($0.value)\n" }.joined()
    let id = answer.header("X-Request-Id") ?? "none"
    return (headers + answer.text).replacing(id, with: "")
  }

  @Test func `no route shows a fact of a restricted recording to readers who may not see it`() async throws {
    try await WebFixture.run { fixture in
      let job = try await prepare(fixture)
      let paths = [
        "/", "/?privacy=restricted", "/?status=ready", "/play/closed-1", "/audio/closed-1.mp3",
        "/audio/closed-1/original",
        "/audio/closed-1/peaks", "/api/v1/recordings", "/api/v1/recordings?privacy=restricted",
        "/api/v1/recordings?limit=1", "/api/v1/recordings?limit=2", "/api/v1/recordings/closed-1",
        "/api/v1/jobs/\(job.id)", "/metrics", "/readyz", "/coverage?from=2026-03-02&to=2026-03-02",
        "/api/v1/coverage?from=2026-03-02&to=2026-03-02",
      ]
      for visitor in Self.closedTo {
        for path in paths {
          for accept in ["*/*", "text/html"] {
            let answer = try await fixture.get(path, as: visitor, headers: ["Accept": accept])
            let text = said(answer)
            for canary in Self.canaries {
              #expect(!text.contains(canary), "\(visitor) reads '\(canary)' at \(path)")
            }
          }
        }
      }
      // A supervisor sees them, so the test would find them.
      let open = said(try await fixture.get("/api/v1/recordings/closed-1", as: .supervisor))
      #expect(open.contains("Zacharias") && open.contains("2026-03-02T11:22:33") && open.contains("Zwarning"))
    }
  }

  @Test func `a restricted recording is a row that names whom to ask`() async throws {
    try await WebFixture.run { fixture in
      _ = try await prepare(fixture)
      for visitor in [Visitor.agent, .admin] {
        let rows = try #require(
          try await fixture.get("/api/v1/recordings", as: visitor).json["recordings"] as? [[String: Any]])
        #expect(rows.map { $0["id"] as? String } == ["open-2", "closed-1", "open-1"])
        #expect(Set(rows[1].keys) == ["id", "source", "status", "privacy", "restrictedReason"])
        #expect(rows[1]["restrictedReason"] as? String == "Restricted: ask a supervisor")
      }
      let page = try await fixture.page("/", as: .agentsBrowser).text
      #expect(page.contains("Restricted: ask a supervisor"))
      #expect(!page.contains("/play/closed-1"))
    }
  }

  /// Searches whose result would reveal a hidden fact.
  static let questions = [
    "q=Zacharias", "q=zach", "q=555666777", "q=%2B555666777", "q=z-contact", "q=zdisposition", "q=Zskill", "q=closed-1",
    "agent=z-agent", "agent=Zacharias", "direction=inbound", "from=2026-03-02T11:22:33Z&to=2026-03-02T11:22:34Z",
    "from=2026-03-02T11:00:00Z&to=2026-03-02T12:00:00Z", "to=2026-03-02T11:22:34Z&from=2026-03-02T10:00:00Z",
    "from=2026-03-02&to=2026-03-02",
  ]

  @Test(arguments: questions)
  func `a search by hidden facts finds nothing, with any other filter`(question: String) async throws {
    try await WebFixture.run { fixture in
      _ = try await prepare(fixture)
      for extra in ["", "&privacy=restricted", "&status=ready", "&privacy=restricted&status=ready", "&source=default"] {
        let query = "?\(question)\(extra)"
        for visitor in [Visitor.agent, .admin, .agentsBrowser] {
          let answer = try await fixture.get("/api/v1/recordings\(query)", as: visitor)
          let rows = try #require(answer.json["recordings"] as? [[String: Any]])
          #expect(!rows.contains { $0["id"] as? String == "closed-1" }, "\(visitor): \(query)")
          let page = try await fixture.page("/\(query)", as: visitor)
          #expect(page.status == 200)
          #expect(!page.text.contains("Restricted: ask a supervisor"), "\(visitor): \(query)")
          // The log entry has the same count.
          #expect(try await fixture.logged(.list).first?.count == Int64(rows.count))
        }
        let known = try await fixture.get("/api/v1/recordings\(query)", as: .supervisor)
        #expect(known.text.contains("closed-1"), "\(query)")
      }
    }
  }

  @Test func `paging does not reveal when a restricted call began`() async throws {
    try await WebFixture.run { fixture in
      _ = try await prepare(fixture)
      // All three rows, one at a time.
      var cursor: String?
      var ids: [String] = []
      repeat {
        let query = cursor.map { "&cursor=\(WebFixture.encoded($0))" } ?? ""
        let page = try await fixture.get("/api/v1/recordings?limit=1\(query)", as: .agent).json
        ids += (page["recordings"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
        cursor = page["nextCursor"] as? String
      } while cursor != nil
      #expect(ids == ["open-2", "closed-1", "open-1"])
      // A moment, or anything else that no response contained, is refused as a cursor.
      for made in ["mmb0zqo0.2", "1772450553000.1", "nothing-like-it", "%00", "west~open-1"] {
        let answer = try await fixture.get("/api/v1/recordings?cursor=\(made)", as: .agent)
        #expect(answer.status == 400, "\(made)")
        #expect(answer.code == "invalid_request")
      }
    }
  }

  @Test func `the exact id of a restricted recording does not redirect`() async throws {
    try await WebFixture.run { fixture in
      _ = try await prepare(fixture)
      #expect(try await fixture.page("/?q=closed-1", as: .agentsBrowser).status == 200)
      let open = try await fixture.page("/?q=closed-1", as: .supervisorsBrowser)
      #expect(open.status == 303)
      #expect(open.header("Location") == "/play/closed-1")
    }
  }
}
