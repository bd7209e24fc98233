import Catalog
import Hummingbird
import Model

/// `/api/v1/jobs`: the progress of a job, lists of jobs, and retry and cancel.
struct JobController {
  let catalog: Catalog
  let openJobs: OpenJobs

  private static let parameters: [QueryParameter] = [
    .choice("state", RunState.self, "The run state."),
    .choice("code", TapedeckError.Code.self, "The code of the failure."), .source,
    QueryParameter("recording", .recording, "The platform's ID of a recording."), .cursor,
    .limit(1000, default: 100),
  ]

  var routes: [Route] {
    [
      .recording(
        .get, "/api/v1/jobs/{job}", .api, action: .inspect, log: .denials,
        "The job: `state`, `stage`, `message`, `bytes`, `totalBytes`, `error` and the time in each step.",
        responses: [.json(JobAnswer.schema, "The job.")]
      ) { admitted in
        guard let job = admitted.subject.job else { throw TapedeckError(.notFound) }
        return Reply(.json(JobAnswer(job, steps: try await catalog.steps(of: job.id))))
      },
      .admitted(
        .get, "/api/v1/jobs", .api, permission: .manageJobs, log: .entry(.list, details: ["of": "jobs"]),
        "A page of jobs, the newest first, and `nextCursor`.", query: Self.parameters,
        responses: [.json(ListAnswer.schema, "A page of jobs.")], handler: list),
      .admitted(
        .post, "/api/v1/jobs/{job}/retry", .api, permission: .manageJobs, log: .change(.retryJob),
        "Restarts a failed or cancelled job, or runs a waiting one at once. 409 `job_ended` when the recording is archived.",
        responses: [.json(ListedJobAnswer.schema, "The job.")], errors: [409, 429]
      ) { admitted in
        try await change(admitted) { job, entry throws(TapedeckError) in
          try await openJobs.withCapacity(for: job.key, of: admitted.identity) { () async throws(TapedeckError) in
            try await catalog.retryJob(job.id, clearance: admitted.clearance, by: admitted.identity.id, entry: entry)
          }
        }
      },
      .admitted(
        .post, "/api/v1/jobs/{job}/cancel", .api, permission: .manageJobs, log: .change(.cancelJob),
        "Cancels a job and deletes what was downloaded; a failed job is no longer retried automatically. 409 `job_ended` when it is done or cancelled.",
        responses: [.json(ListedJobAnswer.schema, "The job.")], errors: [409]
      ) { admitted in
        try await change(admitted) { job, entry throws(TapedeckError) in
          try await catalog.cancelJob(job.id, entry: entry)
        }
      },
    ]
  }

  private struct ListAnswer: Encodable {
    static let schema = Schema.object("JobPage", ["jobs": .list(ListedJobAnswer.schema), "nextCursor?": .string])
    let jobs: [ListedJobAnswer]
    let nextCursor: String?
  }

  private func list(_ admitted: Admitted<Void>) async throws -> Reply {
    let query = admitted.query
    var filter = JobFilter()
    filter.state = query.choice("state")
    filter.code = query.choice("code")
    filter.source = query.source
    filter.recording = query["recording"].flatMap { RecordingID($0) }
    let limit = query.integer("limit").map { Int($0) } ?? 100
    var jobs = try await catalog.jobs(
      matching: filter, visibleTo: admitted.identity.visibility, before: query.integer("cursor"), limit: limit + 1)
    let hasMore = jobs.count > limit
    if hasMore { jobs.removeLast() }
    return Reply(
      .json(
        ListAnswer(
          jobs: jobs.map { ListedJobAnswer($0, for: admitted) },
          nextCursor: hasMore ? jobs.last.map { String($0.job.id) } : nil)),
      .shown(count: Int64(jobs.count), details: query.values))
  }

  /// Changes a job; the entry is committed with the change.
  private func change(
    _ admitted: Admitted<Void>, _ body: (JobRow, LogEntry) async throws(TapedeckError) -> JobRow
  ) async throws -> Reply {
    guard let id = Int64(admitted.incoming.path("job")), let job = try await catalog.job(id) else {
      throw TapedeckError.unknownJob
    }
    let changed = try await body(job, admitted.entry(recording: job.key, details: ["job": "\(id)"]))
    let privacy = try await catalog.recording(job.key)?.facts.privacy
    return Reply(.json(ListedJobAnswer(ListedJob(job: changed, privacy: privacy), for: admitted)))
  }
}
