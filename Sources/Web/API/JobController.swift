import Catalog
import Hummingbird
import Model

/// `GET /api/v1/jobs/{id}`: how far a job is and what each step took.
struct JobController {
  let services: WebServices
  let guardian: RecordingGuard

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/jobs/:job") { request, context in try await show(request, context) }
  }

  private func show(_ request: Request, _ context: WebContext) async throws -> Response {
    guard let id = context.parameters.get("job", as: Int64.self), let job = try await services.catalog.job(id) else {
      throw TapedeckError(.notFound, "There is no job of that number.")
    }
    if let recording = try await services.catalog.recording(job.key) {
      try await guardian.admit(.inspect, to: recording, for: request, context, as: .view)
    } else {
      try await guardian.admitUnknown(.inspect, key: job.key, for: request, context, as: .view)
    }
    return .json(JobAnswer(job, steps: try await services.catalog.steps(of: id)))
  }
}

/// A job as programs see it.
struct JobAnswer: Encodable {
  struct StepAnswer: Encodable {
    let step: String
    let startedAt: String
    let seconds: Double
  }

  struct ErrorAnswer: Encodable {
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
  /// How it stands, in plain words.
  var sentence: String {
    switch (runState, stage) {
    case (.done, _): "In the archive."
    case (.failed, _), (.cancelled, _): failure?.message ?? "Stopped."
    case (.waiting, _) where dueAt == nil: "Waiting for somebody who may hear restricted recordings to ask for it."
    case (.waiting, _) where failure != nil: "\(failure?.message ?? "") The next try is on its way."
    case (_, .queued): "Waiting for its turn."
    case (_, .awaiting): "Waiting until the platform has the recording ready."
    case (_, .fetching): "Fetching the audio from the platform."
    case (_, .processing): "Checking and converting the audio."
    case (_, .ready): "In the archive."
    }
  }
}
