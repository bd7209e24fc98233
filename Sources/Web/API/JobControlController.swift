import Access
import Catalog
import Hummingbird
import Model

/// `GET /api/v1/jobs`, `POST /api/v1/jobs/{id}/retry` and `/cancel`: jobs in the hands of people.
struct JobControlController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/jobs") { request, context in try await list(request, context) }
    group.post("api/v1/jobs/:job/retry") { request, context in
      try await change(request, context, as: .retryJob) { id, identity, entry throws(TapedeckError) in
        try await services.catalog.retryJob(
          id, clearance: Policy.clearance(of: identity), by: identity.id, entry: entry)
      }
    }
    group.post("api/v1/jobs/:job/cancel") { request, context in
      try await change(request, context, as: .cancelJob) { id, _, entry throws(TapedeckError) in
        try await services.catalog.cancelJob(id, entry: entry)
      }
    }
  }

  private struct ListAnswer: Encodable {
    let jobs: [ListedJobAnswer]
    let nextCursor: String?
  }

  private func list(_ request: Request, _ context: WebContext) async throws -> Response {
    let identity = try context.requireIdentity()
    let origin = context.origin(of: request)
    guard Policy.mayManageJobs(identity) else {
      try await services.log.record(
        .list, .denied, by: identity, code: .insufficientPermissions, from: origin, details: ["of": "jobs"])
      throw TapedeckError(.insufficientPermissions)
    }
    var query = try JobQueryString(request)
    if query.filter.code != nil, !Policy.allows(.inspect, by: identity, privacy: .restricted) {
      query.filter.strictest = .standard
    }
    var jobs = try await services.catalog.jobs(matching: query.filter, before: query.cursor, limit: query.limit + 1)
    let hasMore = jobs.count > query.limit
    if hasMore { jobs.removeLast() }
    try await services.log.record(
      .list, by: identity, count: Int64(jobs.count), from: origin,
      details: query.values.merging(["of": "jobs"]) { first, _ in first })
    return .json(
      ListAnswer(
        jobs: jobs.map { ListedJobAnswer($0, for: identity) },
        nextCursor: hasMore ? jobs.last.map { String($0.job.id) } : nil))
  }

  /// Does something to a job; the entry is committed together with it, and a denial before it is told.
  private func change(
    _ request: Request, _ context: WebContext, as action: LogEntry.Action,
    _ body: (Int64, Identity, LogEntry) async throws(TapedeckError) -> JobRow
  ) async throws -> Response {
    let identity = try context.requireIdentity()
    let origin = context.origin(of: request)
    guard Policy.mayManageJobs(identity) else {
      try await services.log.record(
        action, .denied, by: identity, code: .insufficientPermissions, from: origin,
        details: ["job": context.parameters.get("job") ?? ""])
      throw TapedeckError(.insufficientPermissions)
    }
    guard let id = context.parameters.get("job", as: Int64.self), let job = try await services.catalog.job(id) else {
      throw TapedeckError(.notFound, "There is no job of that number.")
    }
    let changed = try await body(
      id, identity,
      LogEntry(
        at: services.surroundings.now(), action: action, outcome: .allowed, actor: identity, recording: job.key,
        origin: origin, details: ["job": "\(id)"]))
    let privacy = try await services.catalog.recording(job.key)?.facts.privacy
    return .json(ListedJobAnswer(ListedJob(job: changed, privacy: privacy), for: identity))
  }
}

/// What the address of a list of jobs asks for.
private struct JobQueryString {
  var filter = JobFilter()
  /// The number of the last job of the page before.
  var cursor: Int64?
  var limit = 100
  /// The parameters as they came, without empty ones.
  var values: [String: String] = [:]

  init(_ request: Request) throws(TapedeckError) {
    for (name, value) in request.uri.queryParameters where !value.isEmpty { values[String(name)] = String(value) }
    if let state = values["state"] {
      filter.state = try require(
        RunState(rawValue: state), "state", "one of \(RunState.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    if let code = values["code"] {
      filter.code = try require(TapedeckError.Code(rawValue: code), "code", "the code of a failure")
    }
    if let source = values["source"] {
      filter.source = try require(SourceID(source), "source", "the name of a source")
    }
    if let recording = values["recording"] {
      guard let id = RecordingID(recording) else { throw TapedeckError(.invalidRecordingID) }
      filter.recording = id
    }
    if let text = values["cursor"] {
      cursor = try require(Int64(text), "cursor", "the cursor of an earlier answer")
    }
    if let text = values["limit"] {
      limit = try require(
        Int(text).flatMap { (1...1000).contains($0) ? $0 : nil }, "limit", "a number from 1 to 1000")
    }
  }

  private func require<T>(_ value: T?, _ name: String, _ form: String) throws(TapedeckError) -> T {
    guard let value else { throw TapedeckError(.invalidRequest, "'\(name)' must be \(form).") }
    return value
  }
}

/// A job as those see it who look after the work. Of a recording that they may not hear, only that it is worked on.
private struct ListedJobAnswer: Encodable {
  let listed: ListedJob
  let isOpen: Bool

  init(_ listed: ListedJob, for identity: Identity) {
    self.listed = listed
    isOpen = Policy.allows(.inspect, by: identity, privacy: listed.privacy ?? .standard)
  }

  private struct Closed: Encodable {
    let id: Int64
    let source: String
    let recordingId: String
    let state: String
    let stage: String
    let restrictedReason = "Restricted: ask a supervisor"
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
