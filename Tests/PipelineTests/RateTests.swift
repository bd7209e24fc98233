import CXone
import Catalog
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// A platform whose limit is far below the configured one and changes over time.
@Suite(.timeLimit(.minutes(5)))
struct RateTests {
  @Test func `with hundreds of recordings at most one request in a hundred exceeds the platform's limit`()
    async throws
  {
    // Each recording is polled until it is ready and then cannot be downloaded: requests without conversions.
    var options = PipelineFixture.Options(faults: [
      FaultRule(.statusFlap, times: 800), FaultRule(.privacyRefused, endpoint: .download),
    ])
    options.limits = RequestLimits(rate: 300, burst: 100)
    options.settings.waiting = WaitingSchedule(cap: .milliseconds(20), attempts: 1000)
    options.tenant = {
      $0.callCount = 300
      $0.rate = 60
      $0.burst = 20
    }
    try await PipelineFixture.run(options) { fixture in
      // Even a slow machine exceeds this limit. Those of a platform follow.
      fixture.tenant.limit.change(to: .init(rate: 0.1, burst: 20, saysRetryAfter: false))
      let ids = fixture.tenant.recordings.filter { $0.id.count > 20 }.map(\.id).prefix(300)
      #expect(ids.count == 300)
      try await fixture.withWorker {
        for id in ids { try await fixture.request(id, clearance: .restricted) }
        await withTaskGroup(of: Void.self) { group in
          group.addTask {
            try? await until { fixture.tenant.statistics.snapshot.overLimit > 0 }
            // Real time, since the sandbox's rate limit uses it too. Nothing waits for the sleep: how many changes a
            // run sees does not matter.
            for rate in [60.0, 20, 60, 30, 80, 40].cycled(50) {
              fixture.tenant.limit.change(to: .init(rate: rate, burst: 20, saysRetryAfter: rate > 30))
              guard (try? await Task.sleep(for: .seconds(3))) != nil else { return }
            }
          }
          try? await until {
            try await fixture.count("FROM job WHERE run_state = 'failed'") == 300
          }
          group.cancelAll()
        }
      }
      let statistics = fixture.tenant.statistics.snapshot
      let requests = statistics.endpoints.values.reduce(0, +)
      #expect(requests >= 1400)
      #expect(statistics.overLimit > 0, "the platform's limit was never reached")
      #expect(
        Double(statistics.overLimit) / Double(requests) < 0.01,
        "\(statistics.overLimit) of \(requests) requests were refused")
      print("rate: \(requests) requests, \(statistics.overLimit) over the platform's limit")
    }
  }
}

extension Array {
  fileprivate func cycled(_ times: Int) -> [Element] { (0..<times).flatMap { _ in self } }
}
