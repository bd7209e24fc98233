import ArgumentParser
import Foundation
import Model
import NIOHTTP1

extension JobsCommand {
  struct RetryJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retry", abstract: "Retry jobs.",
      discussion: """
        Failed and cancelled jobs start again; waiting jobs run at once.

          tapedeck jobs retry 1042
          tapedeck jobs retry --failed --code platform_unavailable
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Numbers of jobs, or IDs of their recordings on the platform.") var jobs: [String] = []
    @Flag(help: "Retry every failed job.") var failed = false
    @Option(help: "With --failed: only jobs that failed with this error code.") var code: String?
    @Option(help: ArgumentHelp("Name of a configured source.", valueName: "name")) var source: String?

    func validate() throws {
      if jobs.isEmpty != failed { throw ValidationError("Give either jobs or --failed.") }
      if code != nil, !failed { throw ValidationError("--code requires --failed.") }
      try checkChoice(code, "--code", among: TapedeckError.Code.self)
      try checkSource(source)
    }

    func run() async throws {
      try await withOperator(options) { connection in
        let ids =
          failed
          ? try await failedJobs(connection)
          : try await numbers(of: jobs, source: source ?? SourceID.default.rawValue, connection)
        try await post("retry", to: ids, connection)
        if !options.quiet { Terminal.say("Retrying \(counted(ids.count, "job")).") }
      }
    }

    /// Lists all failed jobs before the first retry: a job that fails again at once must not be listed twice.
    private func failedJobs(_ connection: OperatorClient) async throws -> [Int64] {
      var ids: [Int64] = []
      var cursor: String?
      repeat {
        let page = try await connection.get(
          "/api/v1/jobs", ["state": "failed", "code": code, "source": source, "limit": "1000", "cursor": cursor]
        ).decode(JobListing.self)
        ids += page.jobs.map(\.id)
        cursor = page.nextCursor
      } while cursor != nil
      return ids
    }
  }

  struct CancelJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cancel", abstract: "Cancel jobs and discard what was downloaded for them.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Numbers of jobs, or IDs of their recordings on the platform.") var jobs: [String]
    @OptionGroup var source: SourceOption

    func run() async throws {
      try await withOperator(options) { connection in
        let ids = try await numbers(of: jobs, source: source.source, connection)
        try await post("cancel", to: ids, connection)
        if !options.quiet { Terminal.say("Cancelled \(counted(ids.count, "job")).") }
      }
    }
  }
}

private func numbers(of jobs: [String], source: String, _ connection: OperatorClient) async throws -> [Int64] {
  var ids: [Int64] = []
  for job in jobs { ids.append(try await findJob(job, source: source, connection).id) }
  return ids
}

/// Applies an action to each job, even when another job has refused it.
///
/// - Throws: the refusal when there was one job, otherwise `partlyDone` when any job refused the action.
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
    throw TapedeckError(.partlyDone, "\(grouped(failures.count)) of \(counted(ids.count, "job")) not changed.")
  }
}
