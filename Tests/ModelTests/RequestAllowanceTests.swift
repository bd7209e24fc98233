import Foundation
import Model
import Testing

/// Who may ask the platform, and when.
@Suite struct RequestAllowanceTests {
  let start = Instant(milliseconds: 1_768_478_400_000)

  private func allowance(rate: Double, burst: Int = 20, _ classes: [RequestClass: Double] = [:]) -> RequestAllowance {
    var allowance = RequestAllowance(limits: RequestLimits(rate: rate, burst: burst, classRates: classes), now: start)
    // Whatever a source may do before it was asked anything is gone.
    _ = allowance.draw(Array(repeating: .fresh, count: 5), now: start)
    return allowance
  }

  /// An allowance whose rate is the operator's, since the platform has accepted everything for long.
  private func grown(rate: Double, burst: Int = 20, _ classes: [RequestClass: Double] = [:]) -> RequestAllowance {
    var allowance = allowance(rate: rate, burst: burst, classes)
    while allowance.rate != rate {
      _ = allowance.draw(Array(repeating: .fresh, count: 50), now: start)
      allowance.note(.accepted(100), now: start)
    }
    return allowance
  }

  @Test func `a source that was not asked anything may do what one recording takes, then starts slowly`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 10, burst: 20), now: start)
    let grant = allowance.draw(Array(repeating: .fresh, count: 8), now: start)
    #expect(grant == RequestGrant(granted: [0, 1, 2, 3, 4], wait: .seconds(1)))
    #expect(allowance.draw([.fresh], now: start + .seconds(1)).granted == [0])
  }

  @Test func `the operator's limit holds from the first request on`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0.5, burst: 2), now: start)
    #expect(allowance.draw([.fresh, .fresh, .fresh], now: start) == RequestGrant(granted: [0, 1], wait: .seconds(2)))
  }

  @Test func `the rate grows to the operator's while everything is accepted, and no further`() {
    var allowance = allowance(rate: 10)
    var now = start
    var rates: [Double] = []
    for _ in 0..<100 {
      let grant = allowance.draw([.fresh, .fresh], now: now)
      allowance.note(.accepted(grant.granted.count), now: now)
      rates.append(allowance.rate ?? 0)
      now = now + (grant.wait ?? .zero)
    }
    #expect(rates == rates.sorted())
    #expect(rates.last == 10)
    // Ten times as much within the requests of some thirty recordings.
    #expect((60...90).contains(rates.firstIndex(of: 10) ?? 0))
  }

  @Test func `a rate that is not used up proves nothing`() {
    var allowance = allowance(rate: 10)
    var now = start
    for _ in 0..<200 {
      now = now + .seconds(10)
      #expect(allowance.draw([.fresh], now: now).granted == [0])
      allowance.note(.accepted(1), now: now)
    }
    #expect(allowance.rate == 1)
  }

  @Test func `a burst goes at once, then one request per interval`() {
    var allowance = grown(rate: 10, burst: 3)
    let now = start + .seconds(60)
    #expect(
      allowance.draw(Array(repeating: .fresh, count: 5), now: now)
        == RequestGrant(granted: [0, 1, 2], wait: .milliseconds(100)))
    #expect(allowance.draw([.fresh], now: now + .milliseconds(100)).granted == [0])
    #expect(allowance.draw([.fresh], now: now + .milliseconds(150)).wait == .milliseconds(50))
  }

  @Test func `a long rest saves up no more than the burst`() {
    var allowance = grown(rate: 10, burst: 8)
    #expect(
      allowance.draw(Array(repeating: .fresh, count: 50), now: start + .seconds(3600)).granted == Array(0..<8))
  }

  @Test func `in any hour no more than the rate and one burst are granted`() {
    for rate in [0.5, 3, 40] {
      var allowance = grown(rate: rate, burst: 7)
      var dice = SplitMix(state: 7)
      var (granted, wanted) = (0, 0)
      var now = start
      while now < start + .seconds(3600) {
        let count = Int.random(in: 0...9, using: &dice)
        wanted += count
        granted += allowance.draw(Array(repeating: .fresh, count: count), now: now).granted.count
        now = now + .milliseconds(Int64.random(in: 1...2000, using: &dice))
      }
      #expect(Double(granted) <= rate * 3600 + 7)
      #expect(Double(granted) > min(rate * 3600, Double(wanted)) * 0.5)
    }
  }

  @Test func `without a limit everybody goes`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    #expect(allowance.draw(Array(repeating: .fresh, count: 500), now: start).granted.count == 500)
  }

  // MARK: Priorities

  @Test func `fresh calls go before back-fill, and among equals who came first`() {
    var allowance = grown(rate: 1, burst: 4)
    _ = allowance.draw([.backfill], now: start + .seconds(1))  // its own share
    let now = start + .seconds(4)
    let grant = allowance.draw([.backfill, .fresh, .backfill, .fresh], now: now)
    // One of the bucket is left to fresh calls that may come.
    #expect(grant.granted == [1, 3])
    #expect(allowance.draw([.fresh, .backfill], now: now).granted == [0])
  }

  @Test func `back-fill has one request in ten though fresh calls never stop`() {
    var allowance = grown(rate: 10)
    var (fresh, backfill) = (0, 0)
    var now = start
    for _ in 0..<2000 {
      for index in allowance.draw([.backfill, .fresh, .fresh], now: now).granted {
        if index == 0 { backfill += 1 } else { fresh += 1 }
      }
      now = now + .milliseconds(100)
    }
    #expect((195...205).contains(backfill))
    #expect((1790...1830).contains(fresh))
  }

  @Test func `back-fill alone has the whole rate`() {
    var allowance = grown(rate: 10)
    var now = start
    var granted = 0
    for _ in 0..<1000 {
      granted += allowance.draw([.backfill, .backfill], now: now).granted.count
      now = now + .milliseconds(100)
    }
    #expect((990...1020).contains(granted))
  }

  @Test func `a fresh call does not wait for what back-fill of another node has taken`() {
    var allowance = grown(rate: 2, burst: 20)
    var now = start + .seconds(60)
    // Some node keeps asking for back-fill.
    for _ in 0..<100 {
      _ = allowance.draw(Array(repeating: .backfill, count: 9), now: now)
      now = now + .milliseconds(100)
    }
    #expect(allowance.draw([.fresh, .fresh, .fresh, .fresh], now: now).granted.count == 4)
  }

  // MARK: Classes

  @Test func `a class with a limit of its own holds up nobody else`() {
    var allowance = grown(rate: 100, burst: 50, [.search: 1])
    let now = start + .seconds(60)
    let wishes = [RequestWish(.search, .fresh), RequestWish(.search, .fresh), RequestWish(.metadata, .fresh)]
    #expect(allowance.draw(wishes, now: now) == RequestGrant(granted: [0, 2], wait: .seconds(1)))
    #expect(allowance.draw([RequestWish(.search, .fresh)], now: now + .seconds(1)).granted == [0])
    #expect(allowance.draw([RequestWish(.search, .fresh)], now: now + .seconds(1)).wait == .seconds(1))
  }

  @Test func `a class is inside the limit of the source`() {
    var allowance = grown(rate: 1, burst: 1, [.search: 50])
    let now = start + .seconds(60)
    let wishes = Array(repeating: RequestWish(.search, .fresh), count: 3)
    #expect(allowance.draw(wishes, now: now) == RequestGrant(granted: [0], wait: .seconds(1)))
  }

  @Test(arguments: [0, 100.0])
  func `within a class back-fill has one request in ten, and no more, while fresh calls never stop`(rate: Double) {
    var allowance =
      rate > 0 ? grown(rate: rate, [.search: 10]) : allowance(rate: 0, [.search: 10])
    let wishes = [Priority.backfill, .fresh, .fresh].map { RequestWish(.search, $0) }
    var (fresh, backfill) = (0, 0)
    var now = start
    for _ in 0..<2000 {
      for index in allowance.draw(wishes, now: now).granted {
        if index == 0 { backfill += 1 } else { fresh += 1 }
      }
      now = now + .milliseconds(100)
    }
    #expect((195...205).contains(backfill))
    #expect((1790...1830).contains(fresh))
  }

  @Test func `a class whose share is used up does not keep another's from its own`() {
    var allowance = grown(rate: 10, [.search: 1])
    var now = start
    var metadata = 0
    for _ in 0..<1000 {
      let wishes = [RequestWish(.search, .backfill), .backfill, .fresh, .fresh]
      metadata += allowance.draw(wishes, now: now).granted.count { $0 == 1 }
      now = now + .milliseconds(100)
    }
    #expect((85...105).contains(metadata))
  }

  @Test func `a class may be limited where the source is not`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1, classRates: [.search: 2]), now: start)
    let wishes = Array(repeating: RequestWish(.search, .fresh), count: 5)
    #expect(allowance.draw(wishes, now: start) == RequestGrant(granted: [0, 1], wait: .milliseconds(500)))
  }

  // MARK: Outages

  @Test func `nothing is saved up while the platform fails`() {
    var allowance = grown(rate: 10, burst: 20)
    var failed = RequestOutcomes()
    failed.isFailing = true
    allowance.note(failed, now: start)
    let now = start + .seconds(600)
    #expect(allowance.draw(Array(repeating: .fresh, count: 30), now: now).granted == [0])
    allowance.note(.accepted(1), now: now)
    #expect(allowance.draw(Array(repeating: .fresh, count: 30), now: now).granted.isEmpty)
    #expect(allowance.draw(Array(repeating: .fresh, count: 30), now: now + .seconds(1)).granted.count == 10)
  }

  // MARK: Retries

  @Test func `one request in ten may be made again after a failure`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    var admitted = 0
    for _ in 0..<1000 {
      _ = allowance.draw([.fresh], now: start)
      if allowance.admitRetry(now: start) == nil { admitted += 1 }
    }
    #expect(admitted == 100)
    #expect(allowance.admitRetry(now: start) == .seconds(60))
  }

  @Test func `a source that is hardly asked anything may repeat a few requests, and more some minutes later`() {
    var allowance = RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: start)
    let admitted = (0..<20).map { _ in allowance.admitRetry(now: start) == nil }
    #expect(admitted == Array(repeating: true, count: 10) + Array(repeating: false, count: 10))
    #expect(allowance.admitRetry(now: start + .seconds(239)) != nil)
    #expect(allowance.admitRetry(now: start + .seconds(300)) == nil)
  }

  // MARK: The clock, and what is stored

  @Test func `a clock set back stops nothing for long`() {
    var allowance = grown(rate: 10, burst: 1)
    #expect(allowance.draw([.fresh], now: start + .seconds(10)).granted == [0])
    let earlier = start + .seconds(-900)
    #expect(allowance.draw([.fresh], now: earlier).wait == .milliseconds(100))
    #expect(allowance.draw([.fresh], now: earlier + .milliseconds(100)).granted == [0])
    allowance.note(.refused(after: .seconds(60)), now: start)
    #expect(!allowance.draw([.fresh], now: start + .seconds(-86_400)).isPaused)
  }

  @Test func `what was learnt can be stored and read back under other limits`() throws {
    var allowance = grown(rate: 10, [.search: 3])
    allowance.note(.refused(after: .seconds(30)), now: start)
    _ = allowance.admitRetry(now: start)
    let stored = try JSONEncoder().encode(allowance)
    #expect(stored.count < 2000)
    var read = try JSONDecoder().decode(RequestAllowance.self, from: stored)
    read.limits = allowance.limits
    #expect(read == allowance)
    // A class's share came later than the rest.
    var older = try #require(try JSONSerialization.jsonObject(with: stored) as? [String: Any])
    #expect(older.removeValue(forKey: "classShares") != nil)
    _ = try JSONDecoder().decode(RequestAllowance.self, from: JSONSerialization.data(withJSONObject: older))
    read.limits = RequestLimits(rate: 2, burst: 3)
    #expect(read.rate == 2)
    #expect(read.draw([.fresh], now: start).isPaused)
  }
}

extension RequestWish {
  fileprivate static let fresh = RequestWish(.metadata, .fresh)
  fileprivate static let backfill = RequestWish(.metadata, .backfill)
}

extension RequestOutcomes {
  static func accepted(_ count: Int) -> RequestOutcomes {
    var outcomes = RequestOutcomes()
    outcomes.accepted = count
    return outcomes
  }

  static func refused(after delay: Duration?, random: Double = 0.5) -> RequestOutcomes {
    var outcomes = RequestOutcomes()
    outcomes.silences = [.refused(retryAfter: delay, random: random)]
    return outcomes
  }
}

/// Random numbers that are the same in each run (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
