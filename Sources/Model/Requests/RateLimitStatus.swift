/// The request rate of a source, as monitoring shows it.
package struct RateLimitStatus: Sendable, Equatable {
  package var source: SourceID
  package var limits: RequestLimits
  /// Current requests per second; nil without a limit. Below the configured rate while the platform's own limit is
  /// being learned.
  package var rate: Double?
  /// Nil when no pause asked for by the platform is in effect.
  package var pausedUntil: Instant?
  package var requestsInLastMinute: Double
  package var lastHour: RequestHistory.Counts
  /// The counts from which the share of retries is computed.
  package var retryWindow: RequestHistory.Counts
  /// How many requests a job of each stage still needs; by default one for its availability, one for its audio, and one
  /// for its privacy once more.
  package var requestsLeft: [Stage: Double] = [.queued: 3, .awaiting: 3, .fetching: 2, .processing: 1]

  package init(_ allowance: RequestAllowance, of source: SourceID, now: Instant) {
    self.source = source
    limits = allowance.limits
    rate = allowance.rate
    pausedUntil = allowance.pausedUntil.flatMap { $0 > now ? $0 : nil }
    requestsInLastMinute = allowance.history.requestsInLastMinute(now: now)
    lastHour = allowance.history.counts(minutes: 60, now: now)
    retryWindow = allowance.history.counts(minutes: RequestAllowance.retryMinutes, now: now)
  }

  /// The used fraction of the requests allowed in one minute; nil without a limit.
  package var usedFraction: Double? { rate.map { $0 > 0 ? requestsInLastMinute / ($0 * 60) : 0 } }

  /// The fraction of requests that are retries.
  package var retryFraction: Double {
    retryWindow.requests > 0 ? Double(retryWindow.retries) / Double(retryWindow.requests) : 0
  }
}
