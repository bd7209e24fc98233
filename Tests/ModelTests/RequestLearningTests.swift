import Model
import Testing

/// How the allowance adapts to refusals of simulated platforms.
@Suite struct RequestLearningTests {
  let start = Instant(milliseconds: 1_768_478_400_000)

  private func allowance(rate: Double, burst: Int = 20) -> RequestAllowance {
    RequestAllowance(limits: RequestLimits(rate: rate, burst: burst), now: start)
  }

  private let ticket = RequestTicket(.metadata, .fresh)

  // MARK: Pauses

  @Test func `Retry-After pauses all requests, then one is sent before all others`() {
    var allowance = allowance(rate: 0)
    allowance.note(.refused(after: .seconds(7)), now: start)
    #expect(allowance.take([ticket, ticket], now: start + .seconds(2)) == Grants(wait: .seconds(5), isPaused: true))
    // The bucket is empty at the end of a pause.
    let over = start + .seconds(7)
    #expect(allowance.take([ticket, ticket], now: over) == Grants(wait: .milliseconds(200)))
    let trial = over + .milliseconds(200)
    #expect(
      allowance.take([ticket, ticket], now: trial)
        == Grants(granted: [0], wait: .milliseconds(250), isTrial: true))
    #expect(allowance.take([ticket], now: trial + .seconds(3)).granted.isEmpty)
    allowance.note(.accepted(1), now: trial + .seconds(3))
    #expect(allowance.take([ticket, ticket], now: trial + .seconds(3)).granted.isEmpty)
    #expect(allowance.take([ticket, ticket], now: trial + .milliseconds(3200)).granted == [0])
  }

  @Test func `a trial request that is never answered delays the others by at most 15 seconds`() {
    var allowance = allowance(rate: 100)
    allowance.note(.refused(after: .zero), now: start)
    let trial = start + .seconds(2)
    #expect(allowance.take([ticket], now: trial).isTrial)
    #expect(allowance.take([ticket], now: trial + .milliseconds(14_999)).granted.isEmpty)
    #expect(allowance.take([ticket], now: trial + .seconds(15)).isTrial)
    // A trial that fails for another reason ends at once.
    var failed = RequestOutcomes()
    failed.isFailing = true
    allowance.note(failed, now: trial + .seconds(16))
    #expect(allowance.take([ticket], now: trial + .seconds(18)).isTrial)
  }

  @Test func `the pause after consecutive refusals without Retry-After triples, and a response resets it`() {
    var allowance = allowance(rate: 1000)
    var now = start
    for expected in [2, 6, 18, 54, 162, 300, 300] {
      allowance.note(.refused(after: nil), now: now)
      // In flight together with the first one, so it is not counted.
      allowance.note(.refused(after: nil), now: now)
      #expect(allowance.take([ticket], now: now).wait == .seconds(expected))
      now = now + .seconds(expected)
      now = now + (allowance.take([ticket], now: now).wait ?? .zero)
      _ = allowance.take([ticket], now: now)
    }
    allowance.note(.accepted(1), now: now)
    allowance.note(.refused(after: nil, random: 0), now: now)
    #expect(allowance.take([ticket], now: now).wait == .seconds(1))
  }

  @Test func `a platform that refuses again after its own Retry-After is asked less and less`() {
    var allowance = allowance(rate: 1000)
    var now = start
    for expected in [1, 2, 6, 18] {
      allowance.note(.refused(after: .seconds(1)), now: now)
      #expect(allowance.take([ticket], now: now).wait == .seconds(expected))
      now = now + .seconds(expected + 1)
      #expect(allowance.take([ticket], now: now).isTrial)
    }
  }

  @Test func `the later end of two pauses applies`() {
    var allowance = allowance(rate: 0)
    allowance.note(.refused(after: .seconds(9)), now: start)
    allowance.note(.refused(after: .seconds(3)), now: start)
    #expect(allowance.take([ticket], now: start).wait == .seconds(9))
    allowance.note(.refused(after: .seconds(100_000)), now: start)
    #expect(allowance.take([ticket], now: start).wait == RetryAfter.maxDelay)
  }

  @Test func `503 with Retry-After pauses requests and keeps the rate`() {
    var allowance = allowance(rate: 1)
    var away = RequestOutcomes()
    away.pauses = [.unavailable(retryAfter: .seconds(20))]
    allowance.note(away, now: start)
    #expect(allowance.take([ticket], now: start) == Grants(wait: .seconds(20), isPaused: true))
    #expect(allowance.rate == 1)
    #expect(allowance.take([ticket], now: start + .seconds(21)).isTrial)
  }

  @Test func `each refusal after a response halves the rate, consecutive refusals do not`() {
    var allowance = allowance(rate: 1)
    var now = start
    for expected in [0.5, 0.25, 0.125] {
      for _ in 0..<3 {
        allowance.note(.refused(after: nil), now: now)
        #expect(allowance.rate == expected)
        now = now + .seconds(600)
      }
      allowance.note(.accepted(1), now: now)
    }
  }

  // MARK: Share of refused requests

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var rate: Double
    var burst: Int
    /// The maximum share of refusals among the first thousand requests.
    var first = 0.012
    /// The maximum share afterwards.
    var later = 0.01
    /// The minimum fraction of the platform's capacity that must be used.
    var yield = 0.6
    var platform: @Sendable () -> any SimulatedPlatform
  }

  static let cases = [false, true].flatMap(examples)

  private static func examples(saysWhen: Bool) -> [Case] {
    let suffix = saysWhen ? "with Retry-After" : "without Retry-After"
    return [
      Case(testDescription: "10/s where 0.5/s are served, \(suffix)", rate: 10, burst: 20) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { _ in 0.5 }
      },
      Case(testDescription: "10/s where 5/s are served, \(suffix)", rate: 10, burst: 20) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { _ in 5 }
      },
      Case(testDescription: "10/s where 9.5/s are served, \(suffix)", rate: 10, burst: 20) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 9.5 }
      },
      Case(testDescription: "200/s where 20/s are served, \(suffix)", rate: 200, burst: 400) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 20 }
      },
      Case(testDescription: "no limit where 20/s are served, \(suffix)", rate: 0, burst: 20) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 20 }
      },
      Case(testDescription: "50/s where 5/s and 20/s take turns, \(suffix)", rate: 50, burst: 50, yield: 0.3) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { $0.truncatingRemainder(dividingBy: 20) < 10 ? 5 : 20 }
      },
      Case(testDescription: "50/s where 2/s and 20/s take turns, \(suffix)", rate: 50, burst: 50, yield: 0.15) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { $0.truncatingRemainder(dividingBy: 120) < 60 ? 2 : 20 }
      },
      Case(testDescription: "everything refused for 20 of 120 seconds, \(suffix)", rate: 10, burst: 20) {
        Outages(every: 120, last: 20, saysWhen: saysWhen)
      },
      Case(testDescription: "10/s where 150 in 5 minutes are served, \(suffix)", rate: 10, burst: 20, first: 0.02) {
        Quota(of: 150, in: 300, saysWhen: saysWhen)
      },
      Case(testDescription: "0.5/s where 150 in 5 minutes are served, \(suffix)", rate: 0.5, burst: 20) {
        Quota(of: 150, in: 300, saysWhen: saysWhen)
      },
    ]
  }

  @Test(arguments: cases)
  func `at most one request in a hundred is refused`(example: Case) {
    for seed in 1...3 as ClosedRange<UInt64> {
      var run = SimulatedRun(
        allowance: allowance(rate: example.rate, burst: example.burst), platform: example.platform(), start: start,
        seed: seed)
      run.advance(toRequests: 1000)
      #expect(Double(run.refused) / 1000 <= example.first, "\(run.refused) of the first 1000")
      let (refused, elapsed) = (run.refused, run.elapsed)
      run.advance(toRequests: 6000)
      #expect(Double(run.refused - refused) / 5000 <= example.later, "\(run.refused - refused) of the next 5000")
      let possible = min(
        run.served(from: elapsed), example.rate > 0 ? example.rate * (run.elapsed - elapsed) : .infinity)
      #expect(5000 / possible >= example.yield, "5000 of \(Int(possible)) possible requests")
    }
  }
}
