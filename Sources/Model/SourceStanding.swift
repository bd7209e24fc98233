/// How much is being asked of a source, for those who watch over it.
package struct SourceStanding: Sendable, Equatable {
  package var source: SourceID
  package var limits: RequestLimits
  /// Requests a second at present; nil without a limit. Below the configured one while the platform's own is learnt.
  package var rate: Double?
  /// Nil when the platform asked for no silence, or it is over.
  package var pausedUntil: Instant?
  package var requestsInLastMinute: Double
  package var lastHour: RequestHistory.Counts
  /// The time in which the share of retries is looked at.
  package var retryWindow: RequestHistory.Counts

  package init(_ allowance: RequestAllowance, of source: SourceID, now: Instant) {
    self.source = source
    limits = allowance.limits
    rate = allowance.rate
    pausedUntil = allowance.pausedUntil.flatMap { $0 > now ? $0 : nil }
    requestsInLastMinute = allowance.history.requestsInLastMinute(now: now)
    lastHour = allowance.history.counts(minutes: 60, now: now)
    retryWindow = allowance.history.counts(minutes: RequestAllowance.retryMinutes, now: now)
  }

  /// The part of what may be asked in a minute that was asked in the last one; nil without a limit.
  package var usedPart: Double? { rate.map { $0 > 0 ? requestsInLastMinute / ($0 * 60) : 0 } }

  /// The part of the requests that were made again after a failure.
  package var retryPart: Double {
    retryWindow.requests > 0 ? Double(retryWindow.retries) / Double(retryWindow.requests) : 0
  }
}
