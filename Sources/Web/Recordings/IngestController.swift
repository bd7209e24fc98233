import Catalog
import HTTPTypes
import Hummingbird
import Model

/// `POST /ingest/{id}`: has a recording archived, and waits until it is.
struct IngestController {
  let catalog: Catalog
  let waiters: JobWaiters
  let openJobs: OpenJobs
  let reviewPrivacy: (@Sendable (RecordingKey) async -> Void)?
  let system: SystemServices

  var routes: [Route] {
    [
      .recording(
        .post, "/ingest/{id}", .api, action: .ingest, log: .change(.ingest),
        "Archives the recording and waits for the result. Answers 202 with the address of the job when the wait is over, or at once when too many callers wait or with `Prefer: respond-async`.",
        query: [
          QueryParameter("wait", .integer(0...3600), "Seconds to wait; default 600."),
          QueryParameter("user_role", .ignored, "Accepted and ignored: the role is that of the identity."),
        ],
        responses: [
          .json(Ready.schema, "The recording is in the archive."),
          .json(Accepted.schema, status: 202, "The job is not done yet."),
        ],
        errors: [409, 413, 429, 502, 504, 507], handler: ingest)
    ]
  }

  private struct Ready: Encodable {
    static let schema = Schema.object("Ingested", ["status": .choice(["ready"]), "player_url": .string])
    let status = "ready"
    let playerURL: String
    enum CodingKeys: String, CodingKey {
      case status
      case playerURL = "player_url"
    }
  }

  private struct Accepted: Encodable {
    static let schema = Schema.object("IngestStarted", ["status": .choice(of: Stage.self), "job_url": .string])
    let status: String
    let jobURL: String
    enum CodingKeys: String, CodingKey {
      case status
      case jobURL = "job_url"
    }
  }

  /// The response that the state of a job gives a caller.
  private enum Answer {
    case ready, denied
    case failed(TapedeckError)
    case notYet(JobRow)
  }

  private func ingest(_ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    let key = admitted.subject.key
    let wait = waitingTime(of: admitted)
    let job = try await startJob(admitted)
    let (answer, admitted) = try await outcome(of: job, admitted, within: wait)
    switch answer {
    case .ready:
      if !admitted.subject.parts.isEmpty, !admitted.isAllowed(at: .restricted) {
        // It may have become restricted on the platform since it was archived.
        await reviewPrivacy?(key)
        _ = try await admitted.readmit()
      }
      return Reply(.json(Ready(playerURL: "/play/\(key.pathSegment)")))
    case .failed(let error): throw error
    case .denied:
      // The platform's answer made the recording restricted meanwhile.
      _ = try await admitted.readmit()
      throw TapedeckError(.insufficientPermissions)
    case .notYet(let job):
      var response = Response.json(
        Accepted(status: job.stage.rawValue, jobURL: "/api/v1/jobs/\(job.id)"), status: .accepted)
      response.headers[.location] = "/api/v1/jobs/\(job.id)"
      return Reply(response)
    }
  }

  /// Starts the job, or joins it; the entry is committed with it.
  ///
  /// - Throws: `tooManyJobs`.
  func startJob(_ admitted: Admitted<RecordingSubject>) async throws(TapedeckError) -> JobRow {
    let key = admitted.subject.key
    return try await openJobs.withCapacity(for: key, of: admitted.identity) { () async throws(TapedeckError) in
      try await catalog.requestIngest(
        of: key, clearance: admitted.clearance, by: admitted.identity.id, entry: admitted.entry(recording: key))
    }
  }

  /// - Returns: also the request with the identity as it is after the wait, in which it may have changed.
  private func outcome(
    of job: JobRow, _ admitted: Admitted<RecordingSubject>, within wait: Duration
  ) async throws(TapedeckError) -> (Answer, Admitted<RecordingSubject>) {
    var changes: AsyncStream<Void>.Iterator?
    var isOver = wait <= .zero
    if !isOver {
      changes = waiters.changes(
        of: job.id, for: admitted.identity.id, on: admitted.context.channel, until: .now + wait
      ).makeAsyncIterator()
    }
    while true {
      let admitted = try await admitted.identifiedAgain()
      guard let (job, privacy) = try await catalog.jobAndPrivacy(job.id) else {
        throw TapedeckError(.notFound)
      }
      let answer = verdict(on: job, privacy: privacy, for: admitted, isOver: isOver)
      guard case .notYet = answer, !isOver else { return (answer, admitted) }
      isOver = await changes?.next() == nil
    }
  }

  private func verdict(
    on job: JobRow, privacy: Privacy?, for admitted: Admitted<RecordingSubject>, isOver: Bool
  ) -> Answer {
    if let privacy, !admitted.isAllowed(at: privacy) { return .denied }
    switch job.runState {
    case .done: return .ready
    case .failed, .cancelled: return .failed(job.failure?.error ?? TapedeckError(.internalError))
    case .idle, .leased, .waiting:
      switch job.failure?.code {
      // Waiting does not help against a full disk; once a worker has the job again, the disk has space.
      case .diskFull where job.runState == .waiting: return .failed(job.failure?.error ?? TapedeckError(.diskFull))
      // Waiting may help against a platform at its limit, until the wait is over.
      case .platformRateLimited where isOver:
        let untilNext = job.dueAt.map { $0 - system.now() } ?? .zero
        return .failed(TapedeckError(.platformRateLimited, retryAfter: max(untilNext, .seconds(1))))
      default: return .notYet(job)
      }
    }
  }

  private func waitingTime(of admitted: Admitted<RecordingSubject>) -> Duration {
    if let prefer = admitted.request.headers[.prefer], prefer.lowercased().contains("respond-async") { return .zero }
    return .seconds(admitted.query.integer("wait") ?? 600)
  }
}
