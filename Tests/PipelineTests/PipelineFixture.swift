import AsyncHTTPClient
import Audio
import CXone
import Catalog
import Foundation
import Glibc
import Hummingbird
import Logging
import Model
import NIOPosix
import ObjectStorage
import Pipeline
import Sandbox
import ServiceLifecycle
import SystemPackage
import TestKit

/// The pipeline as a node composes it, in a folder of its own, over a simulated tenant that listens on loopback.
struct PipelineFixture: Sendable {
  struct Options: Sendable {
    var faults: [FaultRule] = []
    var tenant: @Sendable (inout SandboxConfiguration) -> Void = { _ in }
    var settings = IngestSettings(retry: .prompt)
    var conversions = 2
    var transcoder = Transcoder.installed
    /// The clock of the pipeline and the catalog; the platform's client uses the system's clock.
    var clock: TestClock?
    /// A download counts as interrupted after this long without a byte.
    var stallTimeout: Duration = .seconds(600)
    /// The rate limit of requests to the tenant.
    var limits = RequestLimits(rate: 0, burst: 20)
    /// Replaces the tenant.
    var source: (any RecordingSource)?
    /// Replaces the system's clock and `clock`.
    var system: SystemServices?
    /// Free bytes on the spool's disk; below 1 nothing is downloaded.
    var freeBytes: @Sendable () throws -> Int64 = { .max }
    /// Receives the log messages.
    var logger = Logger.silent
  }

  let folder: FilePath
  let tenant: SandboxTenant
  let database: SQLiteDatabase
  let catalog: Catalog
  let store: FileObjectStore
  let spool: Spool
  let conversions: AsyncSemaphore
  let diskSpace: DiskSpaceMonitor
  private let options: Options
  private let source: any RecordingSource
  private let transcoder: Transcoder
  let system: SystemServices
  let logger: Logger

  /// Composes the pipeline, runs `body`, and shuts everything down again.
  static func run<Result: Sendable>(
    _ options: Options = Options(), _ body: @Sendable (PipelineFixture) async throws -> Result
  ) async throws -> Result {
    // The program does the same at its start: a conversion that ends early must not end the tests.
    signal(SIGPIPE, SIG_IGN)
    var configuration = SandboxConfiguration()
    configuration.day = Instant(iso8601: "2026-03-02T00:00:00Z")
    configuration.callCount = 0
    configuration.spokenCalls = false
    configuration.faults = options.faults
    options.tenant(&configuration)
    let tenant = try SandboxTenant(configuration: configuration, logger: .silent)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let application = tenant.makeApplication { port.yield($0) }
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-pipeline-\(UUID().uuidString)")
    let result: Swift.Result<Result, any Error> = await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await application.run() }
      defer { group.cancelAll() }
      do {
        var iterator = ports.makeAsyncIterator()
        guard let number = await iterator.next() else { throw CancellationError() }
        let settings = try SourceSettings(
          baseURL: "http://127.0.0.1:\(number)", clientID: configuration.clientID,
          clientSecret: configuration.clientSecret, rate: options.limits.rate, burst: options.limits.burst,
          stallTimeout: options.stallTimeout)
        let source = RecordingsV2Source(settings: settings, client: client, system: .system, logger: .silent)
        let fixture = try await PipelineFixture(options, folder: folder, tenant: tenant, source: source)
        let result = try await body(fixture)
        try fixture.database.close()
        return .success(result)
      } catch {
        return .failure(error)
      }
    }
    try await client.shutdown()
    try? FileManager.default.removeItem(atPath: folder.string)
    return try result.get()
  }

  private init(
    _ options: Options, folder: FilePath, tenant: SandboxTenant, source: any RecordingSource
  ) async throws {
    let system =
      options.system ?? options.clock?.system()
      ?? SystemServices(now: SystemServices.system.now, sleep: SystemServices.system.sleep, random: { 0.5 })
    self.folder = folder
    self.tenant = tenant
    self.system = system
    logger = options.logger
    store = try FileObjectStore(
      root: folder.appending("objects"), quarantine: folder.appending("quarantine"), threads: .singleton,
      now: system.now)
    database = try SQLiteDatabase(path: folder.appending("catalog.sqlite").string, now: system.now)
    catalog = Catalog(database: database)
    try await catalog.migrate()
    spool = try Spool(
      folder: folder.appending("spool"), quarantine: folder.appending("quarantine"), threads: .singleton)
    conversions = AsyncSemaphore(options.conversions)
    diskSpace = DiskSpaceMonitor(
      disks: [.init(holds: "spool", freeBytes: options.freeBytes)], minimumFreeBytes: 1, threads: .singleton,
      system: system, logger: options.logger)
    self.options = options
    self.source = options.source ?? source
    transcoder = Transcoder(program: options.transcoder)
  }

  /// The ingest that the pipeline runs.
  var ingest: Ingest { ingest(on: database) }

  /// An ingest over another database, with another store, or on another machine with its own spool.
  func ingest(
    on database: any Database, _ settings: IngestSettings? = nil, store: (any ObjectStore)? = nil, spool: Spool? = nil,
    source: (any RecordingSource)? = nil, hasSource: Bool = true
  ) -> Ingest {
    Ingest(
      catalog: Catalog(database: database), sources: hasSource ? [source ?? self.source] : [],
      store: store ?? self.store,
      spool: spool ?? self.spool, transcoder: transcoder, conversions: conversions, diskSpace: diskSpace,
      settings: settings ?? options.settings, system: system, logger: logger)
  }

  // MARK: Running

  func with<Result: Sendable>(
    _ service: some Service, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withServices([service], body)
  }

  func withWorker<Result: Sendable>(
    _ limits: Worker.Limits = Worker.Limits(), _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    try await with(Worker(ingest: ingest, limits: limits), body)
  }

  /// Requests a recording on behalf of an identity with at most this `clearance`.
  @discardableResult
  func request(_ id: String, clearance: Privacy = .standard) async throws -> JobRow {
    let key = try key(id)
    return try await catalog.requestIngest(
      of: key, clearance: clearance, by: "tester",
      entry: LogEntry(at: system.now(), action: .ingest, outcome: .allowed, actor: nil, recording: key))
  }

  /// Waits until the row of a recording's job is as expected.
  func job(_ id: String, until isWanted: (JobRow) -> Bool) async throws -> JobRow {
    let key = try key(id)
    var changes = catalog.changes().makeAsyncIterator()
    while true {
      if let job = try await catalog.job(of: key), isWanted(job) { return job }
      guard await changes.next() != nil else { throw CancellationError() }
    }
  }

  /// Waits until a job is archived or has failed permanently and its spool files are gone.
  func ended(_ id: String) async throws -> JobRow {
    let job = try await job(id) { $0.runState == .done || $0.runState == .failed }
    // They are removed after the commit; a shutdown between the two would leave them to the next start.
    try await until { try !files(in: "spool").contains { $0.hasPrefix("\(job.id)-") } }
    return job
  }

  /// Advances the clock until a condition holds; the clock stops while a job is leased.
  ///
  /// In small steps, because the end of a worker's work cannot be observed: a large step might come between its reading
  /// of the clock and its sleep.
  func advance(_ clock: TestClock, until holds: () async throws -> Bool) async throws {
    try await until {
      if try await !catalog.jobCounts().contains(where: { $0.state == .leased }) { clock.advance(by: .seconds(1)) }
      return try await holds()
    }
  }

  /// Claims a job as a worker does, up to the stage in which bytes are transferred.
  func claim(_ id: String) async throws -> JobRow {
    let job = try await request(id, clearance: .restricted)
    if job.stage == .queued,
      let claimed = try await catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first,
      let release = try await ingest.run(claimed)
    {
      try await catalog.release(JobLease(jobID: claimed.id, fence: claimed.fence), release)
    }
    guard let job = try await catalog.claimJobs(in: .transfer, lease: .seconds(30), limit: 1).first else {
      throw TapedeckError(.notFound, "No job is due.")
    }
    return job
  }

  /// Makes a worker check for due work now.
  func wakeWorkers() async throws {
    try await database.write { db in
      db.notify(.workDue)
      db.notify(.webhookDue)
    }
  }

  // MARK: Inspection

  func key(_ id: String) throws -> RecordingKey {
    guard let id = RecordingID(id) else { throw TapedeckError(.invalidRecordingID) }
    return RecordingKey(id: id)
  }

  /// The bytes that the tenant currently has for a recording.
  func original(_ id: String) async throws -> [UInt8] {
    guard let audio = await tenant.audio(of: id) else { throw TapedeckError(.unknownRecording) }
    return audio.read(0..<audio.totalBytes)
  }

  func bytes(of path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: folder.pushing(FilePath(path)).string)))
  }

  func bytes(ofObject name: ObjectName) throws -> [UInt8] { try bytes(of: "objects/\(name)") }

  /// The names of the files, without hidden ones such as a spool's ID.
  func files(in name: String) throws -> [String] {
    try FileSystemCalls.names(in: folder.appending(name)).filter { !$0.hasPrefix(".") }.sorted()
  }

  /// Every object of the store.
  func objects() async throws -> Set<ObjectName> {
    var names: Set<ObjectName> = []
    for folder in ObjectFolder.all { names.formUnion(try await store.objects(in: folder).map(\.name)) }
    return names
  }

  func count(_ sql: SQL) async throws -> Int64 {
    try await database.read { db in try db.row("SELECT count(*) AS number \(sql)")?.int("number") ?? -1 }
  }

  /// The number of requests for the bytes of a recording.
  func downloads(of id: String) -> Int { tenant.statistics.snapshot.recordings[id]?.downloads ?? 0 }

  /// The requests for the bytes of a recording, in order.
  func asked(for id: String) -> [RequestStatistics.Entry] {
    tenant.statistics.snapshot.recent.filter { $0.endpoint == .download && $0.recording == id }
  }
}

extension RetrySchedule {
  /// The usual number of attempts, without delay.
  static let prompt = RetrySchedule(base: .milliseconds(1), cap: .milliseconds(1))
}

extension Logger {
  static var silent: Logger {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
  }
}
