/// When a platform without a status field is asked for the media of a call: some time after the end of the call, then
/// whenever that time has doubled, and for the last time at a deadline. Pure.
///
/// The moments are counted from the end of the call, so that they do not depend on how often a job ran.
package struct DeadlineSchedule: Sendable, Equatable {
  /// From the end of the call to the first request.
  package var firstAsk: Duration
  /// From the end of the call to the last request.
  package var deadline: Duration

  package init(firstAsk: Duration = .seconds(600), deadline: Duration = .seconds(48 * 3600)) {
    self.firstAsk = max(firstAsk, .seconds(1))
    self.deadline = max(deadline, self.firstAsk)
  }

  /// The moment of the first request; nil when it has passed.
  package func firstRequest(afterCallEndedAt end: Instant, now: Instant) -> Instant? {
    let first = end + firstAsk
    return now < first ? first : nil
  }

  /// The moment of the request after one that was sent now; nil when the deadline has passed.
  package func nextRequest(afterCallEndedAt end: Instant, now: Instant) -> Instant? {
    guard now < end + deadline else { return nil }
    var wait = firstAsk
    while end + wait <= now { wait += wait }
    return end + min(wait, deadline)
  }
}
