package import Model

/// The right to work on a job until another fence is given out. Every write of a worker carries it.
package struct JobLease: Sendable, Hashable {
  package let jobID: Int64
  /// Grows with each claim; a write with an older one changes nothing and throws `leaseLost`.
  package let fence: Int64

  package init(jobID: Int64, fence: Int64) {
    self.jobID = jobID
    self.fence = fence
  }
}

/// Which part of the work a claim is for. Short questions to the platform and long transfers never wait for each other.
package enum Lane: String, Sendable, CaseIterable {
  /// Asking the platform: `queued`, `awaiting`.
  case polling
  /// Moving and converting bytes: `fetching`, `processing`.
  case moving
}

/// What a worker leaves behind when it lets a job go.
package enum JobRelease: Sendable {
  /// Ready for the next claim at once, at this stage.
  case handOver(Stage)
  /// Not an attempt: nothing to do before then.
  case snooze(until: Instant)
  /// Not an attempt: nothing to do until a caller comes who may have a restricted recording archived.
  case awaitClearance
  /// Failed this time; another attempt is due then.
  case retry(at: Instant, because: TapedeckError)
  /// Held up by something that is nobody's failure, such as a platform that asks us to slow down; not an attempt.
  case postpone(until: Instant, because: TapedeckError)
  /// Failed for good.
  case giveUp(TapedeckError)
  /// The process is shutting down; not an attempt.
  case interrupted
}
