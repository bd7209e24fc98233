import Foundation
import Model
import NIOHTTP1

/// Requests the ingest of recordings, a bounded number at a time, and follows each job until it ends.
struct IngestBatch {
  private let connection: OperatorClient
  private let options: OutputOptions
  private let json: Bool
  private var queue: [RecordingKey]
  private var running: [RecordingKey: Job] = [:]
  private var failures: [(key: RecordingKey, code: String, detail: String)] = []
  private let total: Int
  private var progress: IngestProgress
  private let start = ContinuousClock.now
  /// How many jobs are followed at a time: polling more than the server works on gains nothing.
  private let window = 64

  struct Job: Decodable, Sendable {
    struct Failure: Decodable, Sendable {
      var code: String
      var detail: String
    }

    var id: Int64
    var state: String
    var stage: String
    var message: String
    var bytes: Int64
    var totalBytes: Int64?
    var error: Failure?
  }

  private struct Accepted: Decodable {
    var status: String
    var jobURL: String?
    enum CodingKeys: String, CodingKey {
      case status
      case jobURL = "job_url"
    }
  }

  private struct Outcome: Encodable {
    var id: String
    var source: String
    var status: String
    var code: String?
    var detail: String?
    var playerUrl: String?
  }

  init(_ keys: [RecordingKey], connection: OperatorClient, options: OutputOptions, json: Bool) {
    self.connection = connection
    self.options = options
    self.json = json
    queue = Array(keys.reversed())
    total = keys.count
    progress = IngestProgress(total: keys.count)
  }

  /// How the batch ended.
  struct Result: Sendable {
    var failed: Int
    /// The code of all failures; nil when something was archived, or when failures differ.
    var onlyCode: TapedeckError.Code?
  }

  mutating func run() async throws -> Result {
    defer { Terminal.draw([]) }
    while !queue.isEmpty || !running.isEmpty {
      while running.count < window, let key = queue.popLast() { try await begin(key) }
      for (key, job) in running { try await follow(key, job) }
      draw()
      if !running.isEmpty { try await Task.sleep(for: .milliseconds(200)) }
    }
    Terminal.draw([])
    if !json { conclude() }
    let codes = Set(failures.map(\.code))
    return Result(
      failed: failures.count,
      onlyCode: progress.archived == 0 && codes.count == 1 ? codes.first.flatMap { .init(rawValue: $0) } : nil)
  }

  /// Reports the failures again, since progress and other messages may have moved them out of sight, and the totals.
  private func conclude() {
    if Terminal.isErrorTerminal, total > 1, !failures.isEmpty {
      Terminal.say("Not archived:")
      for failure in failures { Terminal.say("  \(failure.key): \(failure.detail)") }
    }
    if !options.quiet {
      Terminal.say(
        "\(grouped(progress.archived)) of \(counted(total, "recording")) archived, \(grouped(failures.count)) failed.")
    }
  }

  private mutating func begin(_ key: RecordingKey) async throws {
    do {
      let reply = try await connection.send(
        .POST, "/ingest/\(key.pathSegment)", headers: [("Prefer", "respond-async")])
      let accepted = try reply.decode(Accepted.self)
      guard let jobURL = accepted.jobURL else {
        progress.alreadyArchived += 1
        return try succeed(key)
      }
      running[key] = try await connection.get(jobURL).decode(Job.self)
    } catch let error as TapedeckError where error.code != .serverUnreachable && error.code != .interrupted {
      try fail(key, code: error.code.rawValue, detail: error.message)
    }
  }

  private mutating func follow(_ key: RecordingKey, _ job: Job) async throws {
    let now = try await connection.get("/api/v1/jobs/\(job.id)").decode(Job.self)
    switch now.state {
    case "done":
      end(key, now)
      try succeed(key)
    case "failed", "cancelled":
      end(key, now)
      try fail(
        key, code: now.error?.code ?? TapedeckError.Code.jobCancelled.rawValue,
        detail: now.error?.detail ?? now.message)
    case "waiting" where now.error?.code == TapedeckError.Code.diskFull.rawValue:
      // Waiting does not help until disk space is freed. The server then resumes the job by itself; without a server,
      // the next command for this recording does.
      end(key, now)
      try fail(key, code: TapedeckError.Code.diskFull.rawValue, detail: now.error?.detail ?? now.message)
    default: running[key] = now
    }
  }

  private mutating func end(_ key: RecordingKey, _ job: Job) {
    running[key] = nil
    progress.endedBytes += job.bytes
  }

  private mutating func succeed(_ key: RecordingKey) throws {
    progress.archived += 1
    guard json else { return }
    try Terminal.show(
      json: Outcome(
        id: key.id.rawValue, source: key.source.rawValue, status: "ready", playerUrl: "/play/\(key.pathSegment)"))
  }

  private mutating func fail(_ key: RecordingKey, code: String, detail: String) throws {
    failures.append((key, code, detail))
    progress.failed += 1
    guard json else { return Terminal.say("\(key): \(detail)") }
    try Terminal.show(
      json: Outcome(
        id: key.id.rawValue, source: key.source.rawValue, status: "failed", code: code, detail: detail))
  }

  private mutating func draw() {
    guard !json, !options.quiet, Terminal.isErrorTerminal else { return }
    progress.items = running.sorted { $0.value.id < $1.value.id }.map { key, job in
      IngestProgress.Item(
        id: key.description, stage: job.stage, isRunning: job.state == RunState.leased.rawValue, bytes: job.bytes,
        totalBytes: job.totalBytes)
    }
    let size = Terminal.size(2)
    Terminal.draw(
      progress.lines(width: size.width, height: size.height, elapsed: ContinuousClock.now - start))
  }
}
