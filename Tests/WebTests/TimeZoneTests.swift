import Catalog
import Foundation
import HTTPTypes
import Model
import Testing

/// The time zone in which pages show times and read days.
@Suite(.timeLimit(.minutes(5)))
struct TimeZoneTests {
  private typealias Visitor = WebFixture.Visitor

  private func choose(
    _ zone: String, as visitor: WebFixture.Visitor, _ fixture: WebFixture
  ) async throws -> WebFixture.Answer {
    try await fixture.post(
      "/account/time-zone", as: visitor, form: ["csrf": fixture.sessions[visitor]?.csrf ?? "", "timeZone": zone])
  }

  private func change(_ body: String, as visitor: WebFixture.Visitor, _ fixture: WebFixture) async throws -> Int {
    try await fixture.send(
      .patch, "/api/v1/preferences", as: visitor, headers: ["Content-Type": "application/json"], body: body
    ).status
  }

  private func report(_ zone: String, as visitor: WebFixture.Visitor, _ fixture: WebFixture) async throws -> Int {
    try await change(#"{"browserTimeZone":"\#(zone)"}"#, as: visitor, fixture)
  }

  private func zoneName(of page: WebFixture.Answer) throws -> String {
    let names = page.text.matches(of: /<span class="zone">Times in <a href="\/account#time-zone">([^<]+)<\/a><\/span>/)
    #expect(names.count == 1, "the zone is named once")
    return String(try #require(names.first).1)
  }

  @Test(arguments: [
    ("UTC", "2 Mar 2026, 10:00:00"), ("America/New_York", "2 Mar 2026, 05:00:00"),
    ("Asia/Kolkata", "2 Mar 2026, 15:30:00"), ("Pacific/Auckland", "2 Mar 2026, 23:00:00"),
    ("Pacific/Kiritimati", "3 Mar 2026, 00:00:00"),
  ])
  func `every page shows times in the chosen zone, and UTC on hover`(zone: String, text: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      try await fixture.catalog.observe(try fixture.facts("known"), of: try fixture.key("known"))
      let changed = try await choose(zone, as: .supervisorsBrowser, fixture)
      #expect(changed.status == 200 && changed.text.contains("Times are shown in \(zone) from now on."))
      #expect(changed.text.contains(#"<option value="\#(zone)" selected>"#))
      let time = #"<time datetime="2026-03-02T10:00:00Z" title="2 Mar 2026, 10:00:00 UTC">\#(text)</time>"#
      for path in ["/", "/play/r", "/play/known"] {
        #expect(try await fixture.page(path, as: .supervisorsBrowser).text.contains(time), "\(path)")
      }
      for path in ["/", "/play/r", "/play/known", "/audit", "/coverage", "/platform"] {
        let page = try await fixture.page(path, as: .supervisorsBrowser)
        #expect(try zoneName(of: page) == zone, "\(path)")
        #expect(!page.text.contains("(UTC)") && !page.text.contains("</time> UTC"), "\(path)")
      }
      #expect(try zoneName(of: try await fixture.page("/", as: .agentsBrowser)) == "UTC")
    }
  }

  @Test func `the accounts pages show times in the zone of the administrator`() async throws {
    try await WebFixture.run { fixture in
      #expect(try await change(#"{"timeZone":"Asia/Tokyo"}"#, as: .admin, fixture) == 204)
      for path in ["/accounts", "/accounts/agent-anna"] {
        let page = try await fixture.page(path, as: .admin)
        #expect(try zoneName(of: page) == "Asia/Tokyo")
        #expect(page.text.contains(" UTC\">"))
      }
    }
  }

  /// A call at 2026-03-02T02:30Z, and the day it falls on.
  @Test(arguments: [
    ("UTC", "2026-03-02"), ("America/New_York", "2026-03-01"), ("Asia/Tokyo", "2026-03-02"),
    ("Pacific/Pago_Pago", "2026-03-01"),
  ])
  func `the days of the filters are those of the zone`(zone: String, day: String) async throws {
    let call = try #require(Instant(iso8601: "2026-03-02T02:30:00Z"))
    var options = WebFixture.Options()
    options.now = { call }
    try await WebFixture.run(options) { fixture in
      for (id, offset) in [("earlier", -86_400), ("wanted", 0), ("later", 86_400)] {
        try await fixture.archive(try fixture.facts(id) { $0.startTime = call + .seconds(offset) })
      }
      _ = try await choose(zone, as: .supervisorsBrowser, fixture)
      let span = "from=\(day)&to=\(day)"
      let list = try await fixture.page("/?\(span)", as: .supervisorsBrowser).text
      #expect(list.contains("1 recording on this page,"))
      #expect(list.contains("/play/wanted?list=from"))
      let player = try await fixture.page("/play/wanted?list=\(WebFixture.encoded(span))", as: .supervisorsBrowser).text
      #expect(!player.contains("newer-call") && !player.contains("older-call"))
      let other = day == "2026-03-02" ? "2026-03-01" : "2026-03-02"
      #expect(try await fixture.page("/audit?\(span)", as: .supervisorsBrowser).text.contains("<tr data-row>"))
      let empty = try await fixture.page("/audit?from=\(other)&to=\(other)", as: .supervisorsBrowser).text
      #expect(empty.contains("Nothing matches"))
      // Programs use UTC whatever the pages of the same account show.
      let answer =
        try await fixture.get(
          "/api/v1/recordings?from=2026-03-02&to=2026-03-02", as: .supervisorsBrowser
        ).json["recordings"] as? [[String: Any]]
      #expect(answer?.compactMap { $0["id"] as? String } == ["wanted"])
    }
  }

  @Test func `a day is 23 hours long when the clocks go forward`() async throws {
    try await WebFixture.run { fixture in
      for (id, start) in [
        ("before", "2026-03-28T22:59:59Z"), ("first", "2026-03-28T23:00:00Z"), ("last", "2026-03-29T21:59:59Z"),
        ("after", "2026-03-29T22:00:00Z"),
      ] { try await fixture.archive(try fixture.facts(id) { $0.startTime = Instant(iso8601: start) }) }
      _ = try await choose("Europe/Berlin", as: .agentsBrowser, fixture)
      let page = try await fixture.page("/?from=2026-03-29&to=2026-03-29", as: .agentsBrowser).text
      #expect(page.matches(of: /href="\/play\/(\w+)\?/).map { String($0.1) } == ["last", "first"])
    }
  }

  @Test func `the browser's zone counts until one is chosen, and again afterwards`() async throws {
    try await WebFixture.run { fixture in
      func zone() async throws -> String { try zoneName(of: try await fixture.page("/", as: .agentsBrowser)) }
      #expect(try await zone() == "UTC")
      #expect(try await report("Europe/Berlin", as: .agentsBrowser, fixture) == 204)
      #expect(try await zone() == "Europe/Berlin")
      _ = try await choose("Asia/Tokyo", as: .agentsBrowser, fixture)
      #expect(try await report("America/New_York", as: .agentsBrowser, fixture) == 204)
      #expect(try await zone() == "Asia/Tokyo")
      _ = try await choose("browser", as: .agentsBrowser, fixture)
      #expect(try await zone() == "America/New_York")
      #expect(
        try await fixture.page("/", as: .agentsBrowser).text.contains(#"<html lang="en" data-zone="America/New_York">"#)
      )
    }
  }

  @Test func `two browsers of one account show times in their own zones, until one zone is chosen`() async throws {
    try await WebFixture.run { fixture in
      /// A further session of the account, with the zone that its browser reports when signing in.
      func signIn(_ zone: String?) async throws -> String {
        let form = try await fixture.page("/login")
        let cookie = try #require(form.header("Set-Cookie")?.split(separator: ";").first)
        let csrf = try #require(form.text.firstMatch(of: /name="csrf" value="([^"]+)"/)?.1)
        var fields = ["csrf": String(csrf), "name": "agent-anna", "password": WebFixture.password]
        fields["timeZone"] = zone
        let answer = try await fixture.post("/login", headers: ["Cookie": String(cookie)], form: fields)
        let session = answer.headers[values: .setCookie].first { $0.hasPrefix("__Host-tapedeck=") }
        return String(try #require(session?.split(separator: ";").first))
      }
      func send(_ method: HTTPRequest.Method, _ path: String, _ cookie: String, body: String? = nil) async throws
        -> WebFixture.Answer
      {
        try await fixture.send(
          method, path,
          headers: [
            "Cookie": cookie, "Accept": "text/html", "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/json",
          ], body: body)
      }
      let (berlin, tokyo, unknown) = (
        try await signIn("Europe/Berlin"), try await signIn("Asia/Tokyo"), try await signIn(nil)
      )
      for (cookie, zone) in [(berlin, "Europe/Berlin"), (tokyo, "Asia/Tokyo"), (unknown, "UTC")] {
        #expect(try zoneName(of: try await send(.get, "/", cookie)) == zone)
      }
      // One of them moves; its next page reports it.
      let body = #"{"browserTimeZone":"America/New_York","speed":2}"#
      #expect(try await send(.patch, "/api/v1/preferences", berlin, body: body).status == 204)
      for (cookie, zone) in [(berlin, "America/New_York"), (tokyo, "Asia/Tokyo")] {
        let page = try await send(.get, "/", cookie)
        #expect(try zoneName(of: page) == zone && page.text.contains("data-zone=\"\(zone)\""))
        let preferences = try await send(.get, "/api/v1/preferences", cookie).json
        #expect(preferences["browserTimeZone"] as? String == zone && preferences["speed"] as? Double == 2)
      }
      #expect(try await choose("Pacific/Auckland", as: .agentsBrowser, fixture).status == 200)
      for cookie in [berlin, tokyo, unknown] {
        #expect(try zoneName(of: try await send(.get, "/", cookie)) == "Pacific/Auckland")
      }
      #expect(try await choose("browser", as: .agentsBrowser, fixture).status == 200)
      #expect(try zoneName(of: try await send(.get, "/", tokyo)) == "Asia/Tokyo")
    }
  }

  @Test func `a program has no browser whose zone it could report`() async throws {
    try await WebFixture.run { fixture in
      let refused = try await report("Asia/Tokyo", as: .supervisor, fixture)
      #expect(refused == 400)
      #expect(try await change(#"{"speed":2,"browserTimeZone":"Asia/Tokyo"}"#, as: .supervisor, fixture) == 400)
      #expect(try await fixture.get("/api/v1/preferences", as: .supervisor).json.isEmpty)
    }
  }

  @Test(arguments: ["Mars/Olympus", "", "../etc/passwd", "UTC+25", "Europe/Berlin "])
  func `a zone that does not exist is refused`(zone: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await choose(zone, as: .agentsBrowser, fixture)
      #expect(answer.status == 400 && answer.text.contains("must be a time zone"))
      #expect(try await report(zone, as: .agentsBrowser, fixture) == 400)
      #expect(try await fixture.get("/api/v1/preferences", as: .agentsBrowser).json.isEmpty)
    }
  }

  @Test func `a form without the token of the session changes nothing`() async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.post("/account/time-zone", as: .agentsBrowser, form: ["timeZone": "Asia/Tokyo"])
      #expect(answer.status == 403)
      #expect(try await fixture.get("/api/v1/preferences", as: .agentsBrowser).json.isEmpty)
    }
  }
}

/// Filters with a period that ends before it starts.
@Suite(.timeLimit(.minutes(5)))
struct PeriodTests {
  @Test(arguments: [
    "from=2026-03-03&to=2026-03-02", "from=2026-03-02T10:00:00Z&to=2026-03-02T09:59:59Z",
    "from=2026-03-03T00:00:01Z&to=2026-03-02", "from=9999-12-31&to=0001-01-01",
  ])
  func `is an error and not an empty list`(period: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for path in ["/", "/audit"] {
        let page = try await fixture.page("\(path)?\(period)", as: .supervisorsBrowser)
        #expect(page.status == 400, "\(path)")
        #expect(page.text.contains("The date in “From” is after the date in “To”."), "\(path)")
        #expect(!page.text.contains("Nothing matches") && page.text.contains("Clear filters"), "\(path)")
      }
      for path in ["/api/v1/recordings", "/api/v1/audit"] {
        let answer = try await fixture.get("\(path)?\(period)", as: .supervisor)
        #expect(answer.status == 400 && answer.code == "invalid_request", "\(path)")
        #expect(answer.json["detail"] as? String == "'from' must not be after 'to'.", "\(path)")
      }
    }
  }

  @Test(arguments: [
    ("from=2026-03-03&to=2026-03-02", "The date in “From” is after the date in “To”.", "2026-03-03", "2026-03-02"),
    ("from=9999-12-30", "The date in “From” is after the date in “To”.", "9999-12-30", nil),
    ("from=0001-01-01&to=2026-03-02", "At most 400 days can be shown at once.", "0001-01-01", "2026-03-02"),
    ("from=2025-01-26&to=2026-03-02", "At most 400 days can be shown at once.", "2025-01-26", "2026-03-02"),
  ])
  func `days that cannot be listed are named in the form of the coverage`(
    query: String, message: String, from: String, to: String?
  ) async throws {
    try await WebFixture.run { fixture in
      let page = try await fixture.page("/coverage?\(query)", as: .supervisorsBrowser)
      #expect(page.status == 400 && page.text.contains(#"role="alert">\#(message)"#))
      #expect(page.text.contains(#"name="from" value="\#(from)""#))
      if let to { #expect(page.text.contains(#"name="to" value="\#(to)""#)) }
      #expect(page.text.contains("<h2>Backfills</h2>") && !page.text.contains("Coverage by day"))
      #expect(!page.text.contains("Not checked"))
      let answer = try await fixture.get("/api/v1/coverage?\(query)", as: .supervisor)
      #expect(answer.status == 400 && answer.code == "invalid_request")
    }
  }

  @Test(arguments: ["from=2025-01-27&to=2026-03-02", "from=2026-03-02&to=2026-03-02", ""])
  func `the coverage of up to 400 days is listed`(query: String) async throws {
    try await WebFixture.run { fixture in
      let page = try await fixture.page("/coverage?\(query)", as: .supervisorsBrowser)
      #expect(page.status == 200 && page.text.contains("Coverage by day") && !page.text.contains("role=\"alert\""))
    }
  }

  @Test(arguments: ["from=2026-03-02&to=2026-03-02", "from=2026-03-02", "to=2026-03-02", "from=2026-03-02T10:00:00Z"])
  func `a day, and an open end, are periods`(period: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for path in ["/?", "/audit?"] {
        #expect(try await fixture.page(path + period, as: .supervisorsBrowser).status == 200)
      }
      let list = try await fixture.get("/api/v1/recordings?\(period)", as: .agent).json
      #expect((list["recordings"] as? [Any])?.count == 1)
    }
  }
}
