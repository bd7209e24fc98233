import Catalog
import HTTPTypes
import Hummingbird
import Model

/// `POST /ingest/{id}`: have a recording archived, and wait until it is.
struct IngestController {
  let services: WebServices
  let guardian: RecordingGuard

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.post("ingest/:id") { request, context in try await ingest(request, context) }
  }

  private struct Ready: Encodable {
    let status = "ready"
    let playerURL: String
    enum CodingKeys: String, CodingKey {
      case status
      case playerURL = "player_url"
    }
  }

  private struct Accepted: Encodable {
    let status: String
    let jobURL: String
    enum CodingKeys: String, CodingKey {
      case status
      case jobURL = "job_url"
    }
  }

  /// What a caller is told of a job as it stands.
  private enum Answer {
    case ready, denied
    case failed(TapedeckError)
    case notYet(JobRow)
  }

  private func ingest(_ request: Request, _ context: WebContext) async throws -> Response {
    let key = try guardian.key(context)
    let wait = try waitingTime(of: request)
    let job = try await startJob(key, request, context)
    let answer = try await outcome(of: job, request, context, within: wait)
    switch answer {
    case .ready: return .json(Ready(playerURL: "/play/\(key.pathSegment)"))
    case .failed(let error): throw error
    case .denied:
      try await guardian.admit(.ingest, to: try await known(key), for: request, context, as: .ingest)
      throw TapedeckError(.insufficientPermissions)
    case .notYet(let job):
      var response = Response.json(
        Accepted(status: job.stage.rawValue, jobURL: "/api/v1/jobs/\(job.id)"), status: .accepted)
      response.headers[.location] = "/api/v1/jobs/\(job.id)"
      return response
    }
  }

  /// Starts the job, or joins it. What is known to be denied is denied before there is a job.
  func startJob(_ key: RecordingKey, _ request: Request, _ context: WebContext) async throws(TapedeckError) -> JobRow {
    let identity = try context.requireIdentity()
    if let recording = try await services.catalog.recording(key) {
      try await guardian.admit(.ingest, to: recording, for: request, context, as: .ingest)
    } else {
      try await guardian.admitUnknown(.ingest, key: key, for: request, context, as: .ingest)
    }
    return try await services.catalog.requestIngest(
      of: key, clearance: Policy.clearance(of: identity), by: identity.id,
      entry: LogEntry(
        at: services.surroundings.now(), action: .ingest, outcome: .allowed, actor: identity, recording: key,
        origin: context.origin(of: request)))
  }

  private func outcome(
    of job: JobRow, _ request: Request, _ context: WebContext, within wait: Duration
  ) async throws(TapedeckError) -> Answer {
    let identity = try context.requireIdentity()
    let deadline = ContinuousClock.now + wait
    var changes = services.waiters.changes(of: job.id, until: deadline).makeAsyncIterator()
    while true {
      guard let (job, privacy) = try await services.catalog.standing(ofJob: job.id) else {
        throw TapedeckError(.notFound)
      }
      let isOver = deadline <= .now || services.waiters.isOver
      let answer = verdict(on: job, privacy: privacy, for: identity, isOver: isOver)
      guard case .notYet = answer, !isOver else { return answer }
      await changes.next()
    }
  }

  private func verdict(on job: JobRow, privacy: Privacy?, for identity: Identity, isOver: Bool) -> Answer {
    if let privacy, !Policy.allows(.ingest, by: identity, privacy: privacy) { return .denied }
    switch job.runState {
    case .done: return .ready
    case .failed, .cancelled: return .failed(job.failure?.error ?? TapedeckError(.internalError))
    case .idle, .leased, .waiting:
      switch job.failure?.code {
      // Waiting does not help against a full disk; a job that a worker has again is past it.
      case .diskFull where job.runState == .waiting: return .failed(job.failure?.error ?? TapedeckError(.diskFull))
      // Against a platform at its limit it may, until the wait is over.
      case .platformRateLimited where isOver:
        let untilNext = job.dueAt.map { $0 - services.surroundings.now() } ?? .zero
        return .failed(TapedeckError(.platformRateLimited, retryAfter: max(untilNext, .seconds(1))))
      default: return .notYet(job)
      }
    }
  }

  private func known(_ key: RecordingKey) async throws(TapedeckError) -> RecordingRow {
    guard let recording = try await services.catalog.recording(key) else { throw TapedeckError(.unknownRecording) }
    return recording
  }

  private func waitingTime(of request: Request) throws(TapedeckError) -> Duration {
    if let prefer = request.headers[.prefer], prefer.lowercased().contains("respond-async") { return .zero }
    guard let text = request.uri.queryParameters["wait"] else { return .seconds(600) }
    guard let seconds = Int(text), (0...3600).contains(seconds) else {
      throw TapedeckError(.invalidRequest, "'wait' is a number of seconds from 0 to 3600.")
    }
    return .seconds(seconds)
  }
}
