import ArgumentParser
import Foundation
import Model
import NIOHTTP1

/// `tapedeck ingest`: have recordings archived and wait for them.
struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest",
    abstract: "Fetch recordings into the archive, by id or by time.",
    discussion: "Ends with 3 when some of them failed. Those that are in the archive already are left as they are.")

  @OptionGroup var options: GlobalOptions

  @Argument(help: "The platform's ids of recordings.")
  var ids: [String] = []

  @OptionGroup var query: PlatformQuery

  @Flag(help: "One JSON object a line, as each recording ends.")
  var json = false

  func validate() throws {
    if ids.isEmpty == (query.from == nil && query.to == nil) {
      throw ValidationError("Give ids, or --from and --to.")
    }
  }

  func run() async throws {
    let span = ids.isEmpty ? try query.span() : nil
    var keys: [RecordingKey] = []
    for id in ids { keys.append(try recordingKey(id, source: query.source)) }
    let failed = try await withOperator(options, needsPlatform: true, works: true) { [keys] connection in
      var wanted = keys
      if let span {
        try await query.forEachPage(span, connection) { page in
          for item in page.recordings { wanted.append(try recordingKey(item.id, source: query.source)) }
        }
      }
      var batch = IngestBatch(wanted, connection: connection, options: options, json: json)
      return try await batch.run()
    }
    if failed > 0 { throw TapedeckError(.partlyDone, "\(failed) recording(s) could not be archived.") }
  }
}

/// Recordings that are asked for, a bounded number at a time, and followed until each has ended.
struct IngestBatch {
  private let connection: OperatorClient
  private let options: GlobalOptions
  private let json: Bool
  private var queue: [RecordingKey]
  private var underway: [RecordingKey: Job] = [:]
  private var ready = 0
  private var failed = 0
  private let total: Int
  private var bars = ProgressBars()
  /// More jobs than the server works on at a time would only be asked about in vain.
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

  private struct Line: Encodable {
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

  /// - Returns: how many failed.
  mutating func run() async throws -> Int {
    while !queue.isEmpty || !underway.isEmpty {
      while underway.count < window, let key = queue.popLast() { try await start(key) }
      for (key, job) in underway { try await follow(key, job) }
      draw()
      if !underway.isEmpty { try await Task.sleep(for: .milliseconds(200)) }
    }
    if !options.quiet, !json { Terminal.say("\(ready) of \(total) recordings are in the archive, \(failed) failed.") }
    return failed
  }

  private mutating func start(_ key: RecordingKey) async throws {
    do {
      let reply = try await connection.send(
        .POST, "/ingest/\(key.pathSegment)", headers: [("Prefer", "respond-async")])
      let accepted = try reply.decode(Accepted.self)
      guard let jobURL = accepted.jobURL else { return succeed(key) }
      underway[key] = try await connection.get(jobURL).decode(Job.self)
    } catch let error as TapedeckError where error.code != .serverUnreachable && error.code != .interrupted {
      fail(key, code: error.code.rawValue, detail: error.message)
    }
  }

  private mutating func follow(_ key: RecordingKey, _ job: Job) async throws {
    let now = try await connection.get("/api/v1/jobs/\(job.id)").decode(Job.self)
    switch now.state {
    case "done":
      underway[key] = nil
      succeed(key)
    case "failed", "cancelled":
      underway[key] = nil
      fail(key, code: now.error?.code ?? "cancelled", detail: now.error?.detail ?? now.message)
    case "waiting" where now.error?.code == TapedeckError.Code.diskFull.rawValue:
      // As over HTTP: waiting does not help until somebody has freed some space. The job goes on by itself then, in the
      // server, or when a command next asks for it.
      underway[key] = nil
      fail(key, code: TapedeckError.Code.diskFull.rawValue, detail: now.error?.detail ?? now.message)
    default: underway[key] = now
    }
  }

  private mutating func succeed(_ key: RecordingKey) {
    ready += 1
    report(
      key,
      Line(id: key.id.rawValue, source: key.source.rawValue, status: "ready", playerURL: "/play/\(key.pathSegment)"))
  }

  private mutating func fail(_ key: RecordingKey, code: String, detail: String) {
    failed += 1
    report(key, Line(id: key.id.rawValue, source: key.source.rawValue, status: "failed", code: code, detail: detail))
    if !json { Terminal.say("\(key): \(detail)") }
  }

  private func report(_ key: RecordingKey, _ line: Line) {
    guard json, let data = try? JSONEncoder().encode(line) else { return }
    Terminal.show(json: data)
  }

  private mutating func draw() {
    guard !json, !options.quiet else { return }
    let lines = underway.sorted { $0.value.id < $1.value.id }.map { key, job in
      ProgressBars.Bar(
        name: key.description, fraction: job.totalBytes.map { $0 > 0 ? min(1, Double(job.bytes) / Double($0)) : 0 },
        text: job.stage)
    }
    bars.draw(lines, summary: "\(ready + failed) of \(total) ended, \(failed) failed")
  }
}
