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
    /// Told the port once the server answers.
    var onListening: @Sendable (Int) async -> Void = { _ in }
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
      try await node.close()
      return try result.get()
    }
  }

  private init(
    settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tasks: Tasks, client: HTTPClient,
    exporter: PrometheusExporter?, surroundings: Surroundings, logger: Logger
  ) async throws {
    self.settings = settings
    self.directory = directory
    self.lock = lock
    let now = surroundings.now
    let database = try SQLiteDatabase(path: directory.catalog.string, now: now)
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    self.catalog = catalog

    let store = try FileObjectStore(
      root: directory.objects, quarantine: directory.quarantine, threads: .singleton, now: now)
    let spool = try Spool(folder: directory.spool, quarantine: directory.quarantine, threads: .singleton)
    let sources = settings.sources.map {
      RecordingsV2Source(settings: $0, client: client, surroundings: surroundings, logger: logger)
    }

    let log = AccessLog(catalog: catalog, now: now)
    let passwords = PasswordHasher()
    let authenticator = Authenticator(catalog: catalog, log: log, passwords: passwords, now: now)
    let listening = ListeningSessions(catalog: catalog, now: now)
    let waiters = JobWaiters(catalog: catalog)
    let readiness = Readiness(catalog: catalog, spool: spool, settings: settings)
    let gauges = Gauges(catalog: catalog)
    web = WebServices(
      catalog: catalog, store: store, authenticator: authenticator,
      registry: Registry(catalog: catalog, passwords: passwords, now: now), log: log, listening: listening,
      waiters: waiters, proxies: settings.proxies, publicOrigin: settings.publicOrigin,
      sources: Set(settings.sources.map(\.id)),
      renderMetrics: {
        await gauges.refresh()
        return exporter?.render() ?? ""
      },
      readiness: { await readiness.problems() }, surroundings: surroundings)

    let upkeep = Upkeep(surroundings: surroundings, logger: logger) {
      try await log.flush()
      try await listening.flush()
      try await authenticator.flush()
    }
    var services: [any Service] = [upkeep]
    if tasks.works {
      try await Recovery(catalog: catalog, spool: spool, logger: logger).run()
      let ingest = Ingest(
        catalog: catalog, sources: sources, store: store, spool: spool, ffmpeg: FFmpeg(executable: settings.ffmpeg),
        conversions: Slots(settings.conversions), settings: settings.ingest, surroundings: surroundings, logger: logger)
      services.append(
        Worker(ingest: ingest, limits: .init(moving: Self.transfers(settings))))
      if let endpoint = try Self.webhook(settings, directory) {
        services.append(
          WebhookSender(
            catalog: catalog,
            delivery: WebhookDelivery(client: client, surroundings: surroundings, userAgent: Tapedeck.userAgent),
            endpoint: endpoint, surroundings: surroundings, logger: logger))
      }
    }
    let verifier = Verifier(catalog: catalog, store: store, surroundings: surroundings, logger: logger)
    services.append(
      try Self.socketServer(web, sources: sources, verifier: verifier, directory: directory, logger: logger))
    if tasks.works, tasks.serves {
      let privacy = PrivacyReview(catalog: catalog, sources: sources, surroundings: surroundings)
      services.append(
        Scrubber(verifier: verifier, settings: settings.scrub, privacy: settings.reviewsPrivacy ? privacy : nil))
    }
    if tasks.serves {
      services.append(try Self.server(web, settings: settings, onListening: tasks.onListening, logger: logger))
      if let address = settings.metricsListen {
        services.append(
          Application(
            router: try makeMetricsRouter(web),
            configuration: .init(address: .hostname(address.host, port: address.port)), logger: logger))
      }
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

  /// Writes down what was only counted so far, and closes the database.
  private func close() async throws {
    try await web.log.flush()
    try await web.listening.flush()
    try await web.authenticator.flush()
    try catalog.database.close()
    unlink(try directory.socket())
  }

  /// As many transfers as sources allow, and some more for what is being converted meanwhile.
  private static func transfers(_ settings: Settings) -> Int {
    settings.sources.reduce(0) { $0 + $1.parallelDownloads } + settings.conversions + 2
  }

  private static func webhook(_ settings: Settings, _ directory: DataDirectory) throws(TapedeckError)
    -> WebhookEndpoint?
  {
    guard let url = settings.webhookURL else { return nil }
    let secret: String
    if let configured = settings.webhookSecret {
      secret = configured
    } else {
      secret = try directory.key("webhook-secret") { WebhookSecret.make().revealed }
    }
    Redactor.shared.add(secret)
    return try WebhookEndpoint(url: url, signer: WebhookSigner(try WebhookSecret(secret)))
  }

  // MARK: Servers

  private static func server(
    _ web: WebServices, settings: Settings, onListening: @escaping @Sendable (Int) async -> Void, logger: Logger
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
    _ web: WebServices, sources: [any RecordingSource], verifier: Verifier, directory: DataDirectory, logger: Logger
  ) throws -> some Service {
    let path = try directory.socket()
    // A socket that a killed process left; the lock says that nobody is behind it.
    unlink(path)
    let router = try makeWebRouter(web, door: .socket) {
      OperatorRoutes(web: web, sources: sources).add(to: $0)
      VerifyRoutes(catalog: web.catalog, verifier: verifier).add(to: $0)
    }
    return Application(
      router: router, configuration: .init(address: .unixDomainSocket(path: path)),
      onServerRunning: { _ in chmod(path, 0o600) }, logger: logger)
  }
}
