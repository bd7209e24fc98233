import Foundation

/// How the rate learns from what the platform answers: halved by a refusal, then quickly up to just below where it was
/// refused, slowly from there on. A silence ends with a single request, and each that follows it at once is three times
/// as long.
///
/// Short silences are the work of a limit of so many requests a second. A long one is either a quota for a longer time,
/// such as 150 requests in 5 minutes, or an outage that is none of our rate's doing. Which of them is seen from how much
/// was served before: with a quota it is the same at any rate, before an outage it grows with the rate.
extension RequestAllowance {
  /// What was served from the end of a silence to the beginning of the next.
  struct Span: Sendable, Equatable, Codable {
    var startedAt: Instant
    var accepted = 0
    /// Requests a second while it lasted; 0 before its end.
    var pace = 0.0
  }

  /// How it was when the platform began to refuse.
  struct Refusal: Sendable, Equatable, Codable {
    var at: Instant
    var rate: Double
    var ceiling: Double?
  }

  /// The most that quick growth makes of the rate in a second.
  private static let quickestPerSecond = 0.15
  /// Growth per accepted request: far below where the platform refused, near it and above it, and there after a while
  /// without any refusal.
  private static let growth = (quick: 1.0 / 32, careful: 1.0 / 2000, later: 1.0 / 200)
  /// Up to this part of the rate at which the platform refused, growth is quick.
  private static let safePart = 0.85
  /// After so many accepted requests the platform's limit may have become another.
  private static let memory = 1000
  /// After so many accepted requests a refusal says less about the rate than about the moment.
  private static let longRun = 100
  /// Less than any tenant is known to be allowed.
  private static let slowest = 1.0 / 60
  /// Of a source without a limit: nobody knows what was too much, but less than this was not.
  private static let firstLearnt = 10.0
  /// Without a limit, a rate above this is none.
  private static let fastest = 1000.0

  /// Takes in what became of requests.
  package mutating func note(_ outcomes: RequestOutcomes, now: Instant) {
    // While one request is on trial, an answer that came together with a refusal was to an older one.
    if outcomes.accepted > 0, silences == 0 || outcomes.silences.isEmpty { accepted(outcomes.accepted, now: now) }
    if outcomes.retries > 0 { history.note(retries: outcomes.retries, now: now) }
    for silence in outcomes.silences {
      switch silence {
      case .refused(let retryAfter, let random): refused(retryAfter: retryAfter, random: random, now: now)
      case .unavailable(let retryAfter): beSilent(for: retryAfter, now: now)
      }
    }
    if outcomes.isFailing {
      isFailing = true
      // Nothing was learnt from that one; another may try.
      trialUntil = nil
    } else if outcomes.accepted > 0 {
      isFailing = false
    }
  }

  // MARK: Silences

  private mutating func refused(retryAfter: Duration?, random: Double, now: Instant) {
    history.note(refused: 1, now: now)
    // Of requests that were under way together only the first is news.
    guard !isSilent(at: now) else { return prolong(by: retryAfter ?? .zero, now: now) }
    if silences == 0 { lower(now: now) }
    // What the platform says is the least: one that refuses again after that time is asked less and less.
    let repeats = retryAfter == nil ? silences : silences - 1
    let own = repeats < 0 ? 0 : min(2 * pow(3, Double(min(repeats, 10))), 300) * (0.5 + random)
    beSilent(for: max(retryAfter ?? .zero, .seconds(own)), now: now)
  }

  private func isSilent(at now: Instant) -> Bool { pausedUntil.map { now < $0 } ?? false }

  private mutating func prolong(by delay: Duration, now: Instant) {
    pausedUntil = max(pausedUntil ?? now, now + min(delay, RetryAfter.longest))
  }

  private mutating func beSilent(for delay: Duration, now: Instant) {
    if !isSilent(at: now) { silences = min(silences + 1, 100) }
    prolong(by: delay, now: now)
    trialUntil = nil
    tokens = 0
  }

  private mutating func lower(now: Instant) {
    let before = rate ?? max(Self.firstLearnt, history.requestsInLastMinute(now: now) / 60)
    refusal = Refusal(at: now, rate: before, ceiling: ceiling)
    ceiling = acceptedSinceLowering < Self.longRun ? before : max(before, ceiling ?? 0)
    setRate(before / 2)
    acceptedSinceLowering = 0
  }

  // MARK: Answers

  private mutating func accepted(_ count: Int, now: Instant) {
    // An answer during a silence is to a request from before it.
    guard !isSilent(at: now) else { return }
    if silences > 0 { endSilence(now: now) }
    span.accepted = min(span.accepted + count, 1_000_000_000)
    refill(now: now)
    // A rate that is not used up proves nothing.
    guard isShort else { return }
    for _ in 0..<min(count, 1000) { grow() }
  }

  private mutating func grow() {
    acceptedSinceLowering = min(acceptedSinceLowering + 1, 1_000_000_000)
    guard let rate else { return }
    let quick = 1 + min(Self.growth.quick, Self.quickestPerSecond / rate)
    guard let ceiling else { return setRate(rate * quick) }
    let safe = ceiling * Self.safePart
    if rate < safe {
      setRate(min(safe, rate * quick))
    } else {
      setRate(rate * (1 + (acceptedSinceLowering < Self.memory ? Self.growth.careful : Self.growth.later)))
    }
  }

  private mutating func endSilence(now: Instant) {
    if silences > 1, let refusal { judge(refusal, now: now) }
    silences = 0
    trialUntil = nil
    pausedUntil = nil
    refusal = nil
    span = Span(startedAt: now)
    tokens = 0
    refilledAt = now
  }

  /// Learns from a long silence what is behind it.
  private mutating func judge(_ refusal: Refusal, now: Instant) {
    var served = span
    served.pace = Double(served.accepted) / max(0.001, (refusal.at - served.startedAt).inSeconds)
    guard served.accepted >= 10 else { return }
    defer { lastSpan = served }
    guard let last = lastSpan, abs(log(served.pace / last.pace)) > log(1.3) else {
      // At another pace than before there will be something to compare.
      ceiling = refusal.rate
      return
    }
    let elasticity = log(Double(served.accepted) / Double(last.accepted)) / log(served.pace / last.pace)
    if elasticity < 0.5 {
      let sustained = Double(served.accepted) / max(0.001, (now - served.startedAt).inSeconds)
      setRate(min(refusal.rate, 0.9 * sustained))
      ceiling = (rate ?? sustained) / Self.safePart
    } else {
      setRate(max(refusal.rate, last.pace, served.pace))
      ceiling = max(refusal.rate, refusal.ceiling ?? 0)
    }
  }

  private mutating func setRate(_ wanted: Double) {
    if limits.rate > 0 {
      rate = min(max(wanted, min(Self.slowest, limits.rate)), limits.rate)
    } else if wanted > Self.fastest {
      (rate, ceiling) = (nil, nil)
    } else {
      rate = max(wanted, Self.slowest)
    }
  }
}
