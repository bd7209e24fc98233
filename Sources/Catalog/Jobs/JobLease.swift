package import Model

/// The right to work on a job until its fence changes. Every write of a worker checks it.
package struct JobLease: Sendable, Hashable {
  package let jobID: Int64
  /// Increases with each claim; a write with an older fence changes nothing and throws `leaseLost`.
  package let fence: Int64

  package init(jobID: Int64, fence: Int64) {
    self.jobID = jobID
    self.fence = fence
  }
}

/// The kind of work that a claim is for, so that short requests and long transfers never wait for each other.
package enum JobQueue: String, Sendable, CaseIterable {
  /// Requests to the platform: `queued`, `awaiting`.
  case polling
  /// Download and conversion: `fetching`, `processing`.
  case transfer
}

/// The state in which a worker releases a job.
package enum JobRelease: Sendable {
  /// Claimable at once, at this stage.
  case advance(to: Stage)
  /// Not due before then; does not count as an attempt.
  case pollAgain(at: Instant)
  /// Waits until a caller who may archive restricted recordings requests it; does not count as an attempt.
  case awaitClearance
  /// The attempt failed; the next one is due then.
  case retry(at: Instant, because: TapedeckError)
  /// Delayed by a condition outside the job, such as a rate limit of the platform; does not count as an attempt.
  case postpone(until: Instant, because: TapedeckError)
  /// Failed permanently.
  case fail(TapedeckError)
  /// The process shuts down; does not count as an attempt.
  case interrupted
}
