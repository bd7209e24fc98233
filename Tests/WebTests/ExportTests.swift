import Catalog
import Foundation
import HTTPTypes
import Model
import Testing
import Web

/// Lists as CSV.
@Suite(.timeLimit(.minutes(5)))
struct ExportTests {
  static let fields: [(text: String?, field: String)] = [
    (nil, ""), ("", ""), ("plain", "plain"), ("a,b", "\"a,b\""), ("say \"x\"", "\"say \"\"x\"\"\""),
    ("a\nb", "\"a\nb\""),
    ("a\r\nb", "\"a\r\nb\""), ("Zoë 日本", "Zoë 日本"), ("=1+1", "'=1+1"), ("+12125550195", "'+12125550195"),
    ("-2", "'-2"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\t=1"), ("\r=1", "\"'\r=1\""), ("\n=1", "\"'\n=1\""),
    (" =1", "' =1"), ("＝1", "'＝1"), ("\u{FEFF}=1", "'\u{FEFF}=1"), ("\u{200B}@x", "'\u{200B}@x"),
    ("\u{2060}+1", "'\u{2060}+1"),
    ("\u{AD}-1", "'\u{AD}-1"), ("\u{1}=1", "'\u{1}=1"), ("\u{1} \u{200F}=1", "'\u{1} \u{200F}=1"), ("﹦1", "'﹦1"),
    ("﹢1", "'﹢1"), ("﹣1", "'﹣1"), ("﹫x", "'﹫x"), ("\u{200F}سجل", "\u{200F}سجل"), ("\u{200B}", "\u{200B}"),
    ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
    ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""), ("a=1", "a=1"), ("2-1", "2-1"),
  ]

  @Test(arguments: fields)
  func `a field is quoted as RFC 4180 says, and is never a formula`(text: String?, field: String) {
    #expect(CSV.line([text, "x"]) == "\(field),x\r\n")
  }

  /// Parses CSV as RFC 4180 says.
  private func rows(_ text: String) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var field = ""
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      switch scalar {
      case "\"" where isQuoted && scalars.first == "\"":
        field.append("\"")
        scalars.removeFirst()
      case "\"": isQuoted.toggle()
      case "," where !isQuoted:
        row.append(field)
        field = ""
      case "\r" where !isQuoted && scalars.first == "\n":
        scalars.removeFirst()
        rows.append(row + [field])
        (row, field) = ([], "")
      default: field.unicodeScalars.append(scalar)
      }
    }
    #expect(row.isEmpty && field.isEmpty, "the last line has an end too")
    return rows
  }

  private func records(_ answer: WebFixture.Answer) throws -> [[String: String]] {
    #expect(answer.status == 200)
    let rows = rows(answer.text)
    let header = try #require(rows.first)
    #expect(rows.allSatisfy { $0.count == header.count })
    return rows.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(header, $0)) }
  }

  @Test func `recordings are exported with the filters and the visibility of the list`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(
        try fixture.facts("open-1") {
          $0.agentName = "Zoë \"Zed\" Müller"
          $0.disposition = "=1+1"
        })
      try await fixture.archive(try fixture.facts("open-2") { $0.startTime = Instant(iso8601: "2026-03-01T10:00:00Z") })
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      let path = "/api/v1/recordings.csv"
      let answer = try await fixture.get(path, as: .supervisor)
      #expect(answer.header("Content-Type") == "text/csv; charset=utf-8; header=present")
      let disposition = try #require(answer.header("Content-Disposition"))
      #expect(disposition.wholeMatch(of: /attachment; filename="tapedeck-recordings-\d{4}-\d\d-\d\d\.csv"/) != nil)
      let all = try records(answer)
      #expect(Set(all.map { $0["id"] ?? "" }) == ["open-1", "open-2", "secret"])
      let first = try #require(all.first { $0["id"] == "open-1" })
      #expect(first["agentName"] == "Zoë \"Zed\" Müller" && first["disposition"] == "'=1+1")
      #expect(first["toAddress"] == "'+493055566677" && first["startTime"] == "2026-03-02T10:00:00Z")
      #expect(first["audioSeconds"] == "42.25" && first["durationSeconds"] == "42" && first["status"] == "ready")

      for (query, ids) in [
        ("agent=zoe+mul", ["open-1"]), ("agent=a-7&to=2026-03-01", ["open-2"]), ("privacy=restricted", ["secret"]),
        ("q=5556", ["open-1", "open-2", "secret"]), ("q=nothing", []), ("status=failed", []),
      ] {
        let found = try records(try await fixture.get("\(path)?\(query)", as: .supervisor)).map { $0["id"] ?? "" }
        #expect(found.sorted() == ids, "\(query)")
      }
      // For agents, closed rows have no facts and numbers are masked.
      let agents = try records(try await fixture.get(path, as: .agent))
      let closed = try #require(agents.first { $0["id"] == "secret" })
      #expect(closed["restrictedReason"] != "" && closed["agentName"] == "" && closed["toAddress"] == "")
      #expect(agents.first { $0["id"] == "open-1" }?["toAddress"]?.hasSuffix("•••77") == true)
      #expect(!agents.contains { $0.values.contains { $0.contains("493055566677") } })
      let mentioned = try await fixture.get("\(path)?q=5556", as: .admin)
      #expect(!mentioned.text.contains("secret"))
      for (query, status) in [("agnet=x", 400), ("from=yesterday", 400), ("limit=5", 400), ("cursor=x", 400)] {
        #expect(try await fixture.get("\(path)?\(query)", as: .supervisor).status == status, "\(query)")
      }
    }
  }

  @Test func `an export has every page, and one entry in the log`() async throws {
    try await WebFixture.run { fixture in
      let count = 1_203
      _ = try await fixture.database.write { db in
        try db.execute(
          """
          INSERT INTO recording (source, platform_id, platform_status, privacy, started_at, metadata, first_seen_at,
            words, address_words)
          WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
          SELECT 'default', 'call-' || i, 'available', 'standard', i / 7, '{}', 0, 'call ' || i, '' FROM n
          """)
      }
      let found = try records(try await fixture.get("/api/v1/recordings.csv?q=call", as: .agentsBrowser))
      #expect(found.count == count && Set(found.map { $0["id"] ?? "" }).count == count)
      let entry = try #require(try await fixture.logged(.export).first)
      #expect(entry.details == ["q": "call", "list": "recordings"] && entry.actor?.name == "agent-anna")
      #expect(try await fixture.logged(.export).count == 1)
    }
  }

  @Test func `the access log is exported with its filters`() async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("r,\"1\"")
      let many = (0..<1_100).map { number in
        LogEntry(
          at: Instant(milliseconds: Int64(number)), action: .ingest, outcome: .allowed, actor: nil, recording: key,
          details: ["b": "=\(number)", "a": "x"])
      }
      try await fixture.catalog.log(many)
      let path = "/api/v1/audit.csv"
      let found = try records(try await fixture.get("\(path)?what=ingest", as: .supervisor))
      #expect(found.count == many.count)
      let numbers = found.compactMap { $0["number"].flatMap { Int($0) } }
      #expect(numbers.count == many.count && numbers == numbers.sorted(by: >))
      #expect(found[0]["details"] == "a=x, b==1099" && found[0]["recordingId"] == "r,\"1\"")
      let signIns = try records(try await fixture.get("\(path)?what=sign_in", as: .admin))
      #expect(!signIns.isEmpty && signIns.allSatisfy { $0["action"] == "sign_in" })
      let own = try records(try await fixture.get("\(path)?what=export&who=token-admin", as: .supervisor))
      #expect(own.count == 1 && own[0]["actorName"] == "token-admin")
      #expect(own[0]["details"] == "list=access log, what=sign_in")
      #expect(try await fixture.get(path, as: .agent).status == 403)
    }
  }

  @Test func `pages link to the export of what they show`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r") { $0.agentName = "Zoë Müller" })
      let list = try await fixture.page("/?agent=Zo%C3%AB+M%C3%BCller&status=ready&cursor=", as: .agentsBrowser).text
      #expect(list.contains(#"href="/api/v1/recordings.csv?agent=Zo%C3%AB%20M%C3%BCller&amp;status=ready""#))
      #expect(list.contains(#"<option value="Zoë Müller"></option>"#))
      let log = try await fixture.page("/audit?who=agent-anna&cursor=7", as: .supervisorsBrowser).text
      #expect(log.contains(#"href="/api/v1/audit.csv?who=agent-anna""#))
    }
  }
}
