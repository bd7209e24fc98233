import Foundation
import Model

/// A tenant with a limited capacity; time in seconds from the start.
protocol SimulatedPlatform {
  /// Nil when a request is served, otherwise when one would be.
  mutating func ask(at time: Double) -> (isServed: Bool, retryAfter: Double?)
  /// The number of requests that it could have served.
  func served(from: Double, to: Double) -> Double
}

/// A limit of requests per second that can change over time.
struct RateOfRequests: SimulatedPlatform {
  var burst: Double
  var saysWhen: Bool
  var rate: (Double) -> Double
  private var tokens: Double
  private var at = 0.0

  init(burst: Double, saysWhen: Bool, rate: @escaping (Double) -> Double) {
    self.burst = burst
    self.saysWhen = saysWhen
    self.rate = rate
    tokens = burst
  }

  mutating func ask(at time: Double) -> (isServed: Bool, retryAfter: Double?) {
    tokens = min(burst, tokens + (time - at) * rate(time))
    at = time
    guard tokens >= 1 else { return (false, saysWhen ? 1 : nil) }
    tokens -= 1
    return (true, nil)
  }

  func served(from: Double, to: Double) -> Double {
    stride(from: from, to: to, by: 0.5).reduce(0) { $0 + rate($1) / 2 }
  }
}

/// A limit of requests per period of fixed length.
struct Quota: SimulatedPlatform {
  var quota: Int
  var length: Double
  var saysWhen: Bool
  private var span = -1
  private var used = 0

  init(of quota: Int, in length: Double, saysWhen: Bool) {
    self.quota = quota
    self.length = length
    self.saysWhen = saysWhen
  }

  mutating func ask(at time: Double) -> (isServed: Bool, retryAfter: Double?) {
    let now = Int(time / length)
    if now != span { (span, used) = (now, 0) }
    guard used < quota else { return (false, saysWhen ? Double(now + 1) * length - time : nil) }
    used += 1
    return (true, nil)
  }

  func served(from: Double, to: Double) -> Double { (to - from) / length * Double(quota) }
}

/// Serves everything, except during outages.
struct Outages: SimulatedPlatform {
  var every: Double
  var last: Double
  var saysWhen: Bool

  mutating func ask(at time: Double) -> (isServed: Bool, retryAfter: Double?) {
    let isServed = time.truncatingRemainder(dividingBy: every) < every - last
    return (isServed, isServed || !saysWhen ? nil : 1)
  }

  func served(from: Double, to: Double) -> Double { .infinity }
}

/// Several callers that repeat requests as soon as they are allowed to, over a connection with latency.
struct SimulatedRun {
  private enum Event {
    case arrival
    case answer(isServed: Bool, retryAfter: Double?)
  }

  private var allowance: RequestAllowance
  private var platform: any SimulatedPlatform
  private let start: Instant
  private var random: SeededRandom
  private var events: [(at: Double, event: Event)] = []
  private var waiting = 10
  private var nextLook = 0.0
  private(set) var elapsed = 0.0
  private(set) var requests = 0
  private(set) var refused = 0

  init(allowance: RequestAllowance, platform: any SimulatedPlatform, start: Instant, seed: UInt64) {
    self.allowance = allowance
    self.platform = platform
    self.start = start
    random = SeededRandom(seed: seed)
  }

  func served(from: Double) -> Double { platform.served(from: from, to: elapsed) }

  mutating func advance(toRequests wanted: Int) {
    while requests < wanted {
      if waiting > 0, elapsed >= nextLook { draw() }
      let next = events.first?.at ?? .infinity
      elapsed = max(elapsed, waiting > 0 ? min(next, max(nextLook, elapsed + 1e-6)) : next)
      while let first = events.first, first.at <= elapsed { handle(events.removeFirst().event) }
    }
  }

  private mutating func draw() {
    let grant = allowance.take(Array(repeating: RequestTicket(.metadata, .fresh), count: waiting), now: now)
    for _ in grant.granted {
      requests += 1
      waiting -= 1
      add(.arrival, after: Double.random(in: 0.01...0.05, using: &random))
    }
    nextLook = elapsed + (grant.wait?.inSeconds ?? 0)
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .arrival:
      let (isServed, retryAfter) = platform.ask(at: elapsed)
      add(
        .answer(isServed: isServed, retryAfter: retryAfter), after: Double.random(in: 0.01...0.05, using: &random))
    case .answer(let isServed, let retryAfter):
      waiting += 1
      nextLook = min(nextLook, isServed ? nextLook : elapsed)
      if !isServed { refused += 1 }
      let delay = retryAfter.map { Duration.seconds(Int64($0.rounded(.up))) }
      allowance.note(
        isServed ? .accepted(1) : .refused(after: delay, random: Double.random(in: 0..<1, using: &random)), now: now)
    }
  }

  private var now: Instant { start + .milliseconds(Int64((elapsed * 1000).rounded(.up))) }

  private mutating func add(_ event: Event, after delay: Double) {
    let at = elapsed + delay
    events.insert((at, event), at: events.firstIndex { $0.at > at } ?? events.endIndex)
  }
}
