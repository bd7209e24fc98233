import Catalog
import Foundation
import HTTPTypes
import Model
import Testing

/// The pages.
@Suite(.timeLimit(.minutes(5)))
struct PageTests {
  private static let hostileID = #"<script>alert('1')</script>"'&{{csrf}}"#
  private static let hostile = hostileID + marked
  /// With combining and prepended marks, which browsers read separately from the brackets and quotation marks beside
  /// them.
  private static let marked = "\u{600}<meta x\u{600}>\"\u{301}\u{600}\"onload"

  private func hostile(_ facts: inout PlatformRecording) {
    facts.agentName = Self.hostile
    facts.agentID = Self.hostile
    facts.teamID = Self.hostile
    facts.skillName = Self.hostile
    facts.campaignName = Self.hostile
    facts.fromAddress = Self.hostile
    facts.toAddress = Self.hostile
    facts.contactID = Self.hostile
    facts.disposition = Self.hostile
  }

  @Test func `the recordings of a call that was transferred on are linked, for those who may see them`() async throws {
    try await WebFixture.run { fixture in
      func json(_ leg: String) -> String {
        PlatformRecording.json(leg: leg, row: ["transferIndicatorName": "Warm Transfer"], wasRecorded: true)
      }
      try await fixture.archive(
        try fixture.facts("first") {
          ($0.endTime, $0.json) = (Instant(iso8601: "2026-03-02T10:05:00Z"), json("first"))
        })
      try await fixture.archive(
        try fixture.facts("second", privacy: .restricted) {
          ($0.startTime, $0.json) = (Instant(iso8601: "2026-03-02T10:05:01Z"), json("second"))
        })
      let path = "/api/v1/recordings/first"
      #expect(try await fixture.get(path, as: .supervisor).json["continuesIn"] as? [String] == ["second"])
      #expect(try await fixture.get(path, as: .agent).json["continuesIn"] == nil)
      let second = try await fixture.get("/api/v1/recordings/second", as: .supervisor).json
      #expect(second["continuesFrom"] as? [String] == ["first"] && second["continuesIn"] == nil)
      let link = #"href="/play/second""#
      #expect(try await fixture.page("/play/first", as: .supervisorsBrowser).text.contains(link))
      let agents = try await fixture.page("/play/first", as: .agentsBrowser)
      #expect(agents.status == 200 && !agents.text.contains(link))
      #expect(try await fixture.page("/play/second", as: .supervisorsBrowser).text.contains(#"href="/play/first""#))
    }
  }

  /// Checks that a page shows the input as text, and none of it as markup.
  private func expectEscaped(_ answer: WebFixture.Answer, status: Int = 200, _ page: String) {
    #expect(answer.status == status, "\(page)")
    #expect(answer.header("Content-Type") == "text/html; charset=utf-8", "\(page)")
    #expect(!answer.text.contains("<script>alert"), "\(page)")
    #expect(answer.text.contains("&lt;script&gt;alert"), "\(page)")
    // A bare quotation mark would end an attribute.
    #expect(!answer.text.contains(#"</script>""#) && !answer.text.contains(#"&lt;/script&gt;""#), "\(page)")
    #expect(answer.text.contains("{{csrf}}"), "what is shown must not be taken for a template")
    let scalars = answer.text.unicodeScalars
    for (mark, next) in zip(scalars, scalars.dropFirst()) where mark.value == 0x600 || next.value == 0x301 {
      #expect(!["<", ">", "\""].contains(next) && !["<", ">", "\""].contains(mark), "\(page)")
    }
  }

  @Test func `every page shows hostile text as text`() async throws {
    try await WebFixture.run { fixture in
      // An ID may hold almost any character.
      let id = Self.hostileID
      let path = try fixture.key(id).pathSegment
      try await fixture.archive(try fixture.facts(id, hostile), warning: Self.hostile)
      expectEscaped(try await fixture.page("/", as: .supervisorsBrowser), "list")
      expectEscaped(try await fixture.page("/play/\(path)", as: .supervisorsBrowser), "player")
      expectEscaped(try await fixture.page("/audit", as: .supervisorsBrowser), "access log")
      let query = WebFixture.encoded(Self.hostile)
      expectEscaped(try await fixture.page("/?agent=\(query)&q=nothing", as: .supervisorsBrowser), "nothing matches")
      expectEscaped(try await fixture.page("/?q=%20\(query)", as: .agentsBrowser), "search")
      // A recording's ID and an address are ASCII.
      let plain = WebFixture.encoded(Self.hostileID)
      expectEscaped(
        try await fixture.page("/audit?who=\(query)&recording=\(plain)", as: .supervisorsBrowser), "log filter")
      expectEscaped(
        try await fixture.page("/login?next=/\(plain)".replacing("%20", with: ""), as: .anonymous), "sign-in")

      let other = "other \(Self.hostileID)"
      let otherPath = try fixture.key(other).pathSegment
      expectEscaped(try await fixture.page("/play/\(otherPath)", as: .agentsBrowser), status: 404, "absent")
      let lease = try await fixture.fetching(try fixture.facts(other, hostile))
      expectEscaped(try await fixture.page("/play/\(otherPath)", as: .agentsBrowser), "under way")
      try await fixture.catalog.release(lease, .fail(TapedeckError(.conversionFailed, Self.hostile)))
      expectEscaped(try await fixture.page("/play/\(otherPath)", as: .agentsBrowser), "failed")
      expectEscaped(try await fixture.page("/?status=failed", as: .agentsBrowser), "list of failed")
    }
  }

  @Test func `an id with reserved characters survives every link`() async throws {
    try await WebFixture.run { fixture in
      let id = "odd id/with ~ reserved%bytes?&#+;=.mp3"
      let west = try #require(SourceID("west"))
      for source in [SourceID.default, west] {
        let key = try fixture.key(id, source: source)
        let job = try await fixture.archive(
          try fixture.facts(id), source: source, mp3: Array("sound of \(source)".utf8))
        #expect(job.key == key)
        let segment = key.pathSegment

        let ready = try await fixture.post("/ingest/\(segment)", as: .agent)
        let player = try #require(ready.json["player_url"] as? String)
        let page = try await fixture.page(player, as: .agentsBrowser)
        #expect(page.status == 200)
        let mp3 = try #require(page.text.firstMatch(of: /data-mp3="([^"]+)"/)?.1)
        #expect(try await fixture.get(String(mp3), as: .agent).text == "sound of \(source)")
        let original = try #require(page.text.firstMatch(of: /data-original="([^"]+)"/)?.1)
        #expect(try await fixture.get(String(original), as: .agent).status == 200)
        let peaks = try #require(page.text.firstMatch(of: /data-peaks="([^"]+)"/)?.1)
        #expect(try await fixture.get(String(peaks), as: .agent).status == 200)
        let download = try #require(page.text.firstMatch(of: /href="([^"]+download)"/)?.1)
        let file = try await fixture.get(String(download), as: .agent)
        #expect(
          file.header("Content-Disposition")
            == #"attachment; filename="odd_id_with___reserved_bytes______.mp3.mp3""#)

        let shown = try await fixture.get("/api/v1/recordings/\(segment)", as: .agent)
        #expect(shown.json["id"] as? String == id)
        #expect(shown.json["source"] as? String == source.rawValue)
        #expect(shown.json["playerUrl"] as? String == player)
        let log = try await fixture.page(
          "/audit?recording=\(WebFixture.encoded(id))&source=\(source)", as: .supervisorsBrowser)
        #expect(log.text.contains(#"href="\#(player)""#))
        #expect(try await fixture.logged(.view).first?.recording == key)
      }
      let list = try await fixture.page("/", as: .agentsBrowser).text
      let links = list.matches(of: /<a [^>]*href="(\/play\/[^"]+)"/).map { String($0.1) }
      #expect(links.count == 2)
      for link in links { #expect(try await fixture.page(link, as: .agentsBrowser).status == 200, "\(link)") }
      // The link of the pager leads to the next page with the other recording.
      let first = try await fixture.get("/api/v1/recordings?limit=1", as: .agent).json
      let cursor = try #require(first["nextCursor"] as? String)
      let second = try await fixture.get("/api/v1/recordings?limit=1&cursor=\(WebFixture.encoded(cursor))", as: .agent)
        .json
      let sources = [first, second].flatMap { $0["recordings"] as? [[String: Any]] ?? [] }.compactMap {
        $0["source"] as? String
      }
      #expect(Set(sources) == ["default", "west"])
    }
  }

  @Test func `agents see only the end of a number`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("r"))
      let paths = ["/", "/play/r", "/api/v1/recordings", "/api/v1/recordings/r", "/api/v1/jobs/\(job.id)"]
      for path in paths {
        for visitor in [WebFixture.Visitor.agent, .agentsBrowser] {
          let text = try await fixture.page(path, as: visitor).text
          #expect(!text.contains("93055566677") && !text.contains("930111222") && !text.contains("5566677"), "\(path)")
        }
      }
      #expect(try await fixture.get("/api/v1/recordings/r", as: .agent).json["toAddress"] as? String == "+••••••••••77")
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains("+••••••••••77"))
      for visitor in [WebFixture.Visitor.supervisor, .admin] {
        let shown = try await fixture.get("/api/v1/recordings/r", as: visitor).json
        #expect(shown["toAddress"] as? String == "+493055566677")
      }
    }
  }

  @Test func `agents cannot find a number, digit by digit or whole`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for query in ["493055566677", "+493055566677", "49305", "4", "Anna 4930"] {
        let path = "/api/v1/recordings?q=\(WebFixture.encoded(query))"
        for (visitor, count) in [(WebFixture.Visitor.agent, 0), (.supervisor, 1), (.admin, 1)] {
          let found = try await fixture.get(path, as: visitor).json["recordings"] as? [Any]
          #expect(found?.count == count, "\(query) as \(visitor)")
        }
      }
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains(#"placeholder="Words or ID""#))
      for visitor in [WebFixture.Visitor.supervisorsBrowser, .admin] {
        let page = try await fixture.page("/", as: visitor).text
        #expect(page.contains(#"placeholder="Words, phone number or ID""#), "\(visitor)")
      }
      let byName = try await fixture.get("/api/v1/recordings?q=Anna", as: .agent).json["recordings"] as? [Any]
      #expect(byName?.count == 1)
    }
  }

  @Test(arguments: [
    ("+49 30 555-66677", "+•• •• •••-•••77"), ("sip:anna@example.com", "•••:••••@•••••••.•om"), ("77", "77"),
  ])
  func `an address is masked whether it is made of digits or of letters`(address: String, masked: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r") { $0.toAddress = address })
      #expect(try await fixture.get("/api/v1/recordings/r", as: .agent).json["toAddress"] as? String == masked)
    }
  }

  @Test func `an absurd duration is shown without a crash`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r") { $0.durationSeconds = .max })
      _ = try await fixture.fetching(try fixture.facts("other") { $0.durationSeconds = .max })
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains("27777777:46:40"))
      for path in ["/play/r", "/play/other"] {
        #expect(try await fixture.page(path, as: .agentsBrowser).status == 200)
      }
    }
  }

  @Test func `the list shows each recording once, in order`() async throws {
    try await WebFixture.run { fixture in
      for number in 0..<12 {
        // Three start at each moment, and their order must be stable.
        let start = Instant(milliseconds: 1_772_000_000_000 + Int64(number / 3) * 1000)
        try await fixture.catalog.observe(
          try fixture.facts("call-\(number)") { $0.startTime = start }, of: try fixture.key("call-\(number)"))
      }
      var ids: [String] = []
      var path: String? = "/api/v1/recordings?limit=5"
      while let next = path {
        let page = try await fixture.get(next, as: .agent).json
        ids += (page["recordings"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
        path = (page["nextCursor"] as? String).map { "/api/v1/recordings?limit=5&cursor=\(WebFixture.encoded($0))" }
      }
      #expect(ids == (0..<12).reversed().map { "call-\($0)" })
    }
  }

  @Test func `an empty list shows why it is empty`() async throws {
    try await WebFixture.run { fixture in
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains("No recordings yet"))
      #expect(try await fixture.page("/?q=x", as: .agentsBrowser).text.contains("Nothing matches"))
      let denied = try await fixture.page("/", as: .metrics)
      #expect(denied.status == 403)
      #expect(denied.text.contains("Your role does not allow this"))
    }
  }

  @Test func `the page of a recording that is not archived says what it means and what to try`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.catalog.observe(try fixture.facts("listed"), of: try fixture.key("listed"))
      let listed = try await fixture.page("/play/listed", as: .agentsBrowser)
      #expect(listed.status == 404 && listed.text.contains("The platform lists this recording"))
      #expect(!listed.text.contains("mistyped"))
      let unknown = try await fixture.page("/play/unknown", as: .agentsBrowser)
      #expect(unknown.status == 404 && unknown.text.contains("Either the ID is mistyped, or"))
      #expect(!unknown.text.contains("The platform lists this recording"))
      for page in [listed, unknown] { #expect(page.text.contains(#"<button class="primary">Fetch this recording"#)) }
      let answer = try await fixture.get("/api/v1/recordings/unknown", as: .agent)
      let detail = try #require(answer.json["detail"] as? String)
      #expect(detail.contains("character by character") && detail.contains("tapedeck ingest ID"))
    }
  }

  @Test func `the page of a restricted recording says that it is restricted, and whom to ask`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("closed", privacy: .restricted))
      for visitor in [WebFixture.Visitor.agentsBrowser, .agent, .admin] {
        let page = try await fixture.page("/play/closed", as: visitor)
        #expect(page.status == 403, "\(visitor)")
        #expect(page.text.contains("<h1>Restricted recording</h1>"), "\(visitor)")
        #expect(page.text.contains("Only supervisors can play restricted recordings"), "\(visitor)")
      }
      // Without the right to play any recording, the restriction is not the reason.
      let other = try await fixture.page("/play/closed", as: .metrics).text
      #expect(other.contains("<h1>Insufficient permissions</h1>") && !other.contains("restricted"))
      for path in ["/api/v1/recordings/closed", "/audio/closed.mp3", "/api/v1/jobs/\(job.id)"] {
        let answer = try await fixture.get(path, as: .agent)
        #expect(
          answer.code == "insufficient_permissions" && answer.json["detail"] as? String == "Insufficient permissions")
      }
      #expect(try await fixture.page("/play/closed", as: .supervisorsBrowser).status == 200)
    }
  }

  @Test(arguments: [
    (1, "1 recording on this page,"), (2, "2 recordings on this page,"), (51, "50 recordings on this page,"),
  ])
  func `the list counts what it shows`(number: Int, text: String) async throws {
    try await WebFixture.run { fixture in
      for number in 0..<number {
        try await fixture.catalog.observe(try fixture.facts("call-\(number)"), of: try fixture.key("call-\(number)"))
      }
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains(text))
    }
  }

  @Test func `scripts and styles are cached by an address with their version`() async throws {
    try await WebFixture.run { fixture in
      let page = try await fixture.page("/login").text
      let links = page.matches(of: /(?:href|src)="(\/assets\/[^"]+)"/).map { String($0.1) }
      #expect(!links.isEmpty)
      for link in links {
        let answer = try await fixture.get(link)
        #expect(answer.status == 200, "\(link)")
        #expect(answer.header("Cache-Control") == "public, max-age=31536000, immutable")
        let tag = try #require(answer.header("ETag"))
        #expect(try await fixture.get(link, headers: ["If-None-Match": tag]).status == 304)
      }
      let bare = try await fixture.get("/assets/page.js?v=old")
      #expect(bare.header("Cache-Control") == "no-cache")
    }
  }
}
