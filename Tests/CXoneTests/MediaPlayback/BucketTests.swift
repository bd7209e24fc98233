import CXone
import Model
import TestKit
import Testing

/// The request budgets of the contract `media-playback`: one for each limit of the platform.
@Suite(.timeLimit(.minutes(1))) struct BucketTests {
  private static let period = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)

  /// The platform refuses calls whose target contains `refused` for ten minutes.
  private func run(refusing refused: String, _ body: (MediaTenant) async throws -> Void) async throws {
    try await MediaTenant.run { request, _, _ in
      if request.target.contains(refused) {
        return .json(#"{"message":"limit","route":"x"}"#, status: 429, ["Retry-After": "600"])
      }
      return .response(request.target.hasPrefix("/media-playback/") ? 404 : 204)
    } _: { tenant in
      try await body(tenant)
    }
  }

  @Test func `a refused search does not delay media requests`() async throws {
    try await run(refusing: "/contacts/completed") { tenant in
      for _ in 0..<2 {
        let error = await failure { _ = try await tenant.source.list(Self.period, bookmark: nil) }
        #expect(error?.code == .platformRateLimited)
      }
      #expect(tenant.contactRequests.count == 1, "a request was sent during the pause")
      // Only the media: the ACD's file call shares the limit of searches.
      _ = await failure { _ = try await tenant.source.locate(callID) }
      #expect(tenant.mediaRequests.count == 1)
    }
  }

  @Test func `a refused media request does not delay searches, and is the status of the source`() async throws {
    try await run(refusing: "/media-playback/") { tenant in
      for _ in 0..<2 {
        let error = await failure { _ = try await tenant.source.locate(callID) }
        #expect(error?.code == .platformRateLimited)
      }
      #expect(tenant.mediaRequests.count == 1, "a request was sent during the pause")
      #expect(try await tenant.source.list(Self.period, bookmark: nil).recordings.isEmpty)
      let status = try #require(try await tenant.source.rateLimitStatus())
      #expect(status.pausedUntil != nil && status.lastHour.refused == 1)
      #expect(status.requestsLeft[.queued] == 1)
    }
  }

  @Test(arguments: [MediaRate.standard, MediaRate(requests: 10, seconds: 60)])
  func `2,000 media requests take the permitted time, and no span of time has too many`(rate: MediaRate) throws {
    let access = try MediaPlaybackAccess(accessKeyID: "k", accessKeySecret: "s", rate: rate)
    let settings = try SourceSettings(
      baseURL: access.issuerURL, clientID: "c", clientSecret: "s", contract: .mediaPlayback(access))
    let start = Instant(milliseconds: 0)
    var now = start
    var allowance = RequestAllowance(limits: settings.limits(of: .media), now: now)
    var sent: [Instant] = []
    while sent.count < 2000 {
      let grants = allowance.take(Array(repeating: RequestTicket(.metadata, .backfill), count: 8), now: now)
      sent += grants.granted.map { _ in now }
      var outcomes = RequestOutcomes()
      outcomes.accepted = grants.granted.count
      allowance.note(outcomes, now: now)
      now = now + (grants.wait ?? .seconds(1))
    }
    for (first, last) in zip(sent, sent.dropFirst(rate.requests)) {
      #expect(last - first >= .seconds(rate.seconds))
    }
    let permitted = Double(2000 * rate.seconds) / Double(rate.requests)
    #expect((now - start).inSeconds < permitted * Double(rate.requests) / Double(rate.requests - 1) + 10)
  }
}
