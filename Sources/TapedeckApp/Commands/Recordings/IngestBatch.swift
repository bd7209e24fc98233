import Foundation
import Model
import NIOHTTP1

/// Requests the ingest of recordings, a bounded number at a time, and follows each job until it ends.
struct IngestBatch {
  private let connection: OperatorClient
  private let options: GlobalOptions
  private let json: Bool
  private var queue: [RecordingKey]
  private var running: [RecordingKey: Job] = [:]
  private var ready = 0
  private var failed = 0
  private let total: Int
  private var bars = ProgressBars()
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
    var playerURL: String?
  }

  init(_ keys: [RecordingKey], connection: OperatorClient, options: GlobalOptions, json: Bool) {
    self.connection = connection
    self.options = options
    self.json = json
    queue = Array(keys.reversed())
    total = keys.count
  }

  /// - Returns: the number of recordings that failed.
  mutating func run() async throws -> Int {
    while !queue.isEmpty || !running.isEmpty {
      while running.count < window, let key = queue.popLast() { try await start(key) }
      for (key, job) in running { try await follow(key, job) }
      draw()
      if !running.isEmpty { try await Task.sleep(for: .milliseconds(200)) }
    }
    if !options.quiet, !json {
      Terminal.say("\(ready) of \(counted(total, "recording")) archived, \(failed) failed.")
    }
    return failed
  }

  private mutating func start(_ key: RecordingKey) async throws {
    do {
      let reply = try await connection.send(
        .POST, "/ingest/\(key.pathSegment)", headers: [("Prefer", "respond-async")])
      let accepted = try reply.decode(Accepted.self)
      guard let jobURL = accepted.jobURL else { return try succeed(key) }
      running[key] = try await connection.get(jobURL).decode(Job.self)
    } catch let error as TapedeckError where error.code != .serverUnreachable && error.code != .interrupted {
      try fail(key, code: error.code.rawValue, detail: error.message)
    }
  }

  private mutating func follow(_ key: RecordingKey, _ job: Job) async throws {
    let now = try await connection.get("/api/v1/jobs/\(job.id)").decode(Job.self)
    switch now.state {
    case "done":
      running[key] = nil
      try succeed(key)
    case "failed", "cancelled":
      running[key] = nil
      try fail(key, code: now.error?.code ?? "cancelled", detail: now.error?.detail ?? now.message)
    case "waiting" where now.error?.code == TapedeckError.Code.diskFull.rawValue:
      // Waiting does not help until disk space is freed. The server then resumes the job by itself; without a server,
      // the next command for this recording does.
      running[key] = nil
      try fail(key, code: TapedeckError.Code.diskFull.rawValue, detail: now.error?.detail ?? now.message)
    default: running[key] = now
    }
  }

  private mutating func succeed(_ key: RecordingKey) throws {
    ready += 1
    guard json else { return }
    try Terminal.show(
      json: Outcome(
        id: key.id.rawValue, source: key.source.rawValue, status: "ready", playerURL: "/play/\(key.pathSegment)"))
  }

  private mutating func fail(_ key: RecordingKey, code: String, detail: String) throws {
    failed += 1
    guard json else { return Terminal.say("\(key): \(detail)") }
    try Terminal.show(
      json: Outcome(
        id: key.id.rawValue, source: key.source.rawValue, status: "failed", code: code, detail: detail))
  }

  private mutating func draw() {
    guard !json, !options.quiet else { return }
    let shown = running.sorted { $0.value.id < $1.value.id }.map { key, job in
      ProgressBars.Bar(
        name: key.description, fraction: job.totalBytes.map { $0 > 0 ? min(1, Double(job.bytes) / Double($0)) : 0 },
        text: job.stage)
    }
    bars.draw(shown, summary: "\(ready + failed) of \(total) done, \(failed) failed")
  }
}
