import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck jobs`: the work on recordings, as far as a person must look after it.
struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "List jobs, see why one failed, retry and stop them.",
    subcommands: [ListJobs.self, ShowJob.self, RetryJobs.self, CancelJobs.self])

  struct ListJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List jobs, the newest first.")

    @OptionGroup var options: GlobalOptions
    @Option(help: "idle, leased, waiting, failed, cancelled or done.") var state: String?
    @Option(help: "The code of a failure, such as not_a_whole_recording.") var code: String?
    @Option(help: "The configured source.") var source: String?
    @Option(help: "At most this many.") var limit = 100
    @Flag(help: "The server's JSON.") var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get(
          "/api/v1/jobs", ["state": state, "code": code, "source": source, "limit": "\(limit)"])
        if json { return Terminal.show(json: reply.data) }
        let page = try reply.decode(JobPage.self)
        let rows = page.jobs.map { job in
          [
            "\(job.id)", job.name, job.state, job.stage, job.priority ?? "-", job.error?.code ?? "-",
            job.dueAt ?? job.endedAt ?? "-", job.restrictedReason ?? job.message ?? "",
          ]
        }
        Terminal.show(table: [["JOB", "RECORDING", "STATE", "STAGE", "PRIORITY", "CODE", "DUE OR ENDED", ""]] + rows)
        if page.nextCursor != nil, !options.quiet {
          Terminal.say("There are more; narrow the search or raise --limit.")
        }
      }
    }
  }

  struct ShowJob: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show a job: how far it is, what went wrong, time per step.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The job's number, or the platform's id of its recording.") var job: String
    @Option(help: "The configured source.") var source = "default"
    @Flag(help: "The server's JSON.") var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        let found = try await findJob(job, source: source, connection)
        // Only the one address tells the steps; it is closed for what may not be heard.
        guard found.restrictedReason == nil else { return show(found) }
        let reply = try await connection.get("/api/v1/jobs/\(found.id)")
        if json { return Terminal.show(json: reply.data) }
        show(try reply.decode(ListedWork.self))
      }
    }

    private func show(_ job: ListedWork) {
      let facts: [(String, String?)] = [
        ("job", "\(job.id)"), ("recording", job.recordingId), ("source", job.source), ("state", job.state),
        ("stage", job.stage), ("priority", job.priority), ("code", job.error?.code),
        ("message", job.restrictedReason ?? job.message), ("attempts", job.attempts.map(String.init)),
        ("polls", job.polls.map(String.init)), ("resumes", job.resumes.map(String.init)),
        ("bytes", job.bytes.map { "\($0)\(job.totalBytes.map { " of \($0)" } ?? "")" }),
        ("requested", job.requestedAt), ("due", job.dueAt), ("ended", job.endedAt), ("player", job.playerUrl),
      ]
      Terminal.show(table: facts.compactMap { name, value in value.map { [name, $0] } })
      if let steps = job.steps, !steps.isEmpty {
        Terminal.show("steps")
        Terminal.show(table: steps.map { ["  \($0.step)", String(format: "%9.3f s", $0.seconds), $0.startedAt] })
      }
    }
  }

  struct RetryJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retry", abstract: "Start failed or stopped jobs afresh, and waiting ones at once.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "Numbers of jobs, or the platform's ids of their recordings.") var jobs: [String] = []
    @Flag(help: "Every job that failed.") var failed = false
    @Option(help: "With --failed: only those that failed with this code.") var code: String?
    @Option(help: "The configured source.") var source: String?

    func validate() throws {
      if jobs.isEmpty != failed { throw ValidationError("Give jobs, or --failed.") }
      if code != nil, !failed { throw ValidationError("--code goes with --failed.") }
    }

    func run() async throws {
      try await withOperator(options) { connection in
        let ids: [Int64]
        if failed {
          ids = try await failedJobs(connection)
        } else {
          ids = try await numbers(of: jobs, source: source ?? "default", connection)
        }
        try await post("retry", to: ids, connection)
        if !options.quiet { Terminal.say("\(ids.count) job(s) are tried again.") }
      }
    }

    /// All of them before the first is tried again: one that fails at once must not come up twice.
    private func failedJobs(_ connection: OperatorClient) async throws -> [Int64] {
      var ids: [Int64] = []
      var cursor: String?
      repeat {
        let page = try await connection.get(
          "/api/v1/jobs", ["state": "failed", "code": code, "source": source, "limit": "1000", "cursor": cursor]
        ).decode(JobPage.self)
        ids += page.jobs.map(\.id)
        cursor = page.nextCursor
      } while cursor != nil
      return ids
    }
  }

  struct CancelJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cancel", abstract: "Stop jobs; what was fetched of their recordings is dropped.")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "Numbers of jobs, or the platform's ids of their recordings.") var jobs: [String]
    @Option(help: "The configured source.") var source = "default"

    func run() async throws {
      try await withOperator(options) { connection in
        let ids = try await numbers(of: jobs, source: source, connection)
        try await post("cancel", to: ids, connection)
        if !options.quiet { Terminal.say("\(ids.count) job(s) are stopped.") }
      }
    }
  }
}

/// `tapedeck platform`: how much is being asked of each source.
struct PlatformCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "platform",
    abstract: "Show how much of the platform's request budget is used, and what is still to do.")

  @OptionGroup var options: GlobalOptions
  @Flag(help: "The server's JSON.") var json = false

  private struct Page: Decodable {
    struct Source: Decodable {
      var source: String
      var configuredRate: Double?
      var effectiveRate: Double?
      var requestsLastMinute: Int
      var requestsLastHour: Int
      var refusedLastHour: Int
      var retriesLastHour: Int
      var pausedUntil: String?
      var waitingJobs: [String: Int64]
      var doneAt: String?
    }
    var sources: [Source]
  }

  func run() async throws {
    try await withOperator(options) { connection in
      let reply = try await connection.get("/api/v1/platform")
      if json { return Terminal.show(json: reply.data) }
      let rows = try reply.decode(Page.self).sources.map { source in
        [
          source.source, source.effectiveRate.map { String(format: "%.2f/s", $0) } ?? "no limit",
          source.configuredRate.map { String(format: "%.2f/s", $0) } ?? "no limit", "\(source.requestsLastMinute)",
          "\(source.requestsLastHour)", "\(source.refusedLastHour)", "\(source.retriesLastHour)",
          source.pausedUntil ?? "-", "\(source.waitingJobs.values.reduce(0, +))", source.doneAt ?? "-",
        ]
      }
      let head = [
        "SOURCE", "RATE", "CONFIGURED", "MINUTE", "HOUR", "REFUSED", "REPEATED", "PAUSED UNTIL", "JOBS", "ASKED BY",
      ]
      Terminal.show(table: [head] + rows)
    }
  }
}

/// The answer of `/api/v1/jobs`, as far as it is shown.
private struct JobPage: Decodable, Sendable {
  var jobs: [ListedWork]
  var nextCursor: String?
}

private struct ListedWork: Decodable, Sendable {
  struct Failure: Decodable, Sendable { var code: String }

  var id: Int64
  var source: String
  var recordingId: String
  var state: String
  var stage: String
  var restrictedReason: String?
  var message: String?
  var priority: String?
  var attempts: Int?
  var polls: Int?
  var resumes: Int?
  var bytes: Int64?
  var totalBytes: Int64?
  var requestedAt: String?
  var dueAt: String?
  var endedAt: String?
  var playerUrl: String?
  var error: Failure?
  var steps: [ListedCall.StepTook]?

  var name: String { source == "default" ? recordingId : "\(source)~\(recordingId)" }
}

/// A job by its number, or by its recording where there is none of that number: ids of recordings may be numbers too.
private func findJob(_ text: String, source: String, _ connection: OperatorClient) async throws -> ListedWork {
  if let number = Int64(text), number > 0, number < .max {
    let page = try await connection.get("/api/v1/jobs", ["cursor": "\(number + 1)", "limit": "1"]).decode(JobPage.self)
    if let job = page.jobs.first, job.id == number { return job }
  }
  let key = try recordingKey(text, source: source)
  let page = try await connection.get(
    "/api/v1/jobs", ["recording": key.id.rawValue, "source": key.source.rawValue, "limit": "1"]
  ).decode(JobPage.self)
  guard let job = page.jobs.first else {
    throw TapedeckError(.notFound, "There is no job '\(text)'. 'tapedeck jobs list' shows them.")
  }
  return job
}

private func numbers(
  of jobs: [String], source: String, _ connection: OperatorClient
) async throws -> [Int64] {
  var ids: [Int64] = []
  for job in jobs { ids.append(try await findJob(job, source: source, connection).id) }
  return ids
}

/// Does the same to several jobs; one that it cannot be done to is named, and does not keep the others from it.
///
/// - Throws: `partlyDone` when some of several were left; the failure itself when it was the only one.
private func post(_ action: String, to ids: [Int64], _ connection: OperatorClient) async throws {
  var failures: [TapedeckError] = []
  for id in ids {
    do {
      _ = try await connection.send(.POST, "/api/v1/jobs/\(id)/\(action)")
    } catch let error as TapedeckError where error.code == .jobEnded || error.code == .notFound {
      if ids.count > 1 { Terminal.say("\(id): \(error.message)") }
      failures.append(error)
    }
  }
  if ids.count == 1, let failure = failures.first { throw failure }
  if !failures.isEmpty {
    throw TapedeckError(.partlyDone, "\(failures.count) of \(ids.count) jobs were left as they are.")
  }
}
