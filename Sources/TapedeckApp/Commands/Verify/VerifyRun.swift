import Foundation
import Model
import NIOHTTP1

/// Runs `tapedeck verify`: reads recordings back page by page, compares object names, follows repairs to their end.
struct VerifyRun {
  private let connection: OperatorClient
  private let options: GlobalOptions
  private let json: Bool
  private let findsOrphans: Bool
  private let waits: Bool
  /// Whether the recordings were given as IDs.
  private let areNamed: Bool
  private var question: VerifyQuestion
  private var report = VerifyReport()

  init(
    _ question: VerifyQuestion, findsOrphans: Bool, waits: Bool, connection: OperatorClient, options: GlobalOptions,
    json: Bool
  ) {
    self.question = question
    areNamed = question.recordings != nil
    self.connection = connection
    self.options = options
    self.json = json
    self.waits = waits
    self.findsOrphans = findsOrphans
  }

  /// - Throws: what `VerifySummary.failure` returns; `notFound` when none of the given IDs is archived; the error of an
  ///   object store that cannot be read.
  mutating func run() async throws {
    defer { Terminal.draw([]) }
    // A repair stores files before their row exists, so names are compared while no repair is running: before the first
    // repair, or after the last one when this command waits for them.
    var stop: (any Error)?
    if !waits, findsOrphans { stop = await failure { try await $0.compareNames() } }
    if stop == nil { stop = await failure { try await $0.readBack() } }
    if waits {
      let failed = await failure { try await $0.followRepairs() }
      stop = stop ?? failed
      if stop == nil, findsOrphans { stop = await failure { try await $0.compareNames() } }
      if stop == nil { stop = await failure { try await $0.followRepairs() } }
    }
    Terminal.draw([])
    report.finish()
    if json { try Terminal.show(json: report.summary) } else if !options.quiet { Terminal.say(report.summary.text) }
    if let stop { throw stop }
    if areNamed, report.summary.hasNoneArchived {
      throw TapedeckError(
        .notFound, "The archive has no recording with \(report.summary.recordings == 1 ? "this ID" : "these IDs").")
    }
    if let failure = report.summary.failure { throw failure }
  }

  /// The error that ends a part of the run early; nil when it reaches its end.
  private mutating func failure(of part: (inout VerifyRun) async throws -> Void) async -> (any Error)? {
    do {
      try await part(&self)
      return nil
    } catch {
      report.stop()
      return error
    }
  }

  private mutating func readBack() async throws {
    var named = question.recordings
    while true {
      if let names = named {
        question.recordings = Array(names.prefix(32))
        named = Array(names.dropFirst(32))
      }
      let answer = try await verify(question)
      try show(report.add(answer))
      draw(of: answer.total)
      if let stop = answer.stop {
        throw TapedeckError(TapedeckError.Code(rawValue: stop.code) ?? .internalError, stop.detail)
      }
      if named?.isEmpty == false { continue }
      guard let next = answer.next else { return }
      question.after = next
    }
  }

  private mutating func compareNames() async throws {
    var ask = ReconcileQuestion(
      shard: question.shard.map(Int.init), shards: question.shards.map(Int.init), repairs: question.repairs, seconds: 2)
    var young = 0
    while true {
      let answer = try await connection.send(.POST, "/operator/reconcile", json: ask).decode(ReconcileAnswer.self)
      try show(report.add(answer))
      young += answer.young
      guard let next = answer.next else {
        if young > 0, !options.quiet {
          let files = counted(young, "new file")
          Terminal.say("\(files) without a row may belong to ingests in progress; they are checked at the next run.")
        }
        return
      }
      ask.from = next
    }
  }

  /// Waits until each repair has ended, then verifies its recording again.
  private mutating func followRepairs() async throws {
    let repairs = report.repairs
    for (number, problem) in repairs.enumerated() {
      // Every repair has a job.
      guard let jobID = problem.jobId else { continue }
      var failure: String?
      while true {
        let job = try await connection.get("/api/v1/jobs/\(jobID)").decode(IngestBatch.Job.self)
        if job.state == "done" { break }
        if job.state == "failed" || job.state == "cancelled" {
          failure = job.error?.detail ?? job.message
          break
        }
        if !json, !options.quiet {
          Terminal.draw(["\(grouped(number)) of \(counted(repairs.count, "repair")) done"])
        }
        try await Task.sleep(for: .milliseconds(200))
      }
      let key = try recordingKey(problem.id, source: problem.source)
      let check = try await verify(VerifyQuestion(recordings: [key.pathSegment], repairs: false, seconds: 0))
      try show([report.endRepair(of: problem, check, failure: failure)])
    }
  }

  private func verify(_ question: VerifyQuestion) async throws -> VerifyAnswer {
    try await connection.send(.POST, "/operator/verify", json: question).decode(VerifyAnswer.self)
  }

  private func show(_ findings: [VerifyFinding]) throws {
    for finding in findings {
      if !json {
        Terminal.show(finding.text)
      } else if finding.status != .repairing || !waits {
        // JSON has one line per recording: of a repair that this command waits for, that is the end.
        try Terminal.show(json: finding)
      }
    }
  }

  private mutating func draw(of total: Int64) {
    guard !json, !options.quiet else { return }
    let known = question.share == nil && question.shards == nil && total > 0 ? " of \(grouped(total))" : ""
    Terminal.draw([
      "\(report.summary.progress), \(grouped(report.repairs.count + report.summary.damaged)) damaged\(known)"
    ])
  }
}
