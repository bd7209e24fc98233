/// How many requests a source may send now: the configured limit combined with what the platform's refusals have shown.
/// Pure; time and randomness are parameters. Shared by all callers of the source, on one node or several.
///
/// A token bucket with an adaptive rate (`RequestAllowance+Learning.swift`). Fresh calls have precedence over
/// backfill: backfill leaves the last quarter of the bucket to them, and is guaranteed one request in ten, so neither
/// starves. The same share applies within a class that has its own limit.
package struct RequestAllowance: Sendable, Equatable, Codable {
  /// The configured limits; not stored, because they can change between starts.
  package var limits = RequestLimits(rate: 0, burst: 1) { didSet { adoptLimits() } }
  /// Current requests per second; nil without a limit.
  package internal(set) var rate: Double?
  /// The end of the pause that the platform asked for; may have passed.
  package internal(set) var pausedUntil: Instant?
  package internal(set) var history = RequestHistory()

  var tokens: Double
  var refilledAt: Instant
  /// What backfill may take while fresh calls wait; 0 to 1.
  private var backfillShare = 1.0
  private var classTokens: [RequestClass: Double] = [:]
  /// Like `backfillShare`, for each class with its own limit; a missing class has its full share.
  private var classShares: [RequestClass: Double]?
  /// Whether a request had to wait for a token since the bucket was last full (of at least two tokens), so that the
  /// rate is the limiting factor.
  var isShort = false
  /// Whether the last requests failed. No tokens accumulate then, so that there is no burst when the platform recovers.
  var isFailing = false

  /// The rate at which the platform refused; nil before the first refusal.
  var ceiling: Double?
  var acceptedSinceLowering = 0
  /// Consecutive pauses without an accepted request in between. Above 0, one request is sent at a time.
  var pauses = 0
  /// Until then all requests wait for the outcome of the trial request sent after a pause.
  var trialUntil: Instant?
  /// The state before the current refusals.
  var refusal: Refusal?
  /// The span since the last pause, and the one before the last long pause.
  var span: Span
  var lastSpan: Span?

  private enum CodingKeys: String, CodingKey {
    case rate, pausedUntil, history, tokens, refilledAt, backfillShare, classTokens, classShares, isShort, isFailing,
      ceiling, acceptedSinceLowering, pauses, trialUntil, refusal, span, lastSpan
  }

  /// The fraction of requests guaranteed to backfill while fresh calls wait.
  private static let backfillFraction = 0.1
  /// The fraction of the bucket that backfill leaves to fresh calls.
  private static let freshReserve = 0.25
  /// Initial tokens of a source that was never refused: enough for one recording, although the rate starts low.
  private static let firstTokens = 5.0
  /// The time over which retries are counted, in minutes.
  static let retryMinutes = 5
  /// One retry is allowed per this many requests.
  private static let requestsPerRetry = 10
  /// Retries allowed regardless of the number of requests.
  private static let fewRetries = 10
  /// Tolerance for sums of many small refills.
  private static let rounding = 1e-9
  /// How long other requests wait for the outcome of a trial.
  private static let trialTime: Duration = .seconds(15)
  /// How often a request that waits for another node's trial checks again.
  private static let trialLook: Duration = .milliseconds(250)

  /// A source that has sent no requests. It starts slowly, because the platform's limit may be far below the configured
  /// one.
  package init(limits: RequestLimits, now: Instant) {
    rate = limits.rate > 0 ? min(limits.rate, Self.firstRate(limits)) : nil
    tokens = min(Double(limits.burst), Self.firstTokens)
    refilledAt = now
    span = Span(startedAt: now)
    self.limits = limits
  }

  private static func firstRate(_ limits: RequestLimits) -> Double { max(1, limits.rate / 50) }

  // MARK: Taking requests

  /// Grants the requests whose turn it is, fresh ones first; the list is in order of arrival.
  package mutating func take(_ tickets: [RequestTicket], now: Instant) -> Grants {
    adjust(to: now)
    if let until = pausedUntil, now < until { return Grants(wait: until - now, isPaused: true) }
    if let until = trialUntil, now < until { return Grants(wait: min(until - now, Self.trialLook)) }
    refill(now: now)
    var grants = Grants()
    for turn in turns(of: tickets) where pauses == 0 || grants.granted.isEmpty {
      if let wait = takeToken(tickets[turn.index].kind, needing: turn.tokens) {
        grants.wait = min(grants.wait ?? wait, wait)
      } else {
        grants.granted.append(turn.index)
        if turn.isOfShare { takeShare(tickets[turn.index].kind) }
      }
    }
    history.note(requests: grants.granted.count, now: now)
    if pauses > 0, !grants.granted.isEmpty {
      trialUntil = now + Self.trialTime
      grants.isTrial = true
      grants.wait = Self.trialLook
    }
    return grants
  }

  /// Counts a retry if the share of retries allows one more.
  ///
  /// - Returns: nil when it is allowed, otherwise the minimum wait.
  package mutating func admitRetry(now: Instant) -> Duration? {
    let counts = history.counts(minutes: Self.retryMinutes, now: now)
    guard counts.retries < max(Self.fewRetries, counts.requests / Self.requestsPerRetry) else { return .seconds(60) }
    history.note(retries: 1, now: now)
    return nil
  }

  // MARK: Turns

  /// A request in turn, and the tokens that must be in the bucket for it.
  private struct Turn {
    var index: Int
    var tokens = 1.0
    var isOfShare = false
  }

  private func turns(of tickets: [RequestTicket]) -> [Turn] {
    let fresh = tickets.indices.filter { tickets[$0].priority == .fresh }.map { Turn(index: $0) }
    let reserve = (limit * Self.freshReserve).rounded(.down)
    var (first, last): ([Turn], [Turn]) = ([], [])
    // The shares as they would be after the turns so far.
    var after = self
    for index in tickets.indices where tickets[index].priority == .backfill {
      if after.hasShare(tickets[index].kind) {
        after.takeShare(tickets[index].kind)
        first.append(Turn(index: index, isOfShare: true))
      } else {
        last.append(Turn(index: index, tokens: 1 + reserve))
      }
    }
    return first + fresh + last
  }

  /// Whether backfill has precedence over fresh calls: every limit that they share has a part left for it.
  private func hasShare(_ kind: RequestClass) -> Bool {
    var shares: [Double] = []
    if rate != nil { shares.append(backfillShare) }
    if limits.classRates[kind] != nil { shares.append(share(of: kind)) }
    return !shares.isEmpty && shares.allSatisfy { $0 + Self.rounding >= 1 }
  }

  private mutating func takeShare(_ kind: RequestClass) {
    if rate != nil { backfillShare -= 1 }
    if limits.classRates[kind] != nil { setShare(of: kind, to: share(of: kind) - 1) }
  }

  private func share(of kind: RequestClass) -> Double { classShares?[kind] ?? 1 }

  private mutating func setShare(of kind: RequestClass, to share: Double) {
    var shares = classShares ?? [:]
    shares[kind] = share
    classShares = shares
  }

  /// Takes a token from the bucket.
  ///
  /// - Returns: nil on success, otherwise the time until it will be there.
  private mutating func takeToken(_ kind: RequestClass, needing needed: Double) -> Duration? {
    func time(until needed: Double, from held: Double, at rate: Double) -> Duration? {
      guard held + Self.rounding < needed else { return nil }
      return .milliseconds(Int64((min((needed - held) / rate, 3600) * 1000).rounded(.up)))
    }
    let wait = rate.flatMap { time(until: needed, from: tokens, at: $0) }
    let classWait = limits.classRates[kind].flatMap { time(until: 1, from: classTokens[kind] ?? 0, at: $0) }
    if wait != nil { isShort = true }
    if wait != nil || classWait != nil { return max(wait ?? .zero, classWait ?? .zero) }
    if rate != nil { tokens -= 1 }
    if limits.classRates[kind] != nil { classTokens[kind, default: 0] -= 1 }
    return nil
  }

  // MARK: The bucket

  /// The capacity of the bucket in requests.
  var limit: Double {
    guard let rate, !isFailing else { return 1 }
    let burst = Double(limits.burst)
    // The burst lasts as long as the configured burst does at the full rate.
    let learned = limits.rate > 0 ? burst * rate / limits.rate : min(burst, rate)
    return min(burst, max(learned, ceiling == nil ? Self.firstTokens : 1))
  }

  /// A clock that was set back neither adds nor removes tokens, and does not extend a pause.
  private mutating func adjust(to now: Instant) {
    if refilledAt > now { refilledAt = now }
    if let until = pausedUntil, until - now > RetryAfter.maxDelay { pausedUntil = nil }
    if let until = trialUntil, until - now > Self.trialTime { trialUntil = nil }
  }

  mutating func refill(now: Instant) {
    // No tokens accumulate during a pause.
    let seconds = max(0, (now - max(refilledAt, pausedUntil ?? refilledAt)).inSeconds)
    refilledAt = now
    for (kind, classRate) in limits.classRates {
      let before = classTokens[kind] ?? max(1, classRate)
      classTokens[kind] = min(max(1, classRate), before + seconds * classRate)
      setShare(of: kind, to: min(1, share(of: kind) + seconds * classRate * Self.backfillFraction))
    }
    guard let rate else { return }
    let full = tokens + seconds * rate
    // A request that waits for the only token of a small bucket finds it full.
    if full >= max(limit, 2) { isShort = false }
    tokens = min(full, limit)
    backfillShare = min(1, backfillShare + seconds * rate * Self.backfillFraction)
  }

  private mutating func adoptLimits() {
    classTokens = classTokens.filter { limits.classRates[$0.key] != nil }
    classShares = classShares?.filter { limits.classRates[$0.key] != nil }
    if limits.rate > 0 {
      rate = min(rate ?? Self.firstRate(limits), limits.rate)
    } else if ceiling == nil {
      rate = nil
    }
  }
}
