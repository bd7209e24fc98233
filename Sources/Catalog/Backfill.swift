package import Model

/// A span of time whose calls are fetched bit by bit, from the oldest on.
package struct Backfill: Sendable {
  package enum State: String, Sendable, CaseIterable {
    /// The node that has the duty brings it on.
    case running
    /// Nothing more is queued until somebody resumes it; what was queued is still fetched.
    case paused
    /// Everything that was listed has been fetched, or has failed for good.
    case done
    /// It cannot be brought on; the reason is with it.
    case failed
    /// Somebody stopped it; what was queued is still fetched.
    case cancelled
  }

  package var id: String
  package var source: SourceID
  package var period: Period
  /// Nil for what the source's filter wants.
  package var direction: Direction?
  /// The platform has been asked for everything before this.
  package var reachedAt: Instant
  /// Whether the platform has been asked for all of it.
  package var isListed: Bool
  package var state: State
  /// How many recordings of the span were wanted, as far as it is listed.
  package var found: Int64
  /// How many of them had to be fetched.
  package var queued: Int64
  package var createdAt: Instant
  package var createdBy: String
  package var endedAt: Instant?
  package var failure: TapedeckError?
  /// Of those that were queued: how many are still under way, failed, and ended within the last hour.
  package var open: Int64
  package var failed: Int64
  package var endedLately: Int64

  init(_ row: Row) throws(TapedeckError) {
    id = try row.text("id")
    guard let source = SourceID(try row.text("source")) else {
      throw TapedeckError(.catalogFailed, detail: "a back-fill has a malformed source")
    }
    self.source = source
    period = Period(start: try row.instant("from_at"), end: try row.instant("to_at"))
    direction = row.optionalValue("direction", as: Direction.self)
    reachedAt = try row.instant("reached_at")
    isListed = try row.int("is_listed") == 1
    state = try row.value("state", as: State.self)
    found = try row.int("found")
    queued = try row.int("queued")
    createdAt = try row.instant("created_at")
    createdBy = try row.text("created_by")
    endedAt = row.optionalInstant("ended_at")
    if let code = row.optionalText("failure_code") {
      failure = TapedeckError(TapedeckError.Code(rawValue: code) ?? .internalError, row.optionalText("failure"))
    }
    open = row.optionalInt("open") ?? 0
    failed = row.optionalInt("failed") ?? 0
    endedLately = row.optionalInt("ended_lately") ?? 0
  }

  /// How much of the span is listed, from 0 to 1.
  package var share: Double {
    if isListed || period.isEmpty { return 1 }
    return min(max((reachedAt - period.start).inSeconds / period.duration.inSeconds, 0), 1)
  }

  /// How many recordings are still to be fetched: those that are queued, and as many more as the rest of the span must
  /// be thought to hold, going by the part that is listed. Nil before there is anything to go by.
  package var remaining: Int64? {
    if isListed { return open }
    guard share >= 0.001, queued > 0 else { return nil }
    let estimate = Double(queued) / share - Double(queued)
    return estimate < 1e15 ? open + Int64(estimate.rounded()) : nil
  }

  /// How many recordings an hour are fetched, as it went within the last hour; nil before the first has ended.
  package func hourlyRate(at now: Instant) -> Double? {
    let hours = min((now - createdAt).inSeconds / 3600, 1)
    return endedLately > 0 && hours > 0 ? Double(endedLately) / max(hours, 1.0 / 60) : nil
  }

  /// When it will be through at this rate; nil when it is not running, or nothing can be said yet.
  package func through(at now: Instant) -> Instant? {
    guard state == .running, let remaining, let rate = hourlyRate(at: now) else { return nil }
    return now + .seconds(min(Double(remaining) / rate * 3600, 1e10))
  }
}
