import Catalog
import Dispatch
import Foundation
import Model
import Synchronization
import TestKit
import Testing

/// The catalog of one test, with the current schema and a clock that only the test advances.
final class TestCatalog: Sendable {
  let clock = TestClock()
  let database: WatchedDatabase
  let catalog: Catalog
  private let folder: TemporaryFolder

  init(_ kind: DatabaseKind) async throws {
    folder = try TemporaryFolder()
    database = WatchedDatabase(try await kind.openMigrated(in: folder, now: { [clock] in clock.now }))
    catalog = Catalog(database: database)
  }

  deinit { try? database.close() }

  /// All rows, so that a test can verify that nothing changed.
  func everything() async throws -> [String: [String]] {
    try await database.read { db in
      var tables: [String: [String]] = [:]
      for table in CatalogTable.all.map(\.name) {
        tables[table] = try db.dump(table)
      }
      return tables
    }
  }

  func count(_ table: String) async throws -> Int {
    try await database.read { db in try db.dump(table).count }
  }

  // MARK: Fixtures

  @discardableResult
  func request(_ name: String = "call-1", clearance: Privacy = .standard) async throws -> JobRow {
    try await catalog.requestIngest(
      of: try key(name), clearance: clearance, by: "tok_1", entry: entry(.ingest, of: try key(name)))
  }

  /// Claims the next due job.
  func claim(_ queue: JobQueue = .polling, lease: Duration = .seconds(30)) async throws -> (
    job: JobRow, lease: JobLease
  ) {
    let job = try #require(try await catalog.claimJobs(in: queue, lease: lease, limit: 1).first)
    return (job, JobLease(jobID: job.id, fence: job.fence))
  }

  /// A job whose recording can be archived next.
  func jobInProcessing(_ name: String = "call-1") async throws -> (job: JobRow, lease: JobLease) {
    try await request(name)
    let polling = try await claim(.polling)
    try await catalog.release(polling.lease, .advance(to: .fetching))
    let moving = try await claim(.transfer)
    try await catalog.advance(moving.lease, to: .processing)
    try await insertObjects()
    return moving
  }

  static func hash(_ digits: String) -> ContentHash { ContentHash(rawValue: String(repeating: digits, count: 32))! }

  static func object(_ digits: String, _ kind: ObjectName.Kind) -> ObjectName {
    ObjectName(digits: String(repeating: digits, count: 16), kind: kind)!
  }

  /// The rows of stored objects that are not referenced yet, each with its two digits in name and hash.
  func insertObjects(_ digits: String = "ab") async throws {
    _ = try await database.write { db in
      for (kind, bytes) in [(ObjectName.Kind.wav, 2_880_044), (.mp3, 700_000), (.peaks, 18_024)] {
        try db.execute(
          """
          INSERT INTO object (name, kind, sha256, bytes, reserved_at)
          VALUES (\(Self.object(digits, kind)), \(kind.rawValue), \(Self.hash(digits)), \(bytes), tapedeck_now_ms())
          ON CONFLICT (name) DO NOTHING
          """)
      }
    }
  }

  /// Archives a recording.
  @discardableResult
  func archiveRecording(_ name: String, _ change: (inout PlatformRecording) -> Void = { _ in }) async throws -> Archive
  {
    let (_, lease) = try await jobInProcessing(name)
    var archive = try archive(name)
    change(&archive.facts)
    try await catalog.archive(archive, lease: lease)
    return archive
  }

  func archive(_ name: String = "call-1") throws -> Archive {
    let key = try key(name)
    let hash = Self.hash("ab")
    let part = MediaPart(
      part: 0, sourceHash: hash, sourceBytes: 2_880_044, original: Self.object("ab", .wav), codec: "pcm", channels: 2,
      sampleRate: 8000, duration: .milliseconds(90_250),
      mp3: .init(name: Self.object("ab", .mp3), hash: hash, bytes: 700_000),
      peaks: .init(name: Self.object("ab", .peaks), hash: hash, bytes: 18_024))
    return Archive(
      key: key, facts: facts(name), parts: [part], at: clock.now, availableAt: nil, warning: "It is unusual.",
      steps: [StepTime(step: .download, startedAt: clock.now, duration: .milliseconds(1500))],
      entry: entry(.archive, of: key), message: ("msg_\(name)", "{}"))
  }

  func facts(_ name: String, status: PlatformStatus = .available, privacy: Privacy = .standard) -> PlatformRecording {
    PlatformRecording(id: RecordingID(name)!, status: status, privacy: privacy, json: "{\"id\":\"\(name)\"}")
  }

  func entry(_ action: LogEntry.Action, of key: RecordingKey? = nil, by actor: Identity? = nil) -> LogEntry {
    LogEntry(at: clock.now, action: action, outcome: .allowed, actor: actor, recording: key)
  }
}

/// The key of a recording; `eu~call-1` belongs to the source `eu`.
func key(_ name: String) throws -> RecordingKey { try RecordingKey(pathSegment: name) }

/// Waits for a signal from synchronous code.
func wait(for signal: DispatchSemaphore) async {
  await withCheckedContinuation { continuation in
    Thread.detachNewThread {
      signal.wait()
      continuation.resume()
    }
  }
}

/// A thread-safe counter.
final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  @discardableResult
  func increment() -> Int {
    count.withLock {
      $0 += 1
      return $0
    }
  }
}

extension Connection {
  /// The rows of a table as sorted text.
  func dump(_ table: String) throws(TapedeckError) -> [String] {
    let question: SQL =
      switch dialect {
      case .sqlite: "SELECT name FROM pragma_table_xinfo(\(table)) WHERE name <> 'indexed_words'"
      case .postgresql: "SELECT column_name AS name FROM information_schema.columns WHERE table_name = \(table)"
      }
    var columns: [String] = []
    for row in try rows(question) { columns.append(try row.text("name")) }
    // The name of a table cannot be bound; this one is a constant.
    return try rows(SQL(stringLiteral: "SELECT * FROM \(table)")).map { row in
      columns.sorted().map { "\($0)=\(row[$0])" }.joined(separator: " ")
    }.sorted()
  }

  /// The whole schema as sorted text.
  func dumpSchema() throws(TapedeckError) -> [String] {
    let question: SQL =
      switch dialect {
      case .sqlite: "SELECT name || ' ' || coalesce(sql, '') AS line FROM sqlite_schema"
      case .postgresql:
        """
        SELECT table_name || '.' || column_name || ' ' || data_type AS line FROM information_schema.columns
        WHERE table_schema = 'public'
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace)
        """
      }
    var lines: [String] = []
    for row in try rows(question) { lines.append(try row.text("line")) }
    return lines.sorted()
  }
}
