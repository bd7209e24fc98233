import Catalog
import Model

/// A job as programs see it.
struct JobAnswer: Encodable {
  static let schema = Schema.object(
    "Job",
    [
      "id": .integer, "source": .source, "recordingId": .string, "state": .choice(of: RunState.self),
      "stage": .choice(of: Stage.self), "message": .string, "bytes": .integer, "totalBytes?": .integer,
      "priority": .choice(["fresh", "backfill"]), "attempts": .integer, "polls": .integer, "resumes": .integer,
      "requestedAt": .moment, "dueAt?": .moment, "endedAt?": .moment, "playerUrl?": .string,
      "error?": ErrorAnswer.schema, "steps": .list(StepAnswer.schema),
    ])

  struct StepAnswer: Encodable {
    static let schema = Schema.object(
      "Step", ["step": .choice(of: Step.self), "startedAt": .moment, "seconds": .number])
    let step: String
    let startedAt: String
    let seconds: Double
  }

  struct ErrorAnswer: Encodable {
    static let schema = Schema.object(
      "JobError", ["code": .choice(of: TapedeckError.Code.self), "detail": .string])
    let code: String
    let detail: String
  }

  let id: Int64
  let source: String
  let recordingId: String
  let state: String
  let stage: String
  let message: String
  let bytes: Int64
  let totalBytes: Int64?
  let priority: String
  let attempts: Int
  let polls: Int
  let resumes: Int
  let requestedAt: String
  let dueAt: String?
  let endedAt: String?
  let playerUrl: String?
  let error: ErrorAnswer?
  let steps: [StepAnswer]

  init(_ job: JobRow, steps: [StepTime]) {
    id = job.id
    source = job.key.source.rawValue
    recordingId = job.key.id.rawValue
    state = job.runState.rawValue
    stage = job.stage.rawValue
    message = job.sentence
    bytes = job.bytes
    totalBytes = job.totalBytes
    priority = job.priority == .fresh ? "fresh" : "backfill"
    attempts = job.attempts
    polls = job.polls
    resumes = job.resumes
    requestedAt = job.requestedAt.iso8601Milliseconds
    dueAt = job.dueAt?.iso8601Milliseconds
    endedAt = job.endedAt?.iso8601Milliseconds
    playerUrl = job.runState == .done ? "/play/\(job.key.pathSegment)" : nil
    error = job.failure.map { ErrorAnswer(code: $0.code.rawValue, detail: $0.message) }
    self.steps = steps.map {
      StepAnswer(step: $0.step.rawValue, startedAt: $0.startedAt.iso8601Milliseconds, seconds: $0.duration.inSeconds)
    }
  }
}

extension JobRow {
  /// The state in a sentence.
  var sentence: String {
    switch (runState, stage) {
    case (.done, _): "In the archive."
    case (.cancelled, _) where failure != nil && failure?.code != .jobCancelled:
      "\(failure?.message ?? "") Its job was then cancelled."
    case (.failed, _), (.cancelled, _): failure?.message ?? "Stopped."
    case (.waiting, _) where dueAt == nil: "The recording is restricted. The job waits until a supervisor requests it."
    case (.waiting, _) where failure != nil: "\(failure?.message ?? "") It will be retried."
    case (.idle, .fetching): "Queued: the audio is fetched when a worker is free."
    case (.idle, .processing): "Queued: the audio is converted when a worker is free."
    case (_, .queued): "Queued."
    case (_, .awaiting): "Waiting until the platform makes the recording available."
    case (_, .fetching): "Fetching the audio from the platform."
    case (_, .processing): "Checking and converting the audio."
    case (_, .ready): "In the archive."
    }
  }
}

/// A job in a list of jobs. Of a recording that the reader may not see, only its ID, state and stage.
struct ListedJobAnswer: Encodable {
  static let schema = Schema.either([JobAnswer.schema, Closed.schema])
  let listed: ListedJob
  let isOpen: Bool

  init(_ listed: ListedJob, for admitted: Admitted<Void>) {
    self.listed = listed
    isOpen = admitted.allows(.inspect, at: listed.privacy ?? .standard)
  }

  private struct Closed: Encodable {
    static let schema = Schema.object(
      "RestrictedJob",
      [
        "id": .integer, "source": .source, "recordingId": .string, "state": .choice(of: RunState.self),
        "stage": .choice(of: Stage.self), "restrictedReason": .string,
      ])
    let id: Int64
    let source: String
    let recordingId: String
    let state: String
    let stage: String
    let restrictedReason = VisibleRecording.restrictedReason
  }

  func encode(to encoder: any Encoder) throws {
    let job = listed.job
    guard !isOpen else { return try JobAnswer(job, steps: []).encode(to: encoder) }
    try Closed(
      id: job.id, source: job.key.source.rawValue, recordingId: job.key.id.rawValue, state: job.runState.rawValue,
      stage: job.stage.rawValue
    ).encode(to: encoder)
  }
}
