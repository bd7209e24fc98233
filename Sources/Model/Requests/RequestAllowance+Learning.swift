import Foundation

/// How the rate adapts to the platform's responses. A 429 halves it; it then grows quickly to just below the refused
/// rate, and slowly from there. A pause ends with a single trial request, and each pause that follows immediately is
/// three times as long.
///
/// A short pause indicates a limit per second. A long one is either a quota over a longer time, such as 150 requests in
/// 5 minutes, or an outage that is unrelated to the rate. The number of requests served before the pause tells which:
/// under a quota, it is the same whatever the rate; before an outage, it grows with the rate.
extension RequestAllowance {
  /// The requests served between the end of one pause and the beginning of the next.
  struct Span: Sendable, Equatable, Codable {
    var startedAt: Instant
    var accepted = 0
    /// Requests per second during the span; 0 until it ends.
    var pace = 0.0
  }

  /// The state when the platform began to refuse requests.
  struct Refusal: Sendable, Equatable, Codable {
    var at: Instant
    var rate: Double
    var ceiling: Double?
  }

  /// The maximum growth of the rate per second during quick growth.
  private static let quickestPerSecond = 0.15
  /// Growth per accepted request: far below the refused rate, near or above it, and above it after many requests
  /// without a refusal.
  private static let growth = (quick: 1.0 / 32, careful: 1.0 / 2000, later: 1.0 / 200)
  /// Growth is quick up to this fraction of the refused rate.
  private static let safeFraction = 0.85
  /// After this many accepted requests the platform's limit may have changed.
  private static let memory = 1000
  /// After this many accepted requests a refusal says little about the rate.
  private static let longRun = 100
  /// Lower than the limit of any known tenant.
  private static let slowest = 1.0 / 60
  /// The minimum of the first learned rate of a source without a configured limit.
  private static let firstLearned = 10.0
  /// Without a configured limit, a rate above this counts as unlimited.
  private static let fastest = 1000.0

  /// Records the outcomes of requests.
  package mutating func note(_ outcomes: RequestOutcomes, now: Instant) {
    // During a trial, a response that arrived together with a refusal belongs to an older request.
    if outcomes.accepted > 0, pauses == 0 || outcomes.pauses.isEmpty { accepted(outcomes.accepted, now: now) }
    if outcomes.retries > 0 { history.note(retries: outcomes.retries, now: now) }
    for event in outcomes.pauses {
      switch event {
      case .refused(let retryAfter, let random): refused(retryAfter: retryAfter, random: random, now: now)
      case .unavailable(let retryAfter): pause(for: retryAfter, now: now)
      }
    }
    if outcomes.isFailing {
      isFailing = true
      // A failed trial says nothing about the rate; another request may try.
      trialUntil = nil
    } else if outcomes.accepted > 0 {
      isFailing = false
    }
  }

  // MARK: Pauses

  private mutating func refused(retryAfter: Duration?, random: Double, now: Instant) {
    history.note(refused: 1, now: now)
    // Of several requests in flight only the first refusal is new information.
    guard !isPaused(at: now) else { return extendPause(by: retryAfter ?? .zero, now: now) }
    if pauses == 0 { lower(now: now) }
    // The delay asked for is a minimum: if the platform refuses again afterwards, the pause grows.
    let repeats = retryAfter == nil ? pauses : pauses - 1
    let own = repeats < 0 ? 0 : min(2 * pow(3, Double(min(repeats, 10))), 300) * (0.5 + random)
    pause(for: max(retryAfter ?? .zero, .seconds(own)), now: now)
  }

  private func isPaused(at now: Instant) -> Bool { pausedUntil.map { now < $0 } ?? false }

  private mutating func extendPause(by delay: Duration, now: Instant) {
    pausedUntil = max(pausedUntil ?? now, now + min(delay, RetryAfter.maxDelay))
  }

  private mutating func pause(for delay: Duration, now: Instant) {
    if !isPaused(at: now) { pauses = min(pauses + 1, 100) }
    extendPause(by: delay, now: now)
    trialUntil = nil
    tokens = 0
  }

  private mutating func lower(now: Instant) {
    let before = rate ?? max(Self.firstLearned, history.requestsInLastMinute(now: now) / 60)
    refusal = Refusal(at: now, rate: before, ceiling: ceiling)
    ceiling = acceptedSinceLowering < Self.longRun ? before : max(before, ceiling ?? 0)
    setRate(before / 2)
    acceptedSinceLowering = 0
  }

  // MARK: Answers

  private mutating func accepted(_ count: Int, now: Instant) {
    // A response during a pause belongs to an earlier request.
    guard !isPaused(at: now) else { return }
    if pauses > 0 { endPause(now: now) }
    span.accepted = min(span.accepted + count, 1_000_000_000)
    refill(now: now)
    // The rate is only raised when it was the limiting factor.
    guard isShort else { return }
    for _ in 0..<min(count, 1000) { grow() }
  }

  private mutating func grow() {
    acceptedSinceLowering = min(acceptedSinceLowering + 1, 1_000_000_000)
    guard let rate else { return }
    let quick = 1 + min(Self.growth.quick, Self.quickestPerSecond / rate)
    guard let ceiling else { return setRate(rate * quick) }
    let safe = ceiling * Self.safeFraction
    if rate < safe {
      setRate(min(safe, rate * quick))
    } else {
      setRate(rate * (1 + (acceptedSinceLowering < Self.memory ? Self.growth.careful : Self.growth.later)))
    }
  }

  private mutating func endPause(now: Instant) {
    if pauses > 1, let refusal { learn(from: refusal, now: now) }
    pauses = 0
    trialUntil = nil
    pausedUntil = nil
    refusal = nil
    span = Span(startedAt: now)
    tokens = 0
    refilledAt = now
  }

  /// Determines the cause of a long pause.
  private mutating func learn(from refusal: Refusal, now: Instant) {
    var served = span
    served.pace = Double(served.accepted) / max(0.001, (refusal.at - served.startedAt).inSeconds)
    guard served.accepted >= 10 else { return }
    defer { lastSpan = served }
    guard let last = lastSpan, abs(log(served.pace / last.pace)) > log(1.3) else {
      // With a different pace next time there is something to compare.
      ceiling = refusal.rate
      return
    }
    let elasticity = log(Double(served.accepted) / Double(last.accepted)) / log(served.pace / last.pace)
    if elasticity < 0.5 {
      let sustained = Double(served.accepted) / max(0.001, (now - served.startedAt).inSeconds)
      setRate(min(refusal.rate, 0.9 * sustained))
      ceiling = (rate ?? sustained) / Self.safeFraction
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
