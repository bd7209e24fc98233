/// How many requests a source may make now: the operator's limit, and what the platform's refusals have taught us of its
/// own. Pure; time and chance are handed in. Shared by everybody who asks the source, on one node or on several.
///
/// A token bucket whose rate learns (`RequestAllowance+Learning.swift`). Fresh calls go before back-fill: back-fill
/// leaves the last quarter of the bucket to them, and has one request in ten for itself, so that neither starves. The
/// same one in ten holds within a class that has a limit of its own.
package struct RequestAllowance: Sendable, Equatable, Codable {
  /// The configuration's; not stored, since they may be others at the next start.
  package var limits = RequestLimits(rate: 0, burst: 1) { didSet { adoptLimits() } }
  /// Requests a second that are made at present; nil without a limit.
  package internal(set) var rate: Double?
  /// The end of the silence that the platform asked for; may be over.
  package internal(set) var pausedUntil: Instant?
  package internal(set) var history = RequestHistory()

  var tokens: Double
  var refilledAt: Instant
  /// What back-fill may take though fresh calls wait; 0 to 1.
  private var backfillShare = 1.0
  private var classTokens: [RequestClass: Double] = [:]
  /// The same as `backfillShare` for each class with a limit of its own; a class that is not there has all of its share.
  private var classShares: [RequestClass: Double]?
  /// Somebody was turned away for want of a token since the bucket was last full: the rate is what limits us.
  var isShort = false
  /// The last requests failed. Nothing is saved up then, so that there is no burst when the platform comes back.
  var isFailing = false

  /// The rate at which the platform refused; nil before it ever did.
  var ceiling: Double?
  var acceptedSinceLowering = 0
  /// Silences in a row without an accepted request between them. While there are any, one request goes at a time.
  var silences = 0
  /// Until then everybody waits for what becomes of the one request that was let through after a silence.
  var trialUntil: Instant?
  /// How it was before the refusals that are under way.
  var refusal: Refusal?
  /// Since the last silence, and up to the last long one.
  var span: Span
  var lastSpan: Span?

  private enum CodingKeys: String, CodingKey {
    case rate, pausedUntil, history, tokens, refilledAt, backfillShare, classTokens, classShares, isShort, isFailing,
      ceiling, acceptedSinceLowering, silences, trialUntil, refusal, span, lastSpan
  }

  /// The share of the requests that back-fill has though fresh calls wait.
  private static let backfillPart = 0.1
  /// The part of the bucket that back-fill leaves to fresh calls.
  private static let freshReserve = 0.25
  /// What a source that was never refused may do at once though it is slow yet: as much as a recording takes.
  private static let firstTokens = 5.0
  /// The time in which retries are counted, in minutes.
  static let retryMinutes = 5
  /// One request in so many may be one that is made again after a failure.
  private static let requestsPerRetry = 10
  /// A source that is hardly asked anything may repeat this much all the same.
  private static let fewRetries = 10
  /// A sum of tiny refills may miss a whole request by so much.
  private static let rounding = 1e-9
  /// An answer that takes longer than this is no reason for everybody else to wait.
  private static let trialTime: Duration = .seconds(15)
  /// How often those who wait for the outcome of another node's request look again.
  private static let trialLook: Duration = .milliseconds(250)

  /// A source that was not asked anything yet: it starts slowly, since the platform's limit may be far below ours.
  package init(limits: RequestLimits, now: Instant) {
    rate = limits.rate > 0 ? min(limits.rate, Self.firstRate(limits)) : nil
    tokens = min(Double(limits.burst), Self.firstTokens)
    refilledAt = now
    span = Span(startedAt: now)
    self.limits = limits
  }

  private static func firstRate(_ limits: RequestLimits) -> Double { max(1, limits.rate / 50) }

  // MARK: Asking

  /// Lets those go whose turn it is, fresh ones first; the order of the list is the order of their coming.
  package mutating func draw(_ wishes: [RequestWish], now: Instant) -> RequestGrant {
    adjust(to: now)
    if let until = pausedUntil, now < until { return RequestGrant(wait: until - now, isPaused: true) }
    if let until = trialUntil, now < until { return RequestGrant(wait: min(until - now, Self.trialLook)) }
    refill(now: now)
    var grant = RequestGrant()
    for turn in turns(of: wishes) where silences == 0 || grant.granted.isEmpty {
      if let wait = take(wishes[turn.index].kind, needing: turn.tokens) {
        grant.wait = min(grant.wait ?? wait, wait)
      } else {
        grant.granted.append(turn.index)
        if turn.isOfShare { takeShare(wishes[turn.index].kind) }
      }
    }
    history.note(requests: grant.granted.count, now: now)
    if silences > 0, !grant.granted.isEmpty {
      trialUntil = now + Self.trialTime
      grant.isTrial = true
      grant.wait = Self.trialLook
    }
    return grant
  }

  /// Counts a request that is made again after a failure, if the share of such requests allows one more.
  ///
  /// - Returns: nil when it may be made, else how long to wait at least.
  package mutating func admitRetry(now: Instant) -> Duration? {
    let counts = history.counts(minutes: Self.retryMinutes, now: now)
    guard counts.retries < max(Self.fewRetries, counts.requests / Self.requestsPerRetry) else { return .seconds(60) }
    history.note(retries: 1, now: now)
    return nil
  }

  // MARK: Turns

  /// Somebody's turn, and what must be in the bucket for it.
  private struct Turn {
    var index: Int
    var tokens = 1.0
    var isOfShare = false
  }

  private func turns(of wishes: [RequestWish]) -> [Turn] {
    let fresh = wishes.indices.filter { wishes[$0].priority == .fresh }.map { Turn(index: $0) }
    let reserve = (limit * Self.freshReserve).rounded(.down)
    var (first, last): ([Turn], [Turn]) = ([], [])
    // What would be left of the shares.
    var after = self
    for index in wishes.indices where wishes[index].priority == .backfill {
      if after.hasShare(wishes[index].kind) {
        after.takeShare(wishes[index].kind)
        first.append(Turn(index: index, isOfShare: true))
      } else {
        last.append(Turn(index: index, tokens: 1 + reserve))
      }
    }
    return first + fresh + last
  }

  /// Whether back-fill may go before fresh calls: every limit that both share has a part for it.
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

  /// Takes a request out of the bucket.
  ///
  /// - Returns: nil when it was there, else when it will be.
  private mutating func take(_ kind: RequestClass, needing needed: Double) -> Duration? {
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

  /// What can be saved up, in requests.
  var limit: Double {
    guard let rate, !isFailing else { return 1 }
    let burst = Double(limits.burst)
    // As long a burst as the operator allows at the full rate.
    let learnt = limits.rate > 0 ? burst * rate / limits.rate : min(burst, rate)
    return min(burst, max(learnt, ceiling == nil ? Self.firstTokens : 1))
  }

  /// A clock that was set back gives and takes nothing, and prolongs no silence.
  private mutating func adjust(to now: Instant) {
    if refilledAt > now { refilledAt = now }
    if let until = pausedUntil, until - now > RetryAfter.longest { pausedUntil = nil }
    if let until = trialUntil, until - now > Self.trialTime { trialUntil = nil }
  }

  mutating func refill(now: Instant) {
    // Nothing is saved up in a silence.
    let seconds = max(0, (now - max(refilledAt, pausedUntil ?? refilledAt)).inSeconds)
    refilledAt = now
    for (kind, classRate) in limits.classRates {
      let before = classTokens[kind] ?? max(1, classRate)
      classTokens[kind] = min(max(1, classRate), before + seconds * classRate)
      setShare(of: kind, to: min(1, share(of: kind) + seconds * classRate * Self.backfillPart))
    }
    guard let rate else { return }
    let full = tokens + seconds * rate
    if full >= limit { isShort = false }
    tokens = min(full, limit)
    backfillShare = min(1, backfillShare + seconds * rate * Self.backfillPart)
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
