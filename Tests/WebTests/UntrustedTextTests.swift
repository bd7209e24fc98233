import Access
import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// Text of the platform and of callers that would deceive a reader or reveal a secret.
@Suite(.timeLimit(.minutes(5)))
struct UntrustedTextTests {
  // MARK: Control characters and direction

  private static let deceptive = "gpj.\u{202E}4711\u{2066}x\u{9B}y\u{7}z"
  private static let shown = "gpj.[U+202E]4711[U+2066]x[U+009B]y[U+0007]z"

  @Test func `pages show control characters and forced directions by name, and isolate text of the platform`()
    async throws
  {
    try await WebFixture.run { fixture in
      try await fixture.archive(
        try fixture.facts("r") {
          $0.contactID = Self.deceptive
          $0.agentName = "שרה \(Self.deceptive)"
          $0.skillName = Self.deceptive
          $0.toAddress = Self.deceptive
          $0.disposition = Self.deceptive
        }, warning: Self.deceptive)
      for path in ["/", "/play/r", "/audit", "/?agent=\(WebFixture.encoded(Self.deceptive))&q=nothing"] {
        let page = try await fixture.page(path, as: .supervisorsBrowser)
        #expect(page.status == 200)
        let isHidden: (Unicode.Scalar) -> Bool = {
          $0.value < 0x20 && $0 != "\n" && $0 != "\t" || (0x7F...0x9F).contains($0.value)
            || (0x202A...0x202E).contains($0.value) || (0x2066...0x2069).contains($0.value)
        }
        #expect(!page.text.unicodeScalars.contains(where: isHidden), "\(path)")
        if path != "/audit" { #expect(page.text.contains(Self.shown), "\(path)") }
      }
      let list = try await fixture.page("/", as: .supervisorsBrowser).text
      #expect(list.contains("<bdi>שרה \(Self.shown)</bdi>") && list.contains("<bdi>\(Self.shown)</bdi>"))
      let player = try await fixture.page("/play/r", as: .supervisorsBrowser).text
      #expect(player.contains("<bdi>contact \(Self.shown)</bdi>") && player.contains("<h1><bdi>שרה "))
    }
  }

  @Test func `programs get text as it is`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r") { $0.contactID = Self.deceptive })
      let answer = try await fixture.get("/api/v1/recordings/r", as: .supervisor)
      #expect(answer.json["contactId"] as? String == Self.deceptive)
    }
  }

  // MARK: Secrets

  static let secrets = [
    "tdk_canary123", "tdk%255Fcanary123", "tdk%25255Fcanary123", "tdks_canary-123", "whsec_canary123",
  ]

  private func entries(_ fixture: WebFixture) async throws -> String {
    let entries = try await fixture.catalog.logEntries(matching: LogFilter(), before: nil, limit: 1000)
    return entries.map { "\($0.entry) \(String(decoding: $0.canonical, as: UTF8.self))" }.joined()
  }

  @Test(arguments: secrets)
  func `a secret that is given as an id is neither answered nor stored`(secret: String) async throws {
    try await WebFixture.run { fixture in
      let requests: [(HTTPRequest.Method, String, Int)] = [
        (.post, "/ingest/\(secret)", 400), (.get, "/api/v1/recordings/\(secret)", 400),
        (.get, "/api/v1/recordings/eu~\(secret)", 400), (.get, "/play/\(secret)", 400),
        (.get, "/audio/\(secret).mp3", 400), (.post, "/api/v1/backfills/\(secret)/pause", 404),
        (.get, "/api/v1/coverage?source=\(secret)", secret.contains("%") ? 400 : 404),
        (.get, "/api/v1/audit?recording=\(secret)", 400),
        (.get, "/api/v1/recordings?agent=\(secret)", 200), (.delete, "/api/v1/tokens/\(secret)", 404),
        (.post, "/api/v1/accounts/\(secret)/disable", 404), (.get, "/api/v1/quarantine/\(secret)", 404),
        (.post, "/api/v1/notices/\(secret)/close", 404),
      ]
      for (method, path, status) in requests {
        let answer = try await fixture.send(method, path, as: .admin)
        #expect(answer.status == status, "\(path)")
        #expect(!answer.text.contains("anary"), "\(path)")
      }
      #expect(try await !entries(fixture).contains("anary"))
      #expect(try await fixture.database.read { db in try db.rows("SELECT platform_id FROM job").isEmpty })
    }
  }

  @Test func `the secret of a session is not stored when it is pasted`() async throws {
    try await WebFixture.run { fixture in
      let cookie = try await fixture.services.authenticator.signIn(
        name: "agent-anna", password: WebFixture.password, from: WebFixture.origin
      ).secret.text
      #expect(cookie.hasPrefix("tdks_"))
      for path in ["/api/v1/recordings/\(cookie)", "/api/v1/recordings?q=\(cookie)", "/?q=\(cookie)"] {
        _ = try await fixture.get(path, as: .supervisor)
      }
      #expect(try await !entries(fixture).contains(cookie.dropFirst(5)))
    }
  }
}
