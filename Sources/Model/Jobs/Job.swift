/// How far the work on a recording has come. Only `ready` is final.
package enum Stage: String, Sendable, Codable, CaseIterable {
  /// Requested, nothing done yet. A request creates a job in this stage; the first claim moves the job to the next.
  case queued
  /// The platform is asked whether the recording is available. After a crash it is asked again.
  case awaiting
  /// Bytes arrive in the spool. After a crash the download resumes at the last byte.
  case fetching
  /// All bytes are in the spool and are converted, checked and stored. After a crash this stage restarts from the
  /// spool.
  case processing
  /// Archived, recorded in the catalog and announced. Final.
  case ready
}

/// Whether a job is held by a worker, waits, or has ended.
package enum RunState: String, Sendable, Codable, CaseIterable {
  /// No worker holds it; it can be claimed at once.
  case idle
  /// A worker holds it until the lease expires.
  case leased
  /// No worker claims it before its due time. Without a due time it waits until a caller with permission requests it.
  case waiting
  /// Ended with a failure code. An explicit request starts it again.
  case failed
  /// Ended by a user.
  case cancelled
  /// Ended in `ready`.
  case done
}

/// The measured steps of a job; raw values are labels of the metric and of the API.
package enum Step: String, Sendable, Codable, CaseIterable {
  /// From the request until the platform reports the recording as available.
  case waiting
  /// From the first requested byte to the last received one.
  case download
  /// The conversion; overlaps the download if a slot was free.
  case conversion
  /// The integrity check.
  case verification
  /// Writing to the object store, synced.
  case storage
  /// The transaction that writes catalog row, log entry and outbox row.
  case commit
}

/// When one step of a job ran.
package struct StepTime: Sendable, Equatable {
  package var step: Step
  package var startedAt: Instant
  package var duration: Duration

  package init(step: Step, startedAt: Instant, duration: Duration) {
    self.step = step
    self.startedAt = startedAt
    self.duration = duration
  }
}

/// The identity or task that work is done for.
package enum Requester {
  /// The identity or task that requested the job of the current task; nil outside of jobs. Child tasks inherit it.
  @TaskLocal package static var current: String?
}

/// The order in which competing work runs, for workers and for platform requests.
package enum Priority: Int64, Sendable, Codable, CaseIterable {
  /// Recordings that a user waits for, and calls that have just ended.
  case fresh = 0
  /// Backfill of past calls.
  case backfill = 1

  /// How much later than its due time a job counts as due when jobs are ordered: fresh jobs that fall due less than
  /// this after it run first, later ones do not.
  package var orderingDelay: Duration {
    switch self {
    case .fresh: .zero
    case .backfill: .seconds(600)
    }
  }

  /// The priority of the current task's work. A task-local value, so that child tasks and requests inherit it.
  @TaskLocal package static var current = Priority.fresh
}
