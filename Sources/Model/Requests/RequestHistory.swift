/// The requests to a source in the last hour, counted per minute.
package struct RequestHistory: Sendable, Equatable, Codable {
  package struct Counts: Sendable, Equatable {
    package var requests = 0
    /// Answered with 429.
    package var refused = 0
    /// Retries after a failure; included in the requests.
    package var retries = 0

    package init(requests: Int = 0, refused: Int = 0, retries: Int = 0) {
      self.requests = requests
      self.refused = refused
      self.retries = retries
    }
  }

  private static let length = 60

  /// One number per minute, the current minute last. Three plain arrays, because they are stored as JSON.
  private var requests: [Int] = []
  private var refused: [Int] = []
  private var retries: [Int] = []
  /// The minute of the last numbers, counted from 1970.
  private var minute: Int64 = 0

  package init() {}

  package mutating func note(requests: Int = 0, refused: Int = 0, retries: Int = 0, now: Instant) {
    advance(to: now)
    self.requests[self.requests.count - 1] += requests
    self.refused[self.refused.count - 1] += refused
    self.retries[self.retries.count - 1] += retries
  }

  /// The counts of the last `minutes` minutes, including the current one.
  package func counts(minutes: Int, now: Instant) -> Counts {
    var history = self
    history.advance(to: now)
    return Counts(
      requests: history.requests.suffix(minutes).reduce(0, +), refused: history.refused.suffix(minutes).reduce(0, +),
      retries: history.retries.suffix(minutes).reduce(0, +))
  }

  /// Requests in the last 60 seconds; those of the previous minute are taken as evenly spread.
  package func requestsInLastMinute(now: Instant) -> Double {
    var history = self
    history.advance(to: now)
    let seconds = Double(now.milliseconds.subtractingReportingOverflow(now.minute &* 60_000).partialValue) / 1000
    let before = history.requests.dropLast().last ?? 0
    return Double(history.requests.last ?? 0) + Double(before) * (60 - seconds) / 60
  }

  /// Shifts the lists to the minute of `now`. After the clock was set back, counting continues in the last minute.
  private mutating func advance(to now: Instant) {
    let target = now.minute
    let isWhole = [requests.count, refused.count, retries.count].allSatisfy { $0 == Self.length }
    // A difference of more than an hour means that the clock was set; stored lists may be from another version.
    let (passed, isTooFar) = target.subtractingReportingOverflow(minute)
    guard isWhole, !isTooFar, passed.magnitude < UInt64(Self.length) else {
      let empty = [Int](repeating: 0, count: Self.length)
      (requests, refused, retries, minute) = (empty, empty, empty, target)
      return
    }
    while minute < target {
      requests = requests.dropFirst() + [0]
      refused = refused.dropFirst() + [0]
      retries = retries.dropFirst() + [0]
      minute += 1
    }
  }
}

extension Instant {
  /// Whole minutes since 1970, rounded down.
  fileprivate var minute: Int64 { milliseconds / 60_000 - (milliseconds % 60_000 < 0 ? 1 : 0) }
}
