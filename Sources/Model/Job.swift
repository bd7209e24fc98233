/// How far the work on a recording is. Only `ready` is final.
package enum Stage: String, Sendable, Codable, CaseIterable {
  /// Asked for; nothing done yet. A caller moves it in, the first claim moves it out.
  case queued
  /// The platform is asked whether the recording is available. A crash here asks again.
  case awaiting
  /// Bytes arrive in the spool. A crash here goes on from the last byte.
  case fetching
  /// All bytes are here; they are converted, checked and stored. A crash here starts again from the spool.
  case processing
  /// In the archive, in the catalog and announced. Nobody moves it out.
  case ready
}

/// Who has a job at the moment.
package enum RunState: String, Sendable, Codable, CaseIterable {
  /// Nobody; it may be claimed at once.
  case idle
  /// A worker, until its lease lapses.
  case leased
  /// Nobody before its due time; without a due time, nobody until a caller comes who may have it archived.
  case waiting
  /// Nobody; it ended with a failure code. An explicit request starts it afresh.
  case failed
  /// Nobody; a person stopped it.
  case cancelled
  /// Nobody; it is `ready`.
  case done
}

/// The parts of a recording's way whose time is measured; the raw values are the metric's and the API's labels.
package enum Step: String, Sendable, Codable, CaseIterable {
  /// From the request until the platform said that the recording is available.
  case waiting
  /// From the first byte asked for until the last byte held.
  case download
  /// FFmpeg's run; overlaps the download where a slot was free.
  case conversion
  /// The checks of the gate.
  case verification
  /// Into the object store, synced.
  case storage
  /// The transaction of catalog row, log entry and outbox row.
  case commit
}

/// When a step of one job ran.
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
