import Access
import Catalog
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import Synchronization
import SystemPackage
import TestKit
import Web

/// The web as a node composes it, with its own catalog and store, and a token or account of every role.
struct WebFixture: Sendable {
  struct Options: Sendable {
    var proxies = TrustedProxies.none
    var publicOrigin: String?
    var readiness: @Sendable () async -> [String] = { [] }
    var setup: TestingSetup = .router
    var now: @Sendable () -> Instant = SystemServices.system.now
    var sleep: @Sendable (Duration) async throws -> Void = SystemServices.system.sleep
    var rateLimits: [RateLimitStatus] = []
    var connections = 1000
    var sources: Set<SourceID> = [.default, SourceID("west")!]
    var plans: [SyncPlan] = []
    var jobsPerIdentity = 5000
    var streamsPerIdentity = 32
    var syncs = true
    /// Receives the log, from `debug`.
    var log: RecordedLog?
    var reviewPrivacy: (@Sendable (Catalog, RecordingKey) async -> Void)?
    var accelRedirect: String?
  }

  /// Who sends a request.
  enum Visitor: Sendable, CaseIterable {
    case anonymous, agent, supervisor, admin, metrics
    /// Signed in with a browser.
    case agentsBrowser, supervisorsBrowser

    static let withTokens: [Visitor] = [.agent, .supervisor, .admin, .metrics]

    var hearsRestricted: Bool { self == .supervisor || self == .supervisorsBrowser }
  }

  /// A response.
  struct Answer: Sendable {
    var status: Int
    var headers: HTTPFields
    var body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }
    func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
    var code: String? { json["code"] as? String }
    var json: [String: Any] {
      (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
    }
  }

  let folder: FilePath
  let database: SQLiteDatabase
  let catalog: Catalog
  let store: FileObjectStore
  let services: WebServices
  let tokens: [Visitor: String]
  let sessions: [Visitor: (secret: String, csrf: String)]
  let client: any TestClientProtocol
  let table: RouteTable
  private let document: DocumentedResponses
  private let numbers = Numbers()

  /// The password of every account.
  static let password = "correct horse battery"
  static let origin = LogEntry.Origin(address: "test", userAgent: nil, requestID: "test")
  static let `operator` = Identity(kind: .operator, id: "operator:0", name: "operator", role: .admin)

  static func run<Result: Sendable>(
    _ options: Options = Options(), _ body: @escaping @Sendable (WebFixture) async throws -> Result
  ) async throws -> Result {
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-web-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    let now = options.now
    var system = SystemServices.system
    (system.now, system.sleep) = (now, options.sleep)
    let database = try SQLiteDatabase(path: folder.appending("catalog.sqlite").string, now: now)
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let store = try FileObjectStore(
      root: folder.appending("objects"), quarantine: folder.appending("quarantine"), threads: .singleton, now: now)
    let log = AccessLog(catalog: catalog, now: now)
    // The standard cost takes seconds in a debug build.
    let passwords = PasswordHasher(cost: .init(logRounds: 4))
    let authenticator = Authenticator(catalog: catalog, log: log, passwords: passwords, now: now)
    let accounts = Accounts(catalog: catalog, passwords: passwords, now: now)
    var built = WebServices(
      catalog: catalog, store: store, authenticator: authenticator, accounts: accounts, log: log,
      listening: ListeningSessions(catalog: catalog, now: now),
      // An interval that no test reaches: only events wake the requests.
      waiters: JobWaiters(
        catalog: catalog, limits: .init(connections: options.connections), interval: .seconds(86_400)),
      proxies: options.proxies, publicOrigin: options.publicOrigin, sources: options.sources,
      streams: Streams(limit: options.streamsPerIdentity), jobsPerIdentity: options.jobsPerIdentity,
      renderMetrics: { "tapedeck_up 1\n" }, readiness: options.readiness, system: system,
      rateLimits: { () throws(TapedeckError) in options.rateLimits })
    built.syncs = options.syncs
    for plan in options.plans { built.plans[plan.source] = plan }
    built.accelRedirect = options.accelRedirect.map { AccelRedirect(location: $0, proxies: options.proxies) }
    if let review = options.reviewPrivacy { built.reviewPrivacy = { key in await review(catalog, key) } }
    let services = built
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    if let log = options.log { logger = log.logger(from: .debug) }
    let application = Application(
      router: try makeWebRouter(services, listener: .network),
      server: .limited(ConnectionLimits(total: 1000, perAddress: 1000), proxies: .none),
      configuration: .init(address: .hostname("127.0.0.1", port: 0)),
      services: [services.waiters, services.streamAccess], logger: logger)
    let (tokens, sessions) = try await admit(accounts, authenticator)
    let table = try webRouteTable(services)
    let document = try DocumentedResponses(table)
    let result = try await application.test(options.setup) { client in
      try await body(
        WebFixture(
          folder: folder, database: database, catalog: catalog, store: store, services: services, tokens: tokens,
          sessions: sessions, client: client, table: table, document: document))
    }
    try database.close()
    return result
  }

  private static func admit(
    _ accounts: Accounts, _ authenticator: Authenticator
  ) async throws -> ([Visitor: String], [Visitor: (secret: String, csrf: String)]) {
    var tokens: [Visitor: String] = [:]
    for (visitor, role) in [
      (Visitor.agent, Role.agent), (.supervisor, .supervisor), (.admin, .admin), (.metrics, .metrics),
    ] {
      tokens[visitor] = try await accounts.createToken(
        name: "token-\(role.rawValue)", role: role, agentID: nil, team: nil, by: `operator`, from: nil
      ).secret.text
    }
    var sessions: [Visitor: (secret: String, csrf: String)] = [:]
    for (visitor, role) in [(Visitor.agentsBrowser, Role.agent), (.supervisorsBrowser, .supervisor)] {
      _ = try await accounts.createAccount(
        name: "\(role.rawValue)-anna", role: role, agentID: nil, team: nil, password: password, by: `operator`,
        from: nil)
      let secret = try await authenticator.signIn(name: "\(role.rawValue)-anna", password: password, from: origin)
        .secret
      sessions[visitor] = (secret.text, try await authenticator.session(secret.text)?.csrf ?? "")
    }
    return (tokens, sessions)
  }

  // MARK: Requests

  func send(
    _ method: HTTPRequest.Method = .get, _ path: String, as visitor: Visitor = .anonymous,
    headers: [String: String] = [:], body: String? = nil
  ) async throws -> Answer {
    var fields = HTTPFields()
    if let token = tokens[visitor] { fields[.authorization] = "Bearer \(token)" }
    if let session = sessions[visitor] {
      fields[.cookie] = "__Host-tapedeck=\(session.secret)"
      if method != .get, method != .head { fields[HTTPField.Name("Sec-Fetch-Site")!] = "same-origin" }
    }
    for (name, value) in headers {
      guard let name = HTTPField.Name(name) else { continue }
      fields[name] = value
    }
    let response = try await client.executeRequest(
      uri: path, method: method, headers: fields, body: body.map { ByteBuffer(string: $0) })
    let answer = Answer(
      status: response.status.code, headers: response.headers, body: Array(response.body.readableBytesView))
    document.check(answer, to: method, path)
    return answer
  }

  func get(_ path: String, as visitor: Visitor = .anonymous, headers: [String: String] = [:]) async throws -> Answer {
    try await send(.get, path, as: visitor, headers: headers)
  }

  /// As a browser asks for a page.
  func page(_ path: String, as visitor: Visitor = .anonymous) async throws -> Answer {
    try await get(path, as: visitor, headers: ["Accept": "text/html,application/xhtml+xml"])
  }

  func post(
    _ path: String, as visitor: Visitor = .anonymous, headers: [String: String] = [:], form: [String: String]? = nil
  ) async throws -> Answer {
    var headers = headers
    if form != nil { headers["Content-Type"] = "application/x-www-form-urlencoded" }
    let body = form.map { fields in
      fields.map { "\(Self.encoded($0.key))=\(Self.encoded($0.value))" }.joined(separator: "&")
    }
    return try await send(.post, path, as: visitor, headers: headers, body: body)
  }

  static func encoded(_ text: String) -> String {
    text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
  }

  // MARK: Preparation

  func key(_ id: String, source: SourceID = .default) throws -> RecordingKey {
    guard let id = RecordingID(id) else { throw TapedeckError(.invalidRecordingID) }
    return RecordingKey(source: source, id: id)
  }

  func facts(_ id: String, privacy: Privacy = .standard, _ change: (inout PlatformRecording) -> Void = { _ in })
    throws -> PlatformRecording
  {
    var facts = PlatformRecording(id: try key(id).id, status: .available, privacy: privacy)
    facts.startTime = Instant(iso8601: "2026-03-02T10:00:00Z")
    facts.durationSeconds = 42
    facts.direction = .outbound
    facts.agentID = "a-7"
    facts.agentName = "Anna Agent"
    facts.fromAddress = "+4930111222"
    facts.toAddress = "+493055566677"
    change(&facts)
    return facts
  }

  /// Puts a recording into the archive with these bytes as its MP3.
  @discardableResult
  func archive(
    _ facts: PlatformRecording, source: SourceID = .default, mp3: [UInt8] = Array("an mp3".utf8),
    original: [UInt8]? = Array("RIFF an original".utf8), peaks: [UInt8] = Array("peaks".utf8), warning: String? = nil
  ) async throws -> JobRow {
    let key = RecordingKey(source: source, id: facts.id)
    let lease = try await fetching(facts, source: source)
    let storedMP3 = try await put(mp3, .mp3)
    let storedPeaks = try await put(peaks, .peaks)
    var storedOriginal: MediaPart.File?
    if let original { storedOriginal = try await put(original, .wav) }
    let part = MediaPart(
      part: 0, sourceHash: storedOriginal?.hash ?? storedMP3.hash, sourceBytes: Int64(original?.count ?? 0),
      original: storedOriginal?.name, codec: "pcm_s16le", channels: 2, sampleRate: 8000,
      duration: .milliseconds(42_250),
      mp3: storedMP3, peaks: storedPeaks)
    let now = Instant.systemNow()
    try await catalog.archive(
      Archive(
        key: key, facts: facts, parts: [part], at: now, availableAt: now, warning: warning,
        steps: [StepTime(step: .download, startedAt: now, duration: .milliseconds(1234))],
        entry: LogEntry(at: now, action: .archive, outcome: .allowed, actor: nil, recording: key), message: nil),
      lease: lease)
    return try await job(key)
  }

  /// Makes the job of a recording and claims it for the download.
  func fetching(_ facts: PlatformRecording, source: SourceID = .default) async throws -> JobLease {
    let key = RecordingKey(source: source, id: facts.id)
    try await catalog.observe(facts, of: key)
    return try await leased(key, stage: .fetching)
  }

  /// Makes the job of a recording, known or not, and claims it.
  func leased(_ key: RecordingKey, stage: Stage = .queued) async throws -> JobLease {
    let job = try await catalog.requestIngest(
      of: key, clearance: .restricted, by: "test",
      entry: LogEntry(at: .systemNow(), action: .ingest, outcome: .allowed, actor: nil, recording: key))
    let lease = try await claim(job.id, in: .polling)
    guard stage == .fetching else { return lease }
    try await catalog.release(lease, .advance(to: .fetching))
    return try await claim(job.id, in: .transfer)
  }

  /// Claims the job that is due.
  func claim(_ id: Int64, in queue: JobQueue) async throws -> JobLease {
    guard let claimed = try await catalog.claimJobs(in: queue, lease: .seconds(600), limit: 1).first, claimed.id == id
    else {
      throw TapedeckError(.notFound, "Another job than the one wanted is due.")
    }
    return JobLease(jobID: claimed.id, fence: claimed.fence)
  }

  func job(_ key: RecordingKey) async throws -> JobRow {
    guard let job = try await catalog.job(of: key) else { throw TapedeckError(.notFound) }
    return job
  }

  func put(_ bytes: [UInt8], _ kind: ObjectName.Kind) async throws -> MediaPart.File {
    let content = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: bytes)), bytes: Int64(bytes.count))
    guard let name = try await catalog.reserve([(kind, content)]).first else { throw TapedeckError(.internalError) }
    let file = folder.appending("object-\(numbers.next())")
    try Data(bytes).write(to: URL(filePath: file.string))
    try await store.store(file, as: name, content: content)
    return MediaPart.File(name: name, hash: content.hash, bytes: content.bytes)
  }

  // MARK: Results

  /// The entries of one action, the newest first.
  func logged(_ action: LogEntry.Action, _ outcome: LogEntry.Outcome? = nil) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = action
    filter.outcome = outcome
    return try await catalog.logEntries(matching: filter, before: nil, limit: 1000).map(\.entry)
  }

  /// Makes every later entry of the access log fail.
  func breakAccessLog() async throws {
    _ = try await database.write { db in
      try db.execute(
        "CREATE TRIGGER broken BEFORE INSERT ON log_entry BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END")
    }
  }
}

/// Numbers objects, so that each has its own name.
private final class Numbers: Sendable {
  private let last = Mutex(0)

  func next() -> Int {
    last.withLock { last in
      last += 1
      return last
    }
  }
}
