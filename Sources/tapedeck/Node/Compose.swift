import Access
import AsyncHTTPClient
import Audio
import CXone
import Catalog
import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import Observability
import Pipeline
import ServiceLifecycle
import SystemPackage
import TransparencyLog
import UnixSignals
import Web
import Webhooks

extension Logger {
  /// For groups of services, which below warning would write every field of every service.
  var forServices: Logger {
    var quieter = self
    quieter.logLevel = max(logLevel, .warning)
    return quieter
  }
}

/// Puts a node together: the only place that knows every room. Tests compose it the same way.
struct Node: Sendable {
  let settings: Settings
  let directory: DataDirectory
  let catalog: Catalog
  let web: WebServices
  let services: [any Service]
  private let lock: DataDirectoryLock

  /// What a node does besides answering the operator's socket.
  struct Tasks: Sendable {
    /// Whether it claims jobs and sends webhooks.
    var works: Bool
    /// Whether it listens for browsers and programs.
    var serves: Bool
    /// Whether it does the recurring duties: looks for new calls, brings back-fills on, verifies what is archived.
    var keepsDuties = false
    /// Told once the node answers, with the port where it listens for browsers.
    var onReady: @Sendable (Int?) async -> Void = { _ in }
  }

  /// Makes a node for as long as `body` takes; connections, the database and the lock are given up whatever happens.
  static func with<T: Sendable>(
    settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tasks: Tasks,
    exporter: PrometheusExporter?, logger: Logger, _ body: (Node) async throws -> T
  ) async throws -> T {
    try await HTTPClient.withHTTPClient(configuration: .platform) { client in
      let node = try await Node(
        settings: settings, directory: directory, lock: lock, tasks: tasks, client: client, exporter: exporter,
        surroundings: .system, logger: logger)
      let result: Result<T, any Error>
      do { result = .success(try await body(node)) } catch { result = .failure(error) }
      let closing = await node.close()
      // What ended the work says more than what came of it.
      let value = try result.get()
      if let closing { throw closing }
      return value
    }
  }

  private init(
    settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tasks: Tasks, client: HTTPClient,
    exporter: PrometheusExporter?, surroundings: Surroundings, logger: Logger
  ) async throws {
    self.settings = settings
    self.directory = directory
    self.lock = lock
    let catalog = Catalog(database: try Self.database(settings.deployment, directory, surroundings: surroundings))
    try await catalog.migrate()
    self.catalog = catalog
    if settings.deployment.isShared {
      try await catalog.agree(on: "TAPEDECK_STORAGE_URL", try settings.deployment.storeIdentity(directory))
    }
    let clock = settings.deployment.isShared ? try await SharedClock(catalog: catalog, own: surroundings) : nil
    let surroundings = clock?.surroundings ?? surroundings
    let now = surroundings.now
    let store = try Self.objectStore(settings.deployment, directory, client: client, surroundings: surroundings)
    let spool = try Spool(folder: directory.spool, quarantine: directory.quarantine, threads: .singleton)
    let sources = settings.sources.map {
      RecordingsV2Source(
        settings: $0, client: client,
        // A single process keeps it in memory: a write to the catalog for each request would gain nothing.
        allowance: settings.deployment.isShared
          ? SharedAllowance(catalog: catalog, source: $0.id, limits: $0.limits) : nil,
        surroundings: surroundings, logger: logger)
    }

    let log = AccessLog(catalog: catalog, now: now)
    let passwords = PasswordHasher()
    let authenticator = Authenticator(catalog: catalog, log: log, passwords: passwords, now: now)
    let listening = ListeningSessions(catalog: catalog, now: now)
    let waiters = JobWaiters(catalog: catalog)
    let standings: @Sendable () async throws(TapedeckError) -> [SourceStanding] = { () throws(TapedeckError) in
      var standings: [SourceStanding] = []
      for source in sources {
        if let standing = try await source.standing() { standings.append(standing) }
      }
      return standings
    }
    // Often one disk; each folder may be a mount of its own.
    let admission = Admission(
      disks: [
        .init(holds: "spool", of: directory.spool), .init(holds: "objects", of: directory.objects),
        .init(holds: "catalog", of: directory.path),
      ],
      minimumFreeBytes: settings.minimumFreeBytes, threads: .singleton, surroundings: surroundings, logger: logger)
    let readiness = Readiness(catalog: catalog, admission: admission)
    let gauges = Gauges(catalog: catalog, admission: admission, standings: standings)
    var web = WebServices(
      catalog: catalog, store: store, authenticator: authenticator,
      registry: Registry(catalog: catalog, passwords: passwords, now: now), log: log, listening: listening,
      waiters: waiters, proxies: settings.proxies, publicOrigin: settings.publicOrigin,
      sources: Set(settings.sources.map(\.id)),
      renderMetrics: {
        await gauges.refresh()
        return exporter?.render() ?? ""
      },
      readiness: { await readiness.problems() }, surroundings: surroundings, standings: standings)
    for plan in settings.plans { web.plans[plan.source] = plan }
    self.web = web
    let discoveries = settings.plans.flatMap { plan in
      sources.filter { $0.id == plan.source }.map { Discovery(catalog: catalog, source: $0, plan: plan) }
    }
    let scheduler = Scheduler(
      catalog: catalog, discoveries: discoveries, syncs: settings.syncs, surroundings: surroundings, logger: logger)

    let upkeep = Upkeep(surroundings: surroundings, logger: logger) {
      try await log.flush()
      try await listening.flush()
      try await authenticator.flush()
    }
    var services: [any Service] = [upkeep] + (clock.map { [$0] } ?? [])
    if tasks.works {
      try await Recovery(catalog: catalog, spool: spool, logger: logger).run(isAlone: !settings.deployment.isShared)
      let ffmpeg = FFmpeg(executable: settings.ffmpeg) { start in logger.info("\(start)") }
      let ingest = Ingest(
        catalog: catalog, sources: sources, store: store, spool: spool, ffmpeg: ffmpeg,
        conversions: Slots(settings.conversions), admission: admission, settings: settings.ingest,
        surroundings: surroundings, logger: logger)
      services.append(
        Worker(ingest: ingest, limits: .init(moving: Self.transfers(settings), lease: settings.lease)))
      if let endpoint = try await Self.webhook(settings, directory, catalog) {
        services.append(
          WebhookSender(
            catalog: catalog,
            delivery: WebhookDelivery(client: client, surroundings: surroundings, userAgent: Tapedeck.userAgent),
            endpoint: endpoint, surroundings: surroundings, logger: logger))
      }
    }
    let verifier = Verifier(catalog: catalog, store: store, surroundings: surroundings, logger: logger)
    let coverage = CoverageRoutes(web: web, scheduler: scheduler) {
      let signer = try settings.statementSigner()
      if settings.deployment.isShared { try await catalog.agree(on: "TAPEDECK_SIGNING_KEY", signer.revealed) }
      return signer
    }
    services.append(
      try Self.socketServer(
        web, sources: sources, coverage: coverage, verifier: verifier, directory: directory, logger: logger
      ) {
        if !tasks.serves { await tasks.onReady(nil) }
      })
    if tasks.keepsDuties {
      services.append(scheduler)
      let privacy = PrivacyReview(catalog: catalog, sources: sources, surroundings: surroundings)
      services.append(
        Scrubber(verifier: verifier, settings: settings.scrub, privacy: settings.reviewsPrivacy ? privacy : nil))
    }
    if tasks.serves {
      if settings.publicOrigin?.hasPrefix("https:") == true, settings.proxies.isEmpty {
        logger.warning(
          "TAPEDECK_TRUSTED_PROXIES is not set: the access log shows the proxy's address for everybody, and one who guesses passwords slows down all sign-ins"
        )
      }
      services.append(
        Listening(
          on: settings.listen, .listen,
          try Self.server(web, settings: settings, onListening: tasks.onReady, logger: logger)))
    }
    // A command's node has no exporter: what it counts is gone with it.
    if let address = settings.metricsListen, exporter != nil {
      services.append(
        Listening(
          on: address, .metricsListen,
          Application(
            router: try makeMetricsRouter(web),
            configuration: .init(address: .hostname(address.host, port: address.port)), logger: logger)))
    }
    // Services end in reverse order: whoever waits for a job is answered before the servers wait for their last answer.
    services.append(waiters)
    self.services = services
  }

  /// Runs until the task is cancelled or a signal asks for a graceful end: waiters are answered, leases handed back.
  func run(on signals: [UnixSignal], logger: Logger) async throws {
    let group = ServiceGroup(
      configuration: .init(
        services: services.map { .init(service: $0) }, gracefulShutdownSignals: signals, logger: logger.forServices))
    try await group.run()
  }

  /// Writes down what was only counted so far, and closes the database. Each step is taken, whatever became of the others.
  ///
  /// - Returns: the first failure.
  private func close() async -> (any Error)? {
    var failure: (any Error)?
    func attempt(_ step: () async throws -> Void) async {
      do { try await step() } catch { failure = failure ?? error }
    }
    await attempt { try await web.log.flush() }
    await attempt { try await web.listening.flush() }
    await attempt { try await web.authenticator.flush() }
    await attempt { try catalog.database.close() }
    await attempt { unlink(try directory.socket()) }
    return failure
  }

  /// As many transfers as sources allow, and some more for what is being converted meanwhile.
  private static func transfers(_ settings: Settings) -> Int {
    settings.sources.reduce(0) { $0 + $1.parallelDownloads } + settings.conversions + 2
  }

  /// The QM system's endpoint, if there is one. Nodes that share their work must sign with the same secret.
  private static func webhook(
    _ settings: Settings, _ directory: DataDirectory, _ catalog: Catalog
  ) async throws -> WebhookEndpoint? {
    guard let url = settings.webhookURL else { return nil }
    let secret: String
    if let configured = settings.webhookSecret {
      secret = configured
    } else if settings.deployment.isShared {
      throw TapedeckError(
        .configurationInvalid,
        "QM_WEBHOOK_SECRET is not set. Nodes that share a database must be given the same one: with a secret of its own for each, the receiver could check none."
      )
    } else {
      secret = try directory.key("webhook-secret") { WebhookSecret.make().revealed }
    }
    Redactor.shared.add(secret)
    if settings.deployment.isShared { try await catalog.agree(on: "QM_WEBHOOK_SECRET", secret) }
    return try WebhookEndpoint(url: url, signer: WebhookSigner(try WebhookSecret(secret)))
  }

  // MARK: Servers

  private static func server(
    _ web: WebServices, settings: Settings, onListening: @escaping @Sendable (Int?) async -> Void, logger: Logger
  ) throws -> some Service {
    Application(
      router: try makeWebRouter(web, door: .network),
      // Whoever does not finish a request's head, or leaves a connection idle, is let go.
      server: .http1(configuration: .init(idleTimeout: .seconds(60))),
      configuration: .init(
        address: .hostname(settings.listen.host, port: settings.listen.port), serverName: "tapedeck", backlog: 1024,
        availableConnectionsDelegate: MaximumAvailableConnections(10_000)),
      onServerRunning: { channel in await onListening(channel.localAddress?.port ?? settings.listen.port) },
      logger: logger)
  }

  private static func socketServer(
    _ web: WebServices, sources: [any RecordingSource], coverage: CoverageRoutes, verifier: Verifier,
    directory: DataDirectory, logger: Logger, onListening: @escaping @Sendable () async -> Void
  ) throws -> some Service {
    let path = try directory.socket()
    // A socket that a killed process left; the lock says that nobody is behind it.
    unlink(path)
    let router = try makeWebRouter(web, door: .socket) {
      OperatorRoutes(web: web, sources: sources).add(to: $0)
      coverage.add(to: $0)
      VerifyRoutes(catalog: web.catalog, verifier: verifier).add(to: $0)
    }
    return Application(
      router: router, configuration: .init(address: .unixDomainSocket(path: path)),
      onServerRunning: { _ in
        chmod(path, 0o600)
        await onListening()
      }, logger: logger)
  }
}
