import Model
import Testing

/// What the platform's refusals teach us, against platforms that are made up.
@Suite struct RequestLearningTests {
  let start = Instant(milliseconds: 1_768_478_400_000)

  private func allowance(rate: Double, burst: Int = 20) -> RequestAllowance {
    RequestAllowance(limits: RequestLimits(rate: rate, burst: burst), now: start)
  }

  private let wish = RequestWish(.metadata, .fresh)

  // MARK: Silences

  @Test func `Retry-After silences everybody, then one request goes before all others`() {
    var allowance = allowance(rate: 0)
    allowance.note(.refused(after: .seconds(7)), now: start)
    #expect(allowance.draw([wish, wish], now: start + .seconds(2)) == RequestGrant(wait: .seconds(5), isPaused: true))
    // The bucket fills from nothing.
    let over = start + .seconds(7)
    #expect(allowance.draw([wish, wish], now: over) == RequestGrant(wait: .milliseconds(200)))
    let trial = over + .milliseconds(200)
    #expect(
      allowance.draw([wish, wish], now: trial)
        == RequestGrant(granted: [0], wait: .milliseconds(250), isTrial: true))
    #expect(allowance.draw([wish], now: trial + .seconds(3)).granted.isEmpty)
    allowance.note(.accepted(1), now: trial + .seconds(3))
    #expect(allowance.draw([wish, wish], now: trial + .seconds(3)).granted.isEmpty)
    #expect(allowance.draw([wish, wish], now: trial + .milliseconds(3200)).granted == [0])
  }

  @Test func `a request on trial that is never answered holds up the others for no longer than 15 seconds`() {
    var allowance = allowance(rate: 100)
    allowance.note(.refused(after: .zero), now: start)
    let trial = start + .seconds(2)
    #expect(allowance.draw([wish], now: trial).isTrial)
    #expect(allowance.draw([wish], now: trial + .milliseconds(14_999)).granted.isEmpty)
    #expect(allowance.draw([wish], now: trial + .seconds(15)).isTrial)
    // One that fails for another reason makes way at once.
    var failed = RequestOutcomes()
    failed.isFailing = true
    allowance.note(failed, now: trial + .seconds(16))
    #expect(allowance.draw([wish], now: trial + .seconds(18)).isTrial)
  }

  @Test func `refusals in a row without a figure are three times as long each time, and an answer resets that`() {
    var allowance = allowance(rate: 1000)
    var now = start
    for expected in [2, 6, 18, 54, 162, 300, 300] {
      allowance.note(.refused(after: nil), now: now)
      // Under way together with the first one: counts once.
      allowance.note(.refused(after: nil), now: now)
      #expect(allowance.draw([wish], now: now).wait == .seconds(expected))
      now = now + .seconds(expected)
      now = now + (allowance.draw([wish], now: now).wait ?? .zero)
      _ = allowance.draw([wish], now: now)
    }
    allowance.note(.accepted(1), now: now)
    allowance.note(.refused(after: nil, random: 0), now: now)
    #expect(allowance.draw([wish], now: now).wait == .seconds(1))
  }

  @Test func `a platform that refuses again after the time it named is asked less and less`() {
    var allowance = allowance(rate: 1000)
    var now = start
    for expected in [1, 2, 6, 18] {
      allowance.note(.refused(after: .seconds(1)), now: now)
      #expect(allowance.draw([wish], now: now).wait == .seconds(expected))
      now = now + .seconds(expected + 1)
      #expect(allowance.draw([wish], now: now).isTrial)
    }
  }

  @Test func `the later end of two silences holds`() {
    var allowance = allowance(rate: 0)
    allowance.note(.refused(after: .seconds(9)), now: start)
    allowance.note(.refused(after: .seconds(3)), now: start)
    #expect(allowance.draw([wish], now: start).wait == .seconds(9))
    allowance.note(.refused(after: .seconds(100_000)), now: start)
    #expect(allowance.draw([wish], now: start).wait == RetryAfter.longest)
  }

  @Test func `a platform that is away for a while is not asked, and the rate stays`() {
    var allowance = allowance(rate: 1)
    var away = RequestOutcomes()
    away.silences = [.unavailable(retryAfter: .seconds(20))]
    allowance.note(away, now: start)
    #expect(allowance.draw([wish], now: start) == RequestGrant(wait: .seconds(20), isPaused: true))
    #expect(allowance.rate == 1)
    #expect(allowance.draw([wish], now: start + .seconds(21)).isTrial)
  }

  @Test func `each refusal after an answer halves the rate, one in a row with others does not`() {
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

  // MARK: Shares

  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var rate: Double
    var burst: Int
    /// Of a thousand requests, the share that may be refused.
    var first = 0.012
    /// In the long run.
    var later = 0.01
    /// The part of what the platform would have served that must be used.
    var yield = 0.6
    var platform: @Sendable () -> any SimulatedPlatform
  }

  static let cases = [false, true].flatMap(examples)

  private static func examples(saysWhen: Bool) -> [Case] {
    let words = saysWhen ? "with Retry-After" : "without Retry-After"
    return [
      Case(testDescription: "10/s where 0.5/s are served, \(words)", rate: 10, burst: 20) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { _ in 0.5 }
      },
      Case(testDescription: "10/s where 5/s are served, \(words)", rate: 10, burst: 20) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { _ in 5 }
      },
      Case(testDescription: "10/s where 9.5/s are served, \(words)", rate: 10, burst: 20) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 9.5 }
      },
      Case(testDescription: "200/s where 20/s are served, \(words)", rate: 200, burst: 400) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 20 }
      },
      Case(testDescription: "no limit where 20/s are served, \(words)", rate: 0, burst: 20) {
        RateOfRequests(burst: 20, saysWhen: saysWhen) { _ in 20 }
      },
      Case(testDescription: "50/s where 5/s and 20/s take turns, \(words)", rate: 50, burst: 50, yield: 0.3) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { $0.truncatingRemainder(dividingBy: 20) < 10 ? 5 : 20 }
      },
      Case(testDescription: "50/s where 2/s and 20/s take turns, \(words)", rate: 50, burst: 50, yield: 0.15) {
        RateOfRequests(burst: 5, saysWhen: saysWhen) { $0.truncatingRemainder(dividingBy: 120) < 60 ? 2 : 20 }
      },
      Case(testDescription: "everything refused for 20 of 120 seconds, \(words)", rate: 10, burst: 20) {
        Outages(every: 120, last: 20, saysWhen: saysWhen)
      },
      Case(testDescription: "10/s where 150 in 5 minutes are served, \(words)", rate: 10, burst: 20, first: 0.02) {
        Quota(of: 150, in: 300, saysWhen: saysWhen)
      },
      Case(testDescription: "0.5/s where 150 in 5 minutes are served, \(words)", rate: 0.5, burst: 20) {
        Quota(of: 150, in: 300, saysWhen: saysWhen)
      },
    ]
  }

  @Test(arguments: cases)
  func `of all requests no more than one in a hundred is refused`(example: Case) {
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
      #expect(5000 / possible >= example.yield, "5000 of \(Int(possible)) that would have been served")
    }
  }
}
