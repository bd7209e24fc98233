import Foundation
import Model
import Testing

/// The request rate and the jobs of each source.
@Suite(.timeLimit(.minutes(5)))
struct PlatformTests {
  private func status(
    rate: Double = 10, pausedFor: Duration? = nil, requests: Int = 0
  ) -> RateLimitStatus {
    let now = Instant.systemNow()
    var allowance = RequestAllowance(limits: RequestLimits(rate: rate, burst: 20), now: now)
    _ = allowance.take(Array(repeating: RequestTicket(.metadata, .fresh), count: requests), now: now)
    if let pausedFor {
      var outcomes = RequestOutcomes()
      outcomes.pauses = [.refused(retryAfter: pausedFor, random: 0.5)]
      allowance.note(outcomes, now: now)
    }
    return RateLimitStatus(allowance, of: .default, now: now)
  }

  private func source(_ answer: WebFixture.Answer) throws -> [String: Any] {
    try #require((answer.json["sources"] as? [[String: Any]])?.first)
  }

  @Test func `the rate, recent requests and remaining jobs are shown`() async throws {
    try await WebFixture.run(WebFixture.Options(rateLimits: [status(requests: 3)])) { fixture in
      _ = try await fixture.fetching(try fixture.facts("r"))
      _ = try await fixture.leased(try fixture.key("s"))
      let answer = try await fixture.get("/api/v1/platform", as: .admin)
      let source = try source(answer)
      #expect(source["source"] as? String == "default")
      #expect(source["configuredRate"] as? Double == 10)
      #expect(source["effectiveRate"] as? Double == 1)
      #expect(source["requestsLastMinute"] as? Int == 3)
      #expect(source["waitingJobs"] as? [String: Int] == ["fetching": 1, "queued": 1])
      // Five requests at one per second.
      let done = try #require((source["doneAt"] as? String).flatMap { Instant(iso8601: $0) })
      #expect((-30...7).contains((done - .systemNow()).inSeconds.rounded()))
    }
  }

  @Test func `the estimate counts as many requests as the contract needs`() async throws {
    var billed = status(requests: 3)
    billed.requestsLeft = [.queued: 1, .awaiting: 1, .fetching: 1]
    try await WebFixture.run(WebFixture.Options(rateLimits: [billed])) { fixture in
      for number in 0..<50 { _ = try await fixture.leased(try fixture.key("s\(number)")) }
      let source = try source(try await fixture.get("/api/v1/platform", as: .admin))
      // At one request per second.
      let done = try #require((source["doneAt"] as? String).flatMap { Instant(iso8601: $0) })
      #expect((0...52).contains((done - .systemNow()).inSeconds.rounded()))
    }
  }

  @Test func `a pause of the platform is shown, and counts in the estimate`() async throws {
    let options = WebFixture.Options(rateLimits: [status(pausedFor: .seconds(600))])
    try await WebFixture.run(options) { fixture in
      _ = try await fixture.leased(try fixture.key("s"))
      let source = try source(try await fixture.get("/api/v1/platform", as: .supervisor))
      let until = try #require((source["pausedUntil"] as? String).flatMap { Instant(iso8601: $0) })
      #expect((540...601).contains((until - .systemNow()).inSeconds))
      let done = try #require((source["doneAt"] as? String).flatMap { Instant(iso8601: $0) })
      #expect(done > until)
      let page = try await fixture.page("/platform", as: .supervisorsBrowser)
      #expect(page.text.contains("Paused by the platform"))
    }
  }

  @Test func `a source without a limit has no rate and no estimate`() async throws {
    try await WebFixture.run(WebFixture.Options(rateLimits: [status(rate: 0)])) { fixture in
      _ = try await fixture.leased(try fixture.key("s"))
      let source = try source(try await fixture.get("/api/v1/platform", as: .admin))
      #expect(source["configuredRate"] == nil && source["effectiveRate"] == nil && source["doneAt"] == nil)
      let page = try await fixture.page("/platform", as: .supervisorsBrowser)
      #expect(page.status == 200)
      #expect(page.text.contains("no limit") && !page.text.contains("<meter"))
    }
  }

  @Test func `the page is in the menu of readers who may see it`() async throws {
    try await WebFixture.run(WebFixture.Options(rateLimits: [status()])) { fixture in
      #expect(try await fixture.page("/", as: .supervisorsBrowser).text.contains("href=\"/platform\""))
      let agents = try await fixture.page("/", as: .agentsBrowser).text
      #expect(!agents.contains("href=\"/platform\""))
      let page = try await fixture.page("/platform", as: .supervisorsBrowser)
      #expect(page.text.contains("<h1>Platform</h1>"))
      #expect(page.text.contains("<meter"))
    }
  }
}
