import Foundation
import Model
import NIOHTTP1

/// One run of `tapedeck verify`: page after page, then the names of objects, then the repairs to their end.
struct VerifyRun {
  private let connection: OperatorClient
  private let options: GlobalOptions
  private let json: Bool
  private let searchesStrays: Bool
  private let waits: Bool
  private var question: VerifyQuestion
  private var bars = ProgressBars()

  private var summary = Summary()
  /// In the order in which they were found; followed to their end.
  private var repairs: [RecordingProblem] = []
  private var seen: Set<String> = []

  /// The last line of the result.
  private struct Summary: Encodable {
    var status = "summary"
    var recordings = 0
    var objects = 0
    var bytes: Int64 = 0
    var seconds = 0.0
    var megabytesPerSecond = 0.0
    var whole = 0
    /// Recordings that were found damaged and are whole again.
    var repaired = 0
    /// Recordings that are being repaired, or that remain damaged.
    var repairing = 0
    var damaged = 0
    var unreadable = 0
    var notArchived = 0
    /// Objects without a row.
    var strays = 0
  }

  private struct Line: Encodable {
    var problem: RecordingProblem
    var status: String
    var detail: String?

    private enum Key: String, CodingKey { case detail }

    func encode(to encoder: any Encoder) throws {
      var problem = problem
      problem.status = status
      try problem.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encodeIfPresent(detail, forKey: .detail)
    }
  }

  private struct StrayLine: Encodable {
    var status = "stray"
    var object: String
    var bytes: Int64
    var isMoved: Bool
  }

  init(
    _ question: VerifyQuestion, strays: Bool, waits: Bool, connection: OperatorClient, options: GlobalOptions,
    json: Bool
  ) {
    self.question = question
    self.connection = connection
    self.options = options
    self.json = json
    self.waits = waits
    searchesStrays = strays
  }

  /// - Throws: `objectDamaged` when something remains damaged, `partlyDone` when something was not looked at or is still
  ///   being repaired, what the store was away with.
  mutating func run() async throws {
    // While repairs store files, a file without a row may be one of them: names are compared when none is under way.
    if !waits, searchesStrays { try await compareNames() }
    let stop = try await readBack()
    if waits {
      try await followRepairs()
      if stop == nil, searchesStrays {
        try await compareNames()
        try await followRepairs()
      }
    }
    summary.repairing = repairs.count
    finish()
    if let stop { throw TapedeckError(TapedeckError.Code(rawValue: stop.code) ?? .internalError, stop.detail) }
    if summary.damaged > 0 {
      throw TapedeckError(.objectDamaged, "\(summary.damaged) recording(s) or file(s) remain damaged.")
    }
    let open = summary.unreadable + summary.notArchived + summary.repairing
    if open > 0 {
      throw TapedeckError(
        .partlyDone,
        "\(summary.unreadable) recording(s) could not be read, \(summary.notArchived) are not in the archive, \(summary.repairing) are being repaired."
      )
    }
  }

  private mutating func readBack() async throws -> VerifyAnswer.Stop? {
    var named = question.recordings
    while true {
      if let names = named {
        question.recordings = Array(names.prefix(32))
        named = Array(names.dropFirst(32))
      }
      let answer = try await connection.send(.POST, "/operator/verify", json: question).decode(VerifyAnswer.self)
      summary.recordings += answer.recordings
      summary.objects += answer.objects
      summary.bytes += answer.bytes
      summary.seconds += answer.seconds
      summary.whole += answer.recordings - answer.problems.count
      for problem in answer.problems { note(problem) }
      draw(of: answer.total)
      if let stop = answer.stop { return stop }
      if named?.isEmpty == false { continue }
      guard let next = answer.next else { return nil }
      question.after = next
    }
  }

  private mutating func compareNames() async throws {
    var ask = ReconcileQuestion(
      shard: question.shard.map(Int.init), shards: question.shards.map(Int.init), repairs: question.repairs, seconds: 2)
    var young = 0
    while true {
      let answer = try await connection.send(.POST, "/operator/reconcile", json: ask).decode(ReconcileAnswer.self)
      for stray in answer.strays {
        summary.strays += 1
        if !stray.isMoved { summary.damaged += 1 }
        if json {
          show(StrayLine(object: stray.object, bytes: stray.bytes, isMoved: stray.isMoved))
        } else {
          Terminal.show(
            "\(stray.object): No row of the catalog refers to this file.\(stray.isMoved ? " It was moved to quarantine." : "")"
          )
        }
      }
      young += answer.young
      for problem in answer.problems { note(problem) }
      guard let next = answer.next else {
        if young > 0, !options.quiet {
          Terminal.say("\(young) file(s) without a row may be of ingests that are under way; they are looked at later.")
        }
        return
      }
      ask.from = next
    }
  }

  private mutating func note(_ problem: RecordingProblem) {
    guard seen.insert("\(problem.source)~\(problem.id)").inserted else { return }
    let words =
      problem.files.isEmpty ? "No files are known." : problem.files.map(\.message).joined(separator: " ")
    switch problem.status {
    case "not_archived":
      summary.notArchived += 1
      end(problem, "not_archived", "It is not in the archive.")
    case "unreadable":
      summary.unreadable += 1
      end(problem, "unreadable", words)
    case _ where problem.jobId == nil:
      summary.damaged += 1
      end(problem, "damaged", words)
    default:
      repairs.append(problem)
      if json {
        // Of a repair that is waited for, the end is told.
        if !waits { show(Line(problem: problem, status: "repairing", detail: words)) }
      } else {
        let from =
          problem.repairedFrom == "original" ? "made again from the original" : "fetched again from the platform"
        Terminal.show("\(name(problem)): \(words) It is \(from).")
      }
    }
  }

  // MARK: Repairs

  /// Asks about each repair until it has ended, and then reads what it left.
  private mutating func followRepairs() async throws {
    let all = repairs
    repairs = []
    for (number, problem) in all.enumerated() {
      guard let jobID = problem.jobId else { continue }
      var failure: String?
      while true {
        let job = try await connection.get("/api/v1/jobs/\(jobID)").decode(IngestBatch.Job.self)
        if job.state == "done" { break }
        if job.state == "failed" || job.state == "cancelled" {
          failure = job.error?.detail ?? job.message
          break
        }
        if !json, !options.quiet { bars.draw([], summary: "\(number) of \(all.count) repairs ended") }
        try await Task.sleep(for: .milliseconds(200))
      }
      let key = try recordingKey(problem.id, source: problem.source)
      let again = VerifyQuestion(recordings: [key.pathSegment], repairs: false, seconds: 0)
      let now = try await connection.send(.POST, "/operator/verify", json: again).decode(VerifyAnswer.self)
      if now.problems.isEmpty, now.stop == nil {
        summary.repaired += 1
        end(problem, "repaired", "Whole again.")
      } else {
        summary.damaged += 1
        let words = now.problems.flatMap(\.files).map(\.message).joined(separator: " ")
        end(problem, "damaged", "\(words) It could not be repaired: \(failure ?? now.stop?.detail ?? "see the log")")
      }
    }
  }

  // MARK: Telling

  private func end(_ problem: RecordingProblem, _ status: String, _ detail: String) {
    if json {
      show(Line(problem: problem, status: status, detail: detail))
    } else {
      Terminal.show("\(name(problem)): \(detail)")
    }
  }

  private func name(_ problem: RecordingProblem) -> String {
    problem.source == SourceID.default.rawValue ? problem.id : "\(problem.source)~\(problem.id)"
  }

  private func show(_ line: some Encodable) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if let data = try? encoder.encode(line) { Terminal.show(json: data) }
  }

  private var text: String {
    let rate = summary.seconds > 0 ? Double(summary.bytes) / 1e6 / summary.seconds : 0
    return String(
      format: "%d recordings, %d files, %.1f MB read at %.0f MB/s", summary.recordings, summary.objects,
      Double(summary.bytes) / 1e6, rate)
  }

  private mutating func draw(of total: Int64) {
    guard !json, !options.quiet else { return }
    let known = question.share == nil && question.shards == nil && total > 0 ? " of \(total)" : ""
    bars.draw([], summary: "\(text), \(repairs.count + summary.damaged) damaged\(known)")
  }

  private mutating func finish() {
    summary.megabytesPerSecond = summary.seconds > 0 ? Double(summary.bytes) / 1e6 / summary.seconds : 0
    if json { return show(summary) }
    guard !options.quiet else { return }
    let outcome =
      summary.whole == summary.recordings && summary.strays == 0
      ? "everything is whole"
      : "\(summary.whole) whole, \(summary.repaired) repaired, \(summary.damaged) damaged, \(summary.strays) file(s) without a row"
    Terminal.say("\(text): \(outcome).")
  }
}
