import Catalog
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
      let answer = try await fixture.get("/api/v1/coverage?\(query)", as: .supervisor).json
      let total = try #require(answer["total"] as? [String: Any])
      #expect(total["complete"] as? Bool == false, "\(answer)")
      let isUnchecked = total["checked"] as? Bool == false
      let hasGap = total["expected"] as? Int != total["ready"] as? Int
      #expect(isUnchecked || hasGap)
      let page = try await fixture.get("/coverage?\(query)", as: .supervisorsBrowser, headers: ["Accept": "text/html"])
      #expect(page.status == 200 && !page.text.contains("all ready"))
      if isUnchecked { #expect(page.text.contains(#"<span class="tag warn">Not checked"#)) }
      if hasGap { #expect(page.text.contains("not ready")) }
      if [.unidentifiedRow, .onlyUnidentifiedRows].contains(situation) {
        #expect(page.text.contains("row 7: The row has no id."))
      }
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
