import AsyncHTTPClient
import CXone
import Catalog
import Model
import Pipeline
import Synchronization
import TestKit
import Testing

/// One behaviour at every cut, through the whole pipeline: the source over HTTP, the spool, the integrity check,
/// Transcoder, object store and catalog are the real ones, and all recordings are processed at the same time.
struct HostileRun: Sendable {
  /// How many times faster time runs for the pipeline, its waits and its limits.
  static let haste = 50
  /// A job counts as hanging after this long of real time.
  static let timeLimit = Duration.seconds(120)

  let behaviour: HostileBehaviour
  let platform: HostilePlatform
  let book = LogBook()

  init(_ behaviour: HostileBehaviour) {
    self.behaviour = behaviour
    platform = HostilePlatform(behaviour, cuts: HostileFile.cuts)
  }

  /// The results of all cases.
  struct Outcome: Sendable {
    /// How each case ended, by its cut.
    var endings: [Int: HostileBehaviour.Ending]
    /// How many downloads were resumed after their first break, and how many of them exactly at the cut.
    var breaks, exactBreaks: Int
  }

  func outcome() async throws -> Outcome {
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    let result: Result<Outcome, any Error>
    do {
      result = .success(
        try await ScriptedServer.run({ await platform.answer($0) }) { server in
          try await PipelineFixture.run(try options(server, client)) { fixture in try await outcome(fixture) }
        })
    } catch {
      result = .failure(error)
    }
    try await client.shutdown()
    return try result.get()
  }

  private func options(_ server: ScriptedServer, _ client: HTTPClient) throws -> PipelineFixture.Options {
    let system = SystemServices.hurried(Self.haste)
    let settings = try SourceSettings(
      baseURL: server.address, clientID: "client", clientSecret: "secret", rate: 0,
      parallelDownloads: HostileFile.cuts.count, callTimeout: .seconds(900), stallTimeout: behaviour.stallTimeout,
      maxRecordingBytes: 1 << 20)
    var options = PipelineFixture.Options(settings: IngestSettings())
    options.source = RecordingsV2Source(
      settings: settings, client: client, system: system, logger: book.logger)
    options.system = system
    options.logger = book.logger
    return options
  }

  private func outcome(_ fixture: PipelineFixture) async throws -> Outcome {
    let limits = Worker.Limits(transfers: HostileFile.cuts.count, lease: .seconds(100_000))
    let endings = try await fixture.withWorker(limits) {
      try await withThrowingTaskGroup(of: (Int, HostileBehaviour.Ending?).self) { group in
        for cut in HostileFile.cuts { group.addTask { (cut, try await ending(at: cut, fixture)) } }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
    }
    // Every case is archived by now, the failed ones since the platform answers correctly.
    let refused = endings.values.count { $0 == .failed(.incompleteRecording) }
    try await fixture.expectTidy(archived: HostileFile.cuts.count, quarantined: refused)
    let damaged = try await HostileJudge.damagedObjects(in: fixture)
    #expect(damaged == [])
    let breaks = HostileFile.cuts.compactMap { cut in
      book.entries(about: HostilePlatform.id(cut)).first { $0.text.hasPrefix("the download was interrupted; resuming") }
        .map { $0.metadata["bytes"] == "\(cut)" }
    }
    return Outcome(endings: endings, breaks: breaks.count, exactBreaks: breaks.count { $0 })
  }

  private func ending(at cut: Int, _ fixture: PipelineFixture) async throws -> HostileBehaviour.Ending? {
    let id = HostilePlatform.id(cut)
    try await fixture.request(id)
    guard let job = try await ended(id, fixture) else { return nil }
    let ending: HostileBehaviour.Ending
    if job.runState == .done {
      ending = .archived
      try await judge(id, cut, fixture)
    } else {
      ending = .failed(job.failure?.code ?? .internalError)
      let archived = try await fixture.catalog.archived(try fixture.key(id))
      #expect(archived?.parts.isEmpty ?? true, "\(behaviour.name), cut at \(cut): a failed job left files")
      try await recover(id, cut, fixture)
    }
    #expect(
      ending == behaviour.ending(cut),
      "\(behaviour.name), cut at \(cut): \(job.failure?.error.message ?? ""), \(book.entries(about: id).map(\.metadata))"
    )
    if ending != .archived || platform.requests(id) > 1 { expectReason(id, cut) }
    return ending
  }

  /// The next job must not accept anything that the failed job left.
  private func recover(_ id: String, _ cut: Int, _ fixture: PipelineFixture) async throws {
    platform.answerCorrectly(about: id)
    try await fixture.request(id)
    let again = try await ended(id, fixture)
    #expect(
      again?.runState == .done, "\(behaviour.name), cut at \(cut), then correct: \(again?.failure?.error.message ?? "")"
    )
    try await judge(id, cut, fixture, truths: platform.correctFiles(id))
  }

  private func judge(_ id: String, _ cut: Int, _ fixture: PipelineFixture, truths: [[UInt8]]? = nil) async throws {
    let archived = try #require(try await fixture.catalog.archived(try fixture.key(id)))
    #expect(archived.parts.count == 1)
    let part = try #require(archived.parts.first)
    let original = try fixture.bytes(ofObject: try #require(part.original))
    let complaint = HostileJudge.complaint(about: original, part, truths: truths ?? platform.truths(id))
    #expect(complaint == nil, "WRONG FILE ACCEPTED: \(behaviour.name), cut at \(cut)")
  }

  /// Returns nil, and records an issue, when the job does not end.
  private func ended(_ id: String, _ fixture: PipelineFixture) async throws -> JobRow? {
    let job = try await withThrowingTaskGroup(of: JobRow?.self) { group in
      group.addTask { try await fixture.ended(id) }
      group.addTask {
        try await Task.sleep(for: Self.timeLimit)  // Only a job that hangs reaches it.
        return nil
      }
      defer { group.cancelAll() }
      return try await group.next() ?? nil
    }
    if job == nil {
      let row = try await fixture.catalog.job(of: try fixture.key(id))
      Issue.record("\(behaviour.name), \(id) hangs: \(row.map { "\($0)" } ?? "no job")")
    }
    return job
  }

  /// Checks that the log explains every deviation from one plain download.
  private func expectReason(_ id: String, _ cut: Int) {
    // A connection that closes before a response is replaced without a message.
    if behaviour.words == "" { return }
    let reasons = book.entries(about: id).compactMap(\.reason)
    #expect(!reasons.isEmpty, "\(behaviour.name), cut at \(cut): the log gives no reason")
    guard cut == HostileFile.middle, let words = behaviour.words, !words.isEmpty else { return }
    #expect(reasons.contains { $0.contains(words) }, "\(behaviour.name): '\(words)' in \(reasons)")
  }
}

extension SystemServices {
  /// The system's clock, accelerated.
  static func hurried(_ times: Int) -> SystemServices {
    let (start, began) = (Instant.systemNow(), ContinuousClock.now)
    return SystemServices(
      now: { start + (ContinuousClock.now - began) * times }, sleep: { try await Task.sleep(for: $0 / times) },
      random: { 0.5 })
  }
}
