package import Model

/// A row of the table `job`, with its parts.
package struct JobRow: Sendable {
  package var id: Int64
  package var key: RecordingKey
  package var stage: Stage
  package var runState: RunState
  /// The strictest privacy of a recording that the job may archive on behalf of its requesters.
  package var clearance: Privacy
  package var priority: Priority
  package var requestedAt: Instant
  /// The identity or task that requested it first.
  package var requestedBy: String?
  package var dueAt: Instant?
  package var polls: Int
  package var attempts: Int
  /// The number of workers that died while they held the job in its current stage.
  package var workerDeaths: Int
  package var resumes: Int
  package var refusals: Int
  package var fence: Int64
  /// The media that the platform named when it was last asked; nil for one file about which nothing is known.
  package var media: PlannedMedia?
  /// The parts whose download has begun, by number.
  package var parts: [JobPart]
  package var failure: Failure?
  package var endedAt: Instant?

  /// The last error: why a `failed` job failed, or what delays a `waiting` one.
  package struct Failure: Sendable {
    package var code: TapedeckError.Code
    package var message: String
    package var retryAfter: Duration?

    package init(_ error: TapedeckError) {
      code = error.code
      message = error.message
      retryAfter = error.retryAfter
    }

    package var error: TapedeckError { TapedeckError(code, message, retryAfter: retryAfter) }
  }

  /// The number of downloaded bytes of all parts.
  package var bytes: Int64 { parts.reduce(0) { $0 + $1.bytes } }

  /// The size of all parts in bytes; nil while one of them is unknown.
  package var totalBytes: Int64? {
    parts.isEmpty ? nil : parts.reduce(0) { sum, part in sum.flatMap { sum in part.totalBytes.map { sum + $0 } } }
  }

  /// The download of one part; nil before it has begun.
  package func part(_ number: Int) -> JobPart? { parts.first { $0.part == number } }

  init(_ row: Row, parts: [JobPart]) throws(TapedeckError) {
    self.parts = parts
    media = try row.optionalJSON("media", as: PlannedMedia.self)
    id = try row.int("id")
    key = try row.recordingKey()
    stage = try row.value("stage", as: Stage.self)
    runState = try row.value("run_state", as: RunState.self)
    clearance = try row.value("clearance", as: Privacy.self)
    priority = Priority(rawValue: try row.int("priority")) ?? .backfill
    requestedAt = try row.instant("requested_at")
    requestedBy = row.optionalText("requested_by")
    dueAt = row.optionalInstant("due_at")
    polls = Int(try row.int("polls"))
    attempts = Int(try row.int("attempts"))
    workerDeaths = Int(try row.int("worker_deaths"))
    resumes = Int(try row.int("resumes"))
    refusals = Int(try row.int("refusals"))
    fence = try row.int("fence")
    endedAt = row.optionalInstant("ended_at")
    failure = row.optionalErrorCode("failure_code").map { code in
      Failure(
        TapedeckError(
          code, row.optionalText("failure_message"),
          retryAfter: row.optionalInt("retry_after_ms").map { .milliseconds($0) }))
    }
  }
}

extension Row {
  /// The columns `source` and `platform_id` as a key.
  func recordingKey() throws(TapedeckError) -> RecordingKey {
    guard let source = SourceID(try text("source")), let id = RecordingID(try text("platform_id")) else {
      throw TapedeckError(.catalogFailed, detail: "a row holds a malformed source or recording id")
    }
    return RecordingKey(source: source, id: id)
  }
}

extension RunState {
  /// The states of jobs that have not ended.
  static let unfinished: [RunState] = [.idle, .leased, .waiting]
  /// The states of jobs that have ended without success.
  static let unsuccessful: [RunState] = [.failed, .cancelled]
  /// The states of jobs that have ended in any way.
  static let ended: [RunState] = [.done] + unsuccessful
}
