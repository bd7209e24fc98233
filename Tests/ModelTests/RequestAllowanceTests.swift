import Foundation
import Model
import Testing

/// Which requests may be sent, and when.
@Suite struct RequestAllowanceTests {
  let start = Instant(milliseconds: 1_768_478_400_000)

  private func allowance(rate: Double, burst: Int = 20, _ classes: [RequestClass: Double] = [:]) -> RequestAllowance {
    var allowance = RequestAllowance(limits: RequestLimits(rate: rate, burst: burst, classRates: classes), now: start)
    // Uses up the initial tokens of a new source.
    _ = allowance.take(Array(repeating: .fresh, count: 5), now: start)
    return allowance
  }

  /// An allowance that has grown to the configured rate because the platform accepted everything.
  private func grown(rate: Double, burst: Int = 20, _ classes: [RequestClass: Double] = [:]) -> RequestAllowance {
    var allowance = allowance(rate: rate, burst: burst, classes)
    while allowance.rate != rate {
      _ = allowance.take(Array(repeating: .fresh, count: 50), now: start)
      allowance.note(.accepted(100), now: start)
    }
    return allowance
  }

  @Test func `a new source may send the requests of one recording at once, then starts slowly`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 10, burst: 20), now: start)
    let grants = allowance.take(Array(repeating: .fresh, count: 8), now: start)
    #expect(grants == Grants(granted: [0, 1, 2, 3, 4], wait: .seconds(1)))
    #expect(allowance.take([.fresh], now: start + .seconds(1)).granted == [0])
  }

  @Test func `the configured limit applies from the first request on`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0.5, burst: 2), now: start)
    #expect(allowance.take([.fresh, .fresh, .fresh], now: start) == Grants(granted: [0, 1], wait: .seconds(2)))
  }

  @Test func `the rate grows up to the configured one while everything is accepted`() {
    var allowance = allowance(rate: 10)
    var now = start
    var rates: [Double] = []
    for _ in 0..<100 {
      let grants = allowance.take([.fresh, .fresh], now: now)
      allowance.note(.accepted(grants.granted.count), now: now)
      rates.append(allowance.rate ?? 0)
      now = now + (grants.wait ?? .zero)
    }
    #expect(rates == rates.sorted())
    #expect(rates.last == 10)
    // Ten times the rate within the requests of about thirty recordings.
    #expect((60...90).contains(rates.firstIndex(of: 10) ?? 0))
  }

  /// The budget notes answers together, when it takes the next permits.
  @Test(arguments: [1, 2, 5, 20], [1, 3])
  func `the rate grows with any burst while requests wait`(burst: Int, waiting: Int) {
    var allowance = allowance(rate: 10, burst: burst)
    var now = start
    var answered = 0
    for _ in 0..<200 {
      allowance.note(.accepted(answered), now: now)
      let grants = allowance.take(Array(repeating: .fresh, count: waiting), now: now)
      answered = grants.granted.count
      now = now + (grants.wait ?? .milliseconds(1))
    }
    #expect(allowance.rate == 10)
  }

  /// Many refusals make the bucket of a large burst small too.
  @Test func `a rate that was lowered far grows again`() {
    var allowance = grown(rate: 10)
    var now = start
    while allowance.rate ?? 0 > 0.2 {
      allowance.note(.refused(after: .zero), now: now)
      now = now + .seconds(1)
      _ = allowance.take([.fresh], now: now)
      allowance.note(.accepted(1), now: now)
    }
    let lowest = allowance.rate ?? 0
    var answered = 0
    for _ in 0..<400 {
      allowance.note(.accepted(answered), now: now)
      let grants = allowance.take([.fresh, .fresh], now: now)
      answered = grants.granted.count
      now = now + (grants.wait ?? .milliseconds(1))
    }
    #expect(allowance.rate ?? 0 > lowest * 1.1)
  }

  @Test(arguments: [0.5, 0.6, 0.75])
  func `a rate that is not used up stops growing`(load: Double) {
    var allowance = allowance(rate: 10)
    // More requests than tokens, once.
    _ = allowance.take(Array(repeating: .fresh, count: 3), now: start)
    var now = start
    for _ in 0..<2000 {
      allowance.note(.accepted(1), now: now)
      now = now + .seconds(1 / (load * (allowance.rate ?? 1)))
      _ = allowance.take([.fresh], now: now)
    }
    #expect(allowance.rate ?? 10 < 10)
  }

  @Test func `an unused rate does not grow`() {
    var allowance = allowance(rate: 10)
    var now = start
    for _ in 0..<200 {
      now = now + .seconds(10)
      #expect(allowance.take([.fresh], now: now).granted == [0])
      allowance.note(.accepted(1), now: now)
    }
    #expect(allowance.rate == 1)
  }

  @Test func `a burst is granted at once, then one request per interval`() {
    var allowance = grown(rate: 10, burst: 3)
    let now = start + .seconds(60)
    #expect(
      allowance.take(Array(repeating: .fresh, count: 5), now: now)
        == Grants(granted: [0, 1, 2], wait: .milliseconds(100)))
    #expect(allowance.take([.fresh], now: now + .milliseconds(100)).granted == [0])
    #expect(allowance.take([.fresh], now: now + .milliseconds(150)).wait == .milliseconds(50))
  }

  @Test func `tokens accumulate up to the burst only`() {
    var allowance = grown(rate: 10, burst: 8)
    #expect(
      allowance.take(Array(repeating: .fresh, count: 50), now: start + .seconds(3600)).granted == Array(0..<8))
  }

  @Test func `in any hour at most the rate plus one burst is granted`() {
    for rate in [0.5, 3, 40] {
      var allowance = grown(rate: rate, burst: 7)
      var random = SeededRandom(seed: 7)
      var (granted, wanted) = (0, 0)
      var now = start
      while now < start + .seconds(3600) {
        let count = Int.random(in: 0...9, using: &random)
        wanted += count
        granted += allowance.take(Array(repeating: .fresh, count: count), now: now).granted.count
        now = now + .milliseconds(Int64.random(in: 1...2000, using: &random))
      }
      #expect(Double(granted) <= rate * 3600 + 7)
      #expect(Double(granted) > min(rate * 3600, Double(wanted)) * 0.5)
    }
  }

  @Test func `without a limit every request is granted`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    #expect(allowance.take(Array(repeating: .fresh, count: 500), now: start).granted.count == 500)
  }

  // MARK: Priorities

  @Test func `fresh calls have precedence over backfill, and equal ones are ordered by arrival`() {
    var allowance = grown(rate: 1, burst: 4)
    _ = allowance.take([.backfill], now: start + .seconds(1))  // its guaranteed share
    let now = start + .seconds(4)
    let grants = allowance.take([.backfill, .fresh, .backfill, .fresh], now: now)
    // One token remains for fresh calls that may arrive.
    #expect(grants.granted == [1, 3])
    #expect(allowance.take([.fresh, .backfill], now: now).granted == [0])
  }

  @Test func `backfill gets one request in ten while fresh calls never stop`() {
    var allowance = grown(rate: 10)
    var (fresh, backfill) = (0, 0)
    var now = start
    for _ in 0..<2000 {
      for index in allowance.take([.backfill, .fresh, .fresh], now: now).granted {
        if index == 0 { backfill += 1 } else { fresh += 1 }
      }
      now = now + .milliseconds(100)
    }
    #expect((195...205).contains(backfill))
    #expect((1790...1830).contains(fresh))
  }

  @Test func `backfill alone gets the full rate`() {
    var allowance = grown(rate: 10)
    var now = start
    var granted = 0
    for _ in 0..<1000 {
      granted += allowance.take([.backfill, .backfill], now: now).granted.count
      now = now + .milliseconds(100)
    }
    #expect((990...1020).contains(granted))
  }

  @Test func `a fresh call does not wait for tokens taken by another node's backfill`() {
    var allowance = grown(rate: 2, burst: 20)
    var now = start + .seconds(60)
    // Another node keeps requesting permits for backfill.
    for _ in 0..<100 {
      _ = allowance.take(Array(repeating: .backfill, count: 9), now: now)
      now = now + .milliseconds(100)
    }
    #expect(allowance.take([.fresh, .fresh, .fresh, .fresh], now: now).granted.count == 4)
  }

  // MARK: Classes

  @Test func `a class with its own limit does not delay other classes`() {
    var allowance = grown(rate: 100, burst: 50, [.search: 1])
    let now = start + .seconds(60)
    let tickets = [RequestTicket(.search, .fresh), RequestTicket(.search, .fresh), RequestTicket(.metadata, .fresh)]
    #expect(allowance.take(tickets, now: now) == Grants(granted: [0, 2], wait: .seconds(1)))
    #expect(allowance.take([RequestTicket(.search, .fresh)], now: now + .seconds(1)).granted == [0])
    #expect(allowance.take([RequestTicket(.search, .fresh)], now: now + .seconds(1)).wait == .seconds(1))
  }

  @Test func `a class limit applies within the limit of the source`() {
    var allowance = grown(rate: 1, burst: 1, [.search: 50])
    let now = start + .seconds(60)
    let tickets = Array(repeating: RequestTicket(.search, .fresh), count: 3)
    #expect(allowance.take(tickets, now: now) == Grants(granted: [0], wait: .seconds(1)))
  }

  @Test(arguments: [0, 100.0])
  func `within a class backfill gets exactly one request in ten while fresh calls never stop`(rate: Double) {
    var allowance =
      rate > 0 ? grown(rate: rate, [.search: 10]) : allowance(rate: 0, [.search: 10])
    let tickets = [Priority.backfill, .fresh, .fresh].map { RequestTicket(.search, $0) }
    var (fresh, backfill) = (0, 0)
    var now = start
    for _ in 0..<2000 {
      for index in allowance.take(tickets, now: now).granted {
        if index == 0 { backfill += 1 } else { fresh += 1 }
      }
      now = now + .milliseconds(100)
    }
    #expect((195...205).contains(backfill))
    #expect((1790...1830).contains(fresh))
  }

  @Test func `a class without a remaining share does not affect another class's share`() {
    var allowance = grown(rate: 10, [.search: 1])
    var now = start
    var metadata = 0
    for _ in 0..<1000 {
      let tickets = [RequestTicket(.search, .backfill), .backfill, .fresh, .fresh]
      metadata += allowance.take(tickets, now: now).granted.count { $0 == 1 }
      now = now + .milliseconds(100)
    }
    #expect((85...105).contains(metadata))
  }

  @Test func `a class can be limited where the source is not`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1, classRates: [.search: 2]), now: start)
    let tickets = Array(repeating: RequestTicket(.search, .fresh), count: 5)
    #expect(allowance.take(tickets, now: start) == Grants(granted: [0, 1], wait: .milliseconds(500)))
  }

  // MARK: Outages

  @Test func `no tokens accumulate while the platform fails`() {
    var allowance = grown(rate: 10, burst: 20)
    var failed = RequestOutcomes()
    failed.isFailing = true
    allowance.note(failed, now: start)
    let now = start + .seconds(600)
    #expect(allowance.take(Array(repeating: .fresh, count: 30), now: now).granted == [0])
    allowance.note(.accepted(1), now: now)
    #expect(allowance.take(Array(repeating: .fresh, count: 30), now: now).granted.isEmpty)
    #expect(allowance.take(Array(repeating: .fresh, count: 30), now: now + .seconds(1)).granted.count == 10)
  }

  // MARK: Retries

  @Test func `one request in ten may be a retry`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    var admitted = 0
    for _ in 0..<1000 {
      _ = allowance.take([.fresh], now: start)
      if allowance.admitRetry(now: start) == nil { admitted += 1 }
    }
    #expect(admitted == 100)
    #expect(allowance.admitRetry(now: start) == .seconds(60))
  }

  @Test func `a source with few requests may retry some, and more after several minutes`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    let admitted = (0..<20).map { _ in allowance.admitRetry(now: start) == nil }
    #expect(admitted == Array(repeating: true, count: 10) + Array(repeating: false, count: 10))
    #expect(allowance.admitRetry(now: start + .seconds(239)) != nil)
    #expect(allowance.admitRetry(now: start + .seconds(300)) == nil)
  }

  // MARK: Clock changes and storage

  @Test func `a clock that was set back delays requests only briefly`() {
    var allowance = grown(rate: 10, burst: 1)
    #expect(allowance.take([.fresh], now: start + .seconds(10)).granted == [0])
    let earlier = start + .seconds(-900)
    #expect(allowance.take([.fresh], now: earlier).wait == .milliseconds(100))
    #expect(allowance.take([.fresh], now: earlier + .milliseconds(100)).granted == [0])
    allowance.note(.refused(after: .seconds(60)), now: start)
    #expect(!allowance.take([.fresh], now: start + .seconds(-86_400)).isPaused)
  }

  @Test func `the learned state can be stored and read under other limits`() throws {
    var allowance = grown(rate: 10, [.search: 3])
    allowance.note(.refused(after: .seconds(30)), now: start)
    _ = allowance.admitRetry(now: start)
    let stored = try JSONEncoder().encode(allowance)
    #expect(stored.count < 2000)
    var read = try JSONDecoder().decode(RequestAllowance.self, from: stored)
    read.limits = allowance.limits
    #expect(read == allowance)
    // States stored by older versions have no class shares.
    var older = try #require(try JSONSerialization.jsonObject(with: stored) as? [String: Any])
    #expect(older.removeValue(forKey: "classShares") != nil)
    _ = try JSONDecoder().decode(RequestAllowance.self, from: JSONSerialization.data(withJSONObject: older))
    read.limits = RequestLimits(rate: 2, burst: 3)
    #expect(read.rate == 2)
    #expect(read.take([.fresh], now: start).isPaused)
  }
}

extension RequestTicket {
  fileprivate static let fresh = RequestTicket(.metadata, .fresh)
  fileprivate static let backfill = RequestTicket(.metadata, .backfill)
}

extension RequestOutcomes {
  static func accepted(_ count: Int) -> RequestOutcomes {
    var outcomes = RequestOutcomes()
    outcomes.accepted = count
    return outcomes
  }

  static func refused(after delay: Duration?, random: Double = 0.5) -> RequestOutcomes {
    var outcomes = RequestOutcomes()
    outcomes.pauses = [.refused(retryAfter: delay, random: random)]
    return outcomes
  }
}
