import Foundation
import Hummingbird
import Model
import Sandbox
import Testing

@Suite struct SearchTests {
  private static let day = "startTime=2026-03-02T00:00:00Z&endTime=2026-03-03T00:00:00Z"

  private func page(_ running: RunningTenant, _ query: String, token: String) async throws
    -> (recordings: [[String: Any]], next: String?)
  {
    let answer = try await running.get("/api/v2/recordings?\(query)", token: token)
    let json = try answer.json()
    try #require(answer.status == 200)
    return (json["recordings"] as? [[String: Any]] ?? [], json["nextCursor"] as? String)
  }

  @Test func `the pages together contain every listed recording once, in order`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      var ids: [String] = []
      var cursor: String?
      var pages = 0
      repeat {
        let query = SearchTests.day + "&pageSize=7" + (cursor.map { "&cursor=\($0)" } ?? "")
        let page = try await page(running, query, token: token)
        #expect(page.recordings.count <= 7)
        ids += page.recordings.compactMap { $0["id"] as? String }
        cursor = page.next
        pages += 1
      } while cursor != nil && pages < 100
      #expect(ids == running.tenant.recordings.filter { !$0.isHidden }.map(\.id))
      #expect(ids.contains(FixedRecordings.oddID))
      #expect(pages > 9)
    }
  }

  @Test func `recordings that benchmarks and tests fetch by id are not listed`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let listed = Set(
        try await page(running, SearchTests.day + "&pageSize=500", token: token).recordings.compactMap {
          $0["id"] as? String
        })
      let hidden =
        FixedRecordings.benchmark + FixedRecordings.small + [
          FixedRecordings.fiftyMegabytes, FixedRecordings.large, FixedRecordings.gigabyte, FixedRecordings.never,
        ]
      #expect(hidden.count == 108)
      #expect(listed.isDisjoint(with: hidden))
      for id in [FixedRecordings.gigabyte, FixedRecordings.never, "bench-3min-40", "small-64"] {
        #expect(try await running.get(RunningTenant.path(id), token: token).status == 200)
      }
    }
  }

  @Test func `filters select the matching recordings`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let all = running.tenant.recordings.filter { !$0.isHidden }
      let outbound = try await page(running, SearchTests.day + "&pageSize=500&direction=outbound", token: token)
      #expect(outbound.recordings.count == all.filter { $0.direction == .outbound }.count)
      #expect(outbound.recordings.count < all.count)
      let agent = try #require(all.first).agentID
      let byAgent = try await page(running, SearchTests.day + "&pageSize=500&agentId=\(agent)", token: token)
      #expect(byAgent.recordings.allSatisfy { $0["agentId"] as? String == agent })
      #expect(byAgent.recordings.count == all.filter { $0.agentID == agent }.count)
      let morning = "startTime=2026-03-02T08:00:00Z&endTime=2026-03-02T12:00:00Z&pageSize=500"
      let noon = try #require(Instant(iso8601: "2026-03-02T12:00:00Z"))
      #expect(try await page(running, morning, token: token).recordings.count == all.count { $0.startTime < noon })
    }
  }

  @Test func `an empty result is 204 without a body`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let answer = try await running.get(
        "/api/v2/recordings?startTime=2020-01-01T00:00:00Z&endTime=2020-01-02T00:00:00Z", token: token)
      #expect(answer.status == 204)
      #expect(answer.body.isEmpty)
    }
  }

  @Test(arguments: [
    "startTime=2026-03-02T00:00:00%2B00:00", "startTime=yesterday", "pageSize=0", "pageSize=501", "cursor=%25%25",
    "direction=up",
  ])
  func `a malformed search is 400`(query: String) async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      #expect(try await running.get("/api/v2/recordings?\(query)", token: token).status == 400)
    }
  }

  @Test func `metadata has the fields of the contract`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let json = try await running.get(RunningTenant.path(FixedRecordings.oddID), token: token).json()
      #expect(json["id"] as? String == FixedRecordings.oddID)
      #expect(json["status"] as? String == "available")
      #expect(json["duration"] as? Int == 27)
      #expect(json["privacy"] as? String == "standard")
      for name in [
        "startTime", "endTime", "direction", "agentId", "agentName", "teamId", "skillId", "skillName", "campaignId",
        "campaignName", "fromAddress", "toAddress", "contactId", "disposition", "mediaType",
      ] { #expect(json[name] is String, "\(name)") }
      let links = try #require(json["links"] as? [String: String])
      #expect(links["download"]?.hasSuffix("\(RunningTenant.path(FixedRecordings.oddID))/download") == true)
      let restricted = try await running.get(RunningTenant.path(FixedRecordings.restricted), token: token).json()
      #expect(restricted["privacy"] as? String == "restricted")
      #expect(try await running.get(RunningTenant.path("nothing-here"), token: token).status == 404)
    }
  }

  @Test func `a processing recording becomes available after it was first requested`() async throws {
    let clock = TestClock()
    try await RunningTenant.run(system: clock.system) { running in
      let token = try await running.token()
      func status(_ id: String) async throws -> String? {
        try await running.get(RunningTenant.path(id), token: token).json()["status"] as? String
      }
      clock.advance(.seconds(100))
      #expect(try await status(FixedRecordings.processing) == "processing")
      #expect(try await running.download(FixedRecordings.processing, token: token).status == 409)
      clock.advance(.seconds(2))
      #expect(try await status(FixedRecordings.processing) == "processing")
      clock.advance(.seconds(1))
      #expect(try await status(FixedRecordings.processing) == "available")
      #expect(try await running.download(FixedRecordings.processing, token: token).status == 206)
      #expect(try await status(FixedRecordings.never) == "processing")
      #expect(try await status(FixedRecordings.failed) == "failed")
    }
  }

  @Test func `the same seed generates the same day, another seed another`() throws {
    let first = try tenant { $0.spokenCalls = false }
    let again = try tenant { $0.spokenCalls = false }
    let other = try tenant {
      $0.spokenCalls = false
      $0.seed = 2
    }
    #expect(first.recordings == again.recordings)
    #expect(first.recordings != other.recordings)
    let made = first.recordings.filter { $0.id.count == 36 }
    #expect(made.count == 60)
    #expect(made.contains { $0.privacy == .restricted })
    #expect(made.contains { $0.direction == .inbound })
    #expect(made.count { $0.direction == .outbound } > 30)
    #expect(made.map(\.durationSeconds).min() == 20)
    #expect(made.map(\.durationSeconds).max() == 3600)
    #expect(Set(made.map(\.format)).count >= 5)
  }
}
