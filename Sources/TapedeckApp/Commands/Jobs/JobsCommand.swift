import ArgumentParser
import Foundation
import Model

/// `tapedeck jobs`: the jobs, and actions on them.
struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "List, show, retry and cancel jobs.",
    subcommands: [ListJobs.self, ShowJob.self, RetryJobs.self, CancelJobs.self])

  struct ListJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List jobs, newest first.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Option(help: "State: queued, leased, waiting, failed, cancelled or done.") var state: String?
    @Option(help: "Error code of a failed job, such as not_a_whole_recording.") var code: String?
    @Option(help: ArgumentHelp("Name of a configured source.", valueName: "name")) var source: String?
    @Option(help: ArgumentHelp("Maximum number of jobs.", valueName: "number")) var limit = 100
    @Flag(help: .json) var json = false

    func validate() throws {
      try checkChoice(state, "--state", among: ["queued"] + Self.states)
      try checkChoice(code, "--code", among: TapedeckError.Code.self)
      try checkSource(source)
      try checkLimit(limit, 1000)
    }

    private static let states = RunState.allCases.filter { $0 != .idle }.map(\.rawValue)

    func run() async throws {
      try await withOperator(options) { connection in
        let reply = try await connection.get(
          "/api/v1/jobs",
          [
            "state": state == "queued" ? RunState.idle.rawValue : state, "code": code, "source": source,
            "limit": "\(limit)",
          ])
        try reply.show(as: JobListing.self, json: json, quiet: options.quiet)
      }
    }
  }

  struct ShowJob: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show a job: progress, error, time of each step.")

    @OptionGroup(title: "General options") var options: GlobalOptions
    @Argument(help: "Number of the job, or ID of its recording on the platform.") var job: String
    @OptionGroup var source: SourceOption
    @Flag(help: .json) var json = false

    func run() async throws {
      try await withOperator(options) { connection in
        var job = try await findJob(job, source: source.source, connection)
        // Only the job's own resource has the steps, and it is closed for restricted recordings.
        if job.restrictedReason == nil {
          let reply = try await connection.get("/api/v1/jobs/\(job.id)")
          if json { return Terminal.show(json: reply.data) }
          job = try reply.decode(ListedJob.self)
        }
        for line in job.lines { Terminal.show(line) }
      }
    }
  }
}
