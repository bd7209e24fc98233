import Catalog
import Foundation
import HTTPTypes
import Model
import ObjectStorage
import SystemPackage
import Testing

/// What all responses have in common.
@Suite(.timeLimit(.minutes(5)))
struct EnvelopeTests {
  static let paths = [
    "/", "/login", "/livez", "/readyz", "/assets/page.js", "/assets/none", "/none", "/play/r", "/play/none",
    "/audio/r.mp3",
    "/audio/none.mp3", "/audio/r", "/api/v1/recordings", "/api/v1/recordings/none", "/api/v1/jobs/1", "/api/v1/jobs/x",
    "/api/v1/jobs/99999999999999999999", "/audit", "/metrics", "/ingest/r", "/play/%2e%2e",
  ]

  @Test(arguments: WebFixture.Visitor.allCases)
  func `every response has the security headers, errors too`(visitor: WebFixture.Visitor) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      var ids: Set<String> = []
      for path in Self.paths {
        for accept in ["*/*", "text/html"] {
          let answer = try await fixture.get(path, as: visitor, headers: ["Accept": accept])
          #expect(answer.header("X-Content-Type-Options") == "nosniff", "\(path)")
          let policy = try #require(answer.header("Content-Security-Policy"), "\(path)")
          #expect(policy.hasPrefix("default-src 'none'; script-src 'self'; "))
          #expect(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"))
          #expect(!policy.contains("unsafe"))
          #expect(answer.header("X-Frame-Options") == "DENY")
          #expect(answer.header("Referrer-Policy") == "no-referrer")
          #expect(answer.header("Cross-Origin-Resource-Policy") == "same-origin")
          #expect(answer.header("Cross-Origin-Opener-Policy") == "same-origin")
          ids.insert(try #require(answer.header("X-Request-Id")))
          #expect(answer.status < 500, "\(path)")
          // Only scripts and styles may be cached.
          let cache = answer.header("Cache-Control") ?? ""
          #expect(cache.contains("no-store") || path.hasPrefix("/assets/"), "\(path): \(cache)")
          // Every error outside of a page has its code.
          if answer.status >= 400, answer.header("Content-Type")?.hasPrefix("text/html") != true {
            #expect(answer.header("Content-Type") == "application/problem+json", "\(path)")
            #expect(answer.json["status"] as? Int == answer.status)
            #expect(TapedeckError.Code(rawValue: answer.code ?? "") != nil)
            #expect(answer.json["requestId"] as? String == answer.header("X-Request-Id"))
            #expect((answer.json["title"] as? String)?.isEmpty == false)
          }
        }
      }
      #expect(ids.count == 2 * Self.paths.count)
    }
  }

  @Test(arguments: [nil, "http://tapes.example", "https://tapes.example"])
  func `browsers are told to use https only when the public address does`(origin: String?) async throws {
    try await WebFixture.run(WebFixture.Options(publicOrigin: origin)) { fixture in
      for path in Self.paths {
        let header = try await fixture.get(path, as: .supervisor).header("Strict-Transport-Security")
        #expect(header == (origin?.hasPrefix("https") == true ? "max-age=31536000" : nil), "\(path)")
      }
    }
  }

  @Test func `a browser gets an error as a page with its session`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      let denied = try await fixture.page("/play/secret", as: .agentsBrowser)
      #expect(denied.status == 403)
      #expect(denied.header("Content-Type") == "text/html; charset=utf-8")
      #expect(denied.text.contains("Only supervisors can play restricted recordings"))
      #expect(denied.text.contains(try #require(denied.header("X-Request-Id"))))
      #expect(denied.text.contains("agent-anna"))
      #expect(denied.text.contains(#"href="/">Back to recordings"#))
      let csrf = try #require(fixture.sessions[.agentsBrowser]?.csrf)
      #expect(denied.text.contains(csrf), "the sign-out form of an error page must work")
      let program = try await fixture.get("/play/secret", as: .agentsBrowser, headers: ["Accept": "*/*"])
      #expect(program.header("Content-Type") == "application/problem+json")
      #expect(program.json["detail"] as? String == "Insufficient permissions")
      #expect(
        program.json["help"] as? String
          == "Only supervisors can play restricted recordings; if you need this one, give its address to a supervisor.")
    }
  }

  @Test(arguments: [
    ("/api/v1/audit", WebFixture.Visitor.agent, "Reading the access log requires the role supervisor or admin,"),
    ("/api/v1/accounts", .supervisor, "Managing accounts and tokens requires the role admin,"),
    ("/api/v1/recordings", .metrics, "Listing recordings requires the role agent, supervisor or admin,"),
    ("/api/v1/recordings/any", .metrics, "Seeing recordings requires the role agent, supervisor or admin,"),
    ("/metrics", .agent, "Reading metrics requires the role admin or metrics,"),
  ])
  func `a refusal names the missing permission and says who can help`(
    path: String, visitor: WebFixture.Visitor, help: String
  ) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.get(path, as: visitor)
      #expect(answer.status == 403 && answer.json["detail"] as? String == "Insufficient permissions")
      #expect(answer.json["help"] as? String == "\(help) which an admin can assign.")
    }
  }

  @Test func `unknown, unfinished and missing recordings have different codes`() async throws {
    try await WebFixture.run { fixture in
      _ = try await fixture.fetching(try fixture.facts("coming"))
      for id in ["coming", "unknown"] {
        let answer = try await fixture.get("/audio/\(id).mp3", as: .agent)
        #expect(answer.status == 404)
        #expect(answer.code == "audio_not_ready")
        #expect(answer.json["detail"] as? String == "Audio file not yet processed")
      }
      #expect(try await fixture.get("/api/v1/recordings/unknown", as: .agent).code == "unknown_recording")
      #expect(try await fixture.get("/audio/coming", as: .agent).code == "not_found")
      #expect(try await fixture.get("/api/v1/jobs/77", as: .agent).code == "not_found")
      try await fixture.archive(try fixture.facts("bare"), original: nil)
      let original = try await fixture.get("/audio/bare/original", as: .agent)
      #expect(original.status == 404)
      #expect((original.json["detail"] as? String)?.contains("/audio/bare.mp3") == true)
    }
  }

  @Test func `a missing file of the archive is unavailable`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("r"))
      for folder in ObjectFolder.all {
        for object in try await fixture.store.objects(in: folder) {
          try await fixture.store.quarantine(object.name, because: "")
        }
      }
      let answer = try await fixture.get("/audio/r.mp3", as: .agent)
      #expect(answer.status == 503)
      #expect(answer.json["detail"] as? String == "The MP3 is missing.")
      #expect(answer.code == "object_missing")
      #expect(!answer.text.contains(fixture.folder.string))
      #expect(job.runState == .done)
    }
  }

  @Test func `readiness shows what is wrong`() async throws {
    let options = WebFixture.Options(readiness: { ["The disk is nearly full."] })
    try await WebFixture.run(options) { fixture in
      let answer = try await fixture.get("/readyz")
      #expect(answer.status == 503)
      #expect(answer.text.contains("The disk is nearly full."))
      #expect(try await fixture.get("/livez").status == 200)
    }
  }

  @Test(arguments: [
    "/audit?limit=0", "/audit?limit=x", "/audit?cursor=x", "/audit?what=x", "/audit?from=x", "/audit?recording=%00",
    "/api/v1/audit?outcome=no", "/api/v1/audit?limit=1001", "/api/v1/audit?source=No&recording=r",
    "/api/v1/recordings?limit=0", "/api/v1/recordings?limit=501", "/api/v1/recordings?limit=99999999999999999999",
    "/api/v1/recordings?direction=up", "/api/v1/recordings?privacy=x", "/api/v1/recordings?status=x",
    "/api/v1/recordings?source=No", "/api/v1/recordings?from=2026-13-01", "/api/v1/recordings?to=tomorrow",
    "/?direction=up", "/?cursor=%2e%2e",
  ])
  func `a malformed parameter is a bad request`(path: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.get(path, as: .supervisor)
      #expect(answer.status == 400)
      #expect(["invalid_request", "invalid_recording_id"].contains(answer.code))
    }
  }
}
