import Catalog
import Foundation
import HTTPTypes
import Model
import TestKit
import Testing

@Suite struct IncompleteCoverageTests {
  @Test(arguments: IncompleteSituation.allCases)
  func `neither page nor API presents an incomplete situation as complete`(situation: IncompleteSituation) async throws
  {
    try await WebFixture.run(WebFixture.Options(now: { IncompleteSituation.now })) { fixture in
      let days = try await situation.prepare(fixture.catalog, fixture.database)
      let query = "from=\(days[0])&to=\(days[1])"
      // An administrator sees restricted recordings only in the numbers.
      for visitor in [WebFixture.Visitor.supervisor, .admin] {
        let answer = try await fixture.get("/api/v1/coverage?\(query)", as: visitor).json
        let total = try #require(answer["total"] as? [String: Any])
        #expect(total["complete"] as? Bool == false, "\(answer)")
        let days = try #require(answer["days"] as? [[String: Any]])
        #expect(days.contains { $0["complete"] as? Bool == false })
        let isUnchecked = total["checked"] as? Bool == false
        let hasGap = total["expected"] as? Int != total["ready"] as? Int
        #expect(isUnchecked || hasGap)
        let page = try await fixture.get("/coverage?\(query)", as: visitor, headers: ["Accept": "text/html"])
        #expect(page.status == 200 && !page.text.contains("all ready"))
        if isUnchecked { #expect(page.text.contains(#"<span class="tag warn">Not checked"#)) }
        if hasGap { #expect(page.text.contains("not ready")) }
        if situation.hasUnidentifiedRows { #expect(page.text.contains("Row 7: The row has no ID.")) }
      }
    }
  }

  @Test func `each day has a verdict in words, and figures that are not known are not zero`() async throws {
    try await WebFixture.run(WebFixture.Options(now: { IncompleteSituation.now })) { fixture in
      let first = IncompleteSituation.first
      // Checked without calls, listed too early, today, and tomorrow; the day before was never listed.
      for (day, at) in [(first, IncompleteSituation.now), (first.advanced(by: 1), first.end)] {
        try await fixture.catalog.recordCheck(of: day, by: SyncPlan(), unwanted: 3, startedAt: at)
      }
      let query = "from=\(first.advanced(by: -1))&to=\(first.advanced(by: 3))"
      let page = try await fixture.page("/coverage?\(query)", as: .supervisorsBrowser).text
      let rows = page.components(separatedBy: "<tr data-row>").dropFirst().prefix(5)
      let verdicts = [
        "Not checked: in the future", "Not checked: day not over yet", "Not checked: listed too early", "Complete",
        "Not checked: never listed",
      ]
      let expected = "Expected </span>"
      for (row, verdict) in zip(rows, verdicts) {
        #expect(row.contains(">\(verdict)</span>"), "\(row)")
        let isListed = ["Complete", "Not checked: listed too early"].contains(verdict)
        #expect(row.contains("\(expected)\(isListed ? "0" : "–")</td>"), "\(row)")
      }
      #expect(rows.count == verdicts.count)
    }
  }

  @Test func `rows of sync and backfill lists without a usable ID are shown`() async throws {
    try await WebFixture.run { fixture in
      let day = IncompleteSituation.first
      func rows(_ positions: ClosedRange<Int>) -> UnidentifiedRows {
        UnidentifiedRows(
          positions.map { UnidentifiedRow(position: $0, reason: "The row has no ID.") }, in: day.period)
      }
      let key = TaskKey(.sync, of: .default)
      try await fixture.catalog.ensureTasks([key, TaskKey(.backfill, of: .default)])
      let sync = try #require(try await fixture.catalog.claimTask(key, lease: .seconds(60), early: true))
      try await fixture.catalog.recordUnidentified(rows(3...1502), of: sync.lease)
      try await fixture.catalog.release(sync.lease, .done(next: nil))
      let backfill = try await fixture.catalog.startBackfill(
        of: day.period, from: .default, direction: nil, by: "test",
        entry: LogEntry(at: .systemNow(), action: .backfill, outcome: .allowed, actor: nil))
      let task = try #require(
        try await fixture.catalog.claimTask(TaskKey(.backfill, of: .default), lease: .seconds(60), early: true))
      for _ in 1...2 {
        try await fixture.catalog.discover(
          [], in: day.period, of: .default, expected: SyncFilter(), fetched: SyncFilter(),
          for: .backfill(
            id: backfill.id, lease: task.lease, BackfillStep(reached: day.start, found: 0, unidentified: rows(5...6))))
      }

      let answer = try await fixture.get("/api/v1/coverage", as: .admin).json
      let tasks = try #require(answer["tasks"] as? [[String: Any]])
      #expect(tasks.map { $0["task"] as? String } == ["sync"])
      #expect(tasks.first?["unidentified"] as? Int == 1500)
      #expect((tasks.first?["unidentifiedRows"] as? [[String: Any]])?.count == 20)
      let list = try await fixture.get("/api/v1/backfills", as: .admin).json["backfills"] as? [[String: Any]]
      #expect(list?.first?["unidentified"] as? Int == 4)
      let located = list?.first?["unidentifiedRows"] as? [[String: Any]]
      #expect(located?.compactMap { $0["position"] as? Int } == [5, 6, 5, 6])
      #expect(located?.first?["listFrom"] as? String == day.start.iso8601)
      let page = try await fixture.page("/coverage", as: .supervisorsBrowser).text
      #expect(page.contains("1,500 unidentified. Row 3 of the list from \(day.start.iso8601): The row has no ID."))
      #expect(page.contains("1,480 more rows."))
      #expect(page.contains("4 unidentified. Row 5 of the list from"))
    }
  }

  @Test(arguments: [true, false])
  func `the next run of a task is shown only while sync is on`(syncs: Bool) async throws {
    try await WebFixture.run(WebFixture.Options(syncs: syncs)) { fixture in
      let key = TaskKey(.sync, of: .default)
      try await fixture.catalog.ensureTasks([key])
      let task = try #require(try await fixture.catalog.claimTask(key, lease: .seconds(60), early: true))
      func nextRun() async throws -> Substring? {
        try await fixture.page("/coverage", as: .supervisorsBrowser).text
          .firstMatch(of: /Next run <\/span>(.*?)<\/td>/)?.1
      }
      #expect(try await nextRun() == "Now")
      try await fixture.catalog.release(task.lease, .done(next: .systemNow() + .seconds(3600)))
      let text = try #require(try await nextRun())
      #expect((text == "Off") == !syncs)
      #expect(text.contains("<time") == syncs)
    }
  }

  @Test(arguments: [
    ("2026-11-20", "2026-11-21", "'from' is in the future"),
    ("2027-01-01", "2027-02-01", "'from' is in the future"),
    ("2026-11-13T00:00:01Z", "2026-12-01", "'from' is in the future"),
    ("2026-11-13", "2026-11-14", "'to' is in the future"),
    ("2026-11-01", "9999-12-31", "'to' is in the future"),
    ("2026-11-12T00:00:00Z", "2026-11-14T00:00:01Z", "'to' is in the future"),
    ("0001-01-01", "9999-12-31", "'from' is more than 20 years ago"),
    ("1999-12-31T23:59:59Z", "2026-11-01", "'from' is more than 20 years ago"),
    ("2006-10-23", "2006-10-24", "'from' is more than 20 years ago"),
    ("2006-11-14", "2026-11-13", nil), ("2026-11-13", "2026-11-13", nil), ("2026-11-01", "2026-11-02", nil),
    ("2026-11-12T00:00:00Z", "2026-11-14T00:00:00Z", nil),
  ])
  func `a backfill begins at most 20 years ago and ends today at the latest`(
    from: String, to: String, problem: String?
  ) async throws {
    let now = try #require(Instant(iso8601: "2026-11-13T00:00:00Z"))
    try await WebFixture.run(WebFixture.Options(now: { now })) { fixture in
      let answer = try await fixture.send(
        .post, "/api/v1/backfills", as: .admin, headers: ["Content-Type": "application/json"],
        body: #"{"from":"\#(from)","to":"\#(to)"}"#)
      #expect(answer.status == (problem == nil ? 201 : 400))
      if let problem { #expect(answer.text.contains(problem), "\(answer.text)") }
      #expect(try await fixture.catalog.backfills().count == (problem == nil ? 1 : 0))
      if problem == nil { #expect(try await fixture.logged(.backfill).first?.details["direction"] == "outbound") }
    }
  }

  @Test(
    arguments: [
      ([], nil, []), (["default"], nil, []), (["west", "default", "east"], nil, ["east", "west"]),
      (["west", "default"], "west", ["default"]), (["west"], nil, ["west"]),
    ] as [([String], String?, [String])])
  func `an answer about coverage names the sources that it does not cover`(
    sources: [String], source: String?, others: [String]
  ) async throws {
    var options = WebFixture.Options()
    options.plans = try sources.map { SyncPlan(source: try #require(SourceID($0))) }
    try await WebFixture.run(options) { fixture in
      let answer = try await fixture.get(
        "/api/v1/coverage" + (source.map { "?source=\($0)" } ?? ""), as: .supervisor
      ).json
      #expect(answer["source"] as? String == source ?? "default")
      #expect(answer["otherSources"] as? [String] == others)
    }
  }

  @Test func `checked days without gaps are complete`() async throws {
    try await WebFixture.run(WebFixture.Options(now: { IncompleteSituation.now })) { fixture in
      let day = IncompleteSituation.first
      try await fixture.catalog.recordCheck(of: day, by: SyncPlan(), unwanted: 2, startedAt: IncompleteSituation.now)
      let query = "from=\(day)&to=\(day)"
      let answer = try await fixture.get("/api/v1/coverage?\(query)", as: .supervisor).json
      #expect((answer["total"] as? [String: Any])?["complete"] as? Bool == true)
      let page = try await fixture.get("/coverage?\(query)", as: .supervisorsBrowser, headers: ["Accept": "text/html"])
      #expect(page.text.contains("all ready") && !page.text.contains("Not checked<"))
    }
  }
}
