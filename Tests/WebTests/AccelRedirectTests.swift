import Access
import Catalog
import Foundation
import HTTPTypes
import HummingbirdTesting
import Model
import ObjectStorage
import Testing
import Web

@Suite(.timeLimit(.minutes(5)))
struct AccelRedirectTests {
  private func options(_ proxies: String = "127.0.0.1") throws -> WebFixture.Options {
    // A real connection, since it depends on its peer.
    WebFixture.Options(proxies: try TrustedProxies(proxies), setup: .live, accelRedirect: "/objects/")
  }

  @Test func `the proxy gets the name of the object and no bytes, after the log entry`() async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let part = try #require(try await fixture.catalog.archived(try fixture.key("r"))?.parts.first)
      for range in [[:], ["Range": "bytes=0-1"]] {
        let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: range)
        #expect(answer.status == 200 && answer.body.isEmpty)
        #expect(answer.header("X-Accel-Redirect") == "/objects/\(part.mp3.name)")
        #expect(answer.header("Content-Type") == "audio/mpeg")
        #expect(answer.header("Cache-Control") == "private, no-store")
      }
      let listen = try await fixture.logged(.listen)
      #expect(listen.map(\.details) == [["sent": "handed to the proxy, bytes unknown"]])
      let original = try #require(part.original)
      let download = try await fixture.get("/audio/r/original?download", as: .supervisor)
      #expect(download.header("X-Accel-Redirect") == "/objects/\(original)")
      #expect(download.header("Content-Disposition") == "attachment; filename=\"r.wav\"")
      let entry = try #require(try await fixture.logged(.download).first)
      #expect(entry.count == nil)
      #expect(entry.details == ["file": "original", "sent": "handed to the proxy, bytes unknown"])
      try await fixture.services.listening.flush(isFinal: true)
      let sent = try #require(try await fixture.logged(.audioSent).first)
      #expect(sent.count == nil && sent.details["requests"] == "2")
      #expect(sent.details["sent"] == "2 handed to the proxy, bytes unknown")
    }
  }

  @Test func `every address of Tapedeck is reserved`() async throws {
    try await WebFixture.run { fixture in
      let segments = Set(fixture.table.routes.compactMap { $0.path.split(separator: "/").first.map(String.init) })
      #expect(segments == AccelRedirect.reservedSegments)
    }
  }

  @Test func `what may not be heard is not handed to the proxy`() async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      for (path, status) in [("/audio/secret.mp3", 403), ("/audio/unknown.mp3", 404)] {
        let answer = try await fixture.get(path, as: .agent)
        #expect(answer.status == status && answer.header("X-Accel-Redirect") == nil)
      }
      #expect(try await fixture.get("/audio/secret.mp3").status == 401)
      // From the next request on, what was allowed no longer is.
      #expect(try await fixture.get("/audio/secret.mp3", as: .supervisor).header("X-Accel-Redirect") != nil)
      _ = try await fixture.catalog.revokeToken(
        "token-supervisor", entry: LogEntry(at: .systemNow(), action: .revokeToken, outcome: .allowed, actor: nil))
      let refused = try await fixture.get("/audio/secret.mp3", as: .supervisor)
      #expect(refused.status == 401 && refused.header("X-Accel-Redirect") == nil)
    }
  }

  @Test func `nothing is handed over without a log entry`() async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      try await fixture.breakAccessLog()
      for path in ["/audio/r.mp3", "/audio/r/original?download"] {
        let answer = try await fixture.get(path, as: .agent)
        #expect(answer.status == 503 && answer.header("X-Accel-Redirect") == nil)
      }
    }
  }

  @Test func `the proxy answers HEAD as it answers GET, and nothing is logged`() async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for path in ["/audio/r.mp3", "/audio/r/original", "/audio/r.mp3?download"] {
        let head = try await fixture.send(.head, path, as: .agent)
        #expect(head.status == 200 && head.header("ETag") == nil)
        #expect(head.header("X-Accel-Redirect")?.hasPrefix("/objects/") == true)
      }
      #expect(try await fixture.logged(.listen).isEmpty)
    }
  }

  @Test(arguments: ["moved", "link", "shorter", "folder"])
  func `a file that changed after it was opened is not handed over, and its recording is marked`(
    change: String
  ) async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let part = try #require(try await fixture.catalog.archived(try fixture.key("r"))?.parts.first)
      // Both keep the file open.
      #expect(try await fixture.get("/audio/r.mp3", as: .agent).status == 200)
      _ = try await fixture.store.open(part.mp3.name)
      let file = fixture.store.location(of: part.mp3.name)
      let manager = FileManager.default
      try manager.moveItem(atPath: file, toPath: file + ".kept")
      switch change {
      case "link": try manager.createSymbolicLink(atPath: file, withDestinationPath: file + ".kept")
      case "shorter": try Data("an".utf8).write(to: URL(fileURLWithPath: file))
      case "folder": try manager.createDirectory(atPath: file, withIntermediateDirectories: false)
      default: break
      }
      let answer = try await fixture.get("/audio/r.mp3", as: .agent)
      #expect(answer.status == 503 && answer.header("X-Accel-Redirect") == nil)
      #expect(answer.json["code"] as? String == (change == "moved" ? "object_missing" : "object_damaged"))
      #expect(try await fixture.catalog.recording(try fixture.key("r"))?.damage != nil)
    }
  }

  @Test func `Tapedeck sends peaks, and audio to clients without the proxy, itself`() async throws {
    try await WebFixture.run(try options()) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      #expect(try await fixture.get("/audio/r/peaks", as: .agent).body == Array("peaks".utf8))
      #expect(try await fixture.get("/audio/r/peaks", as: .agent).header("X-Accel-Redirect") == nil)
    }
    try await WebFixture.run(try options("10.0.0.1")) { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["X-Forwarded-For": "10.0.0.1"])
      #expect(answer.text == "an mp3" && answer.header("X-Accel-Redirect") == nil)
    }
  }
}
