import Access
import Audio
import CXone
import Catalog
import HTTPTransport
import Logging
import Model
import NIOPosix
import Observability
import Pipeline
import ServiceLifecycle
import Web
import Webhooks

extension Node {
  /// Composes a node: the only code that knows every module.
  init(
    settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tasks: Tasks, client: any HTTPSender,
    exporter: PrometheusExporter?, system: SystemServices, logger: Logger
  ) async throws {
    self.settings = settings
    self.directory = directory
    self.lock = lock
    let isShared = settings.deployment.isShared

    // Storage
    let isNew = !isShared && !directory.hasCatalog
    if isNew {
      // A new catalog next to existing objects would hide that the old one is lost.
      try await StoreOwnership.requireNoObjects(
        in: try Self.objectStore(settings.deployment, directory, client: client, system: system))
    }
    let catalog = try await Self.catalog(settings.deployment, directory, system: system)
    self.catalog = catalog
    if isShared {
      try await catalog.requireSameOnAllNodes("TAPEDECK_STORAGE_URL", try settings.deployment.storeIdentity(directory))
    }
    let clock = isShared ? try await SharedClock(catalog: catalog, own: system) : nil
    let system = clock?.system ?? system
    let store = try Self.objectStore(settings.deployment, directory, client: client, system: system)
    // For a new catalog it was checked above. Listing a bucket takes too long for a command.
    if !isNew, tasks.works || settings.deployment.storage == nil {
      do { try await StoreOwnership.requireOwnObjects(catalog, store) } catch {
        try? catalog.database.close()
        throw error
      }
    }
    let spool = try Spool(folder: directory.spool, quarantine: directory.quarantine, threads: .singleton)
    // The folders are usually on one disk, but each can be a mount of its own.
    let diskSpace = DiskSpaceMonitor(
      disks: settings.deployment.localFolders(directory).map { .init(holds: $0.holds, of: $0.folder) },
      minimumFreeBytes: settings.minimumFreeBytes, retryInterval: settings.diskRetryInterval, threads: .singleton,
      system: system, logger: logger)

    // Platform
    let sources = settings.sources.map { source in
      // A single process keeps its request budgets in memory: writing them to the catalog would gain nothing.
      let allowances: AllowanceStores? =
        isShared ? { SharedAllowance(catalog: catalog, source: source.id, bucket: $0, limits: $1) } : nil
      return makeRecordingSource(source, client: client, allowances: allowances, system: system, logger: logger)
    }
    let rateLimits: @Sendable () async throws(TapedeckError) -> [RateLimitStatus] = { () throws(TapedeckError) in
      var rateLimits: [RateLimitStatus] = []
      for source in sources {
        if let status = try await source.rateLimitStatus() { rateLimits.append(status) }
      }
      return rateLimits
    }

    // Access and web
    let now = system.now
    let log = AccessLog(catalog: catalog, now: now)
    // Only some of the connections may wait, so that others are left for requests that are answered at once.
    let connections = Descriptors.connections(settings)
    let passwords = PasswordHasher(waiting: min(512, max(2, connections / 16)))
    let authenticator = Authenticator(catalog: catalog, log: log, passwords: passwords, now: now)
    let listening = ListeningSessions(catalog: catalog, now: now)
    let waiters = JobWaiters(catalog: catalog, limits: .init(connections: connections))
    let readiness = Readiness(
      catalog: catalog, file: isShared ? nil : directory.catalog,
      folders: settings.deployment.localFolders(directory).map(\.folder), diskSpace: diskSpace, system: system)
    let gauges = Gauges(catalog: catalog, diskSpace: diskSpace, rateLimits: rateLimits)
    var web = WebServices(
      catalog: catalog, store: store, authenticator: authenticator,
      accounts: Accounts(catalog: catalog, passwords: passwords, now: now), log: log, listening: listening,
      waiters: waiters, proxies: settings.proxies, publicOrigin: settings.publicOrigin,
      sources: Set(settings.sources.map(\.id)), streams: Streams(limit: settings.streamsPerIdentity),
      jobsPerIdentity: settings.jobsPerIdentity,
      renderMetrics: {
        await gauges.refresh()
        return exporter?.render() ?? ""
      },
      readiness: { await readiness.problems() }, system: system, rateLimits: rateLimits)
    web.syncs = settings.syncs
    web.accelRedirect = settings.accelRedirect.map { AccelRedirect(location: $0, proxies: settings.proxies) }
    for plan in settings.plans { web.plans[plan.source] = plan }
    let quarantine = Quarantine(catalog: catalog, store: store, spool: spool)
    web.quarantine = QuarantineActions(
      accept: { row, reason, clearance, requester, entry throws(TapedeckError) in
        try await quarantine.accept(row, reason: reason, clearance: clearance, by: requester, entry: entry)
      },
      discard: { row, reason, requester, entry throws(TapedeckError) in
        try await quarantine.discard(row, reason: reason, by: requester, entry: entry)
      })
    let privacy = PrivacyReview(catalog: catalog, sources: sources, system: system, logger: logger)
    web.reviewPrivacy = { key in
      // The caller waits; without an answer the known privacy counts.
      _ = await limited {
        await privacy.review(key, atMostEvery: .seconds(60))
      } by: {
        try await system.sleep(.seconds(5))
      }
    }
    self.web = web

    // Pipeline
    let discoveries = settings.plans.flatMap { plan in
      sources.filter { $0.id == plan.source }.map { Discovery(catalog: catalog, source: $0, plan: plan) }
    }
    let scheduler = Scheduler(
      catalog: catalog, discoveries: discoveries, syncs: settings.syncs, system: system, logger: logger)
    let verifier = Verifier(
      catalog: catalog, store: store, served: isShared ? nil : Set(settings.sources.map(\.id)), system: system,
      logger: logger)

    // Services stop in reverse order.
    var services: [any Service] = [
      PeriodicFlush(system: system, logger: logger) {
        try await log.flush()
        try await listening.flush()
        try await authenticator.flush()
      },
      MemoryRelease(system: system),
    ]
    if let clock { services.append(clock) }
    if !isShared, tasks.runsRecurringTasks {
      services.append(CatalogCheck(catalog: catalog, path: directory.catalog, system: system, logger: logger))
    }
    if tasks.works {
      try await Recovery(catalog: catalog, spool: spool, logger: logger).run(isAlone: !isShared)
      let transcoder = settings.makeTranscoder { logger.info("conversions use \($0)") }
      do throws(TapedeckError) { _ = try await transcoder.start() } catch {
        if error.code == .configurationInvalid { throw error }
        // Archived recordings can be played nevertheless.
        logger.error("conversions fail: \(error.message)", metadata: ["reason": "\(error.detail ?? "")"])
      }
      let ingest = Ingest(
        catalog: catalog, sources: sources, store: store, spool: spool, transcoder: transcoder,
        conversions: AsyncSemaphore(settings.conversions), diskSpace: diskSpace, settings: settings.ingest,
        system: system, logger: logger)
      // As many transfers as the sources allow, and some for recordings that are being converted.
      let transfers = settings.sources.reduce(0) { $0 + $1.parallelDownloads } + settings.conversions + 2
      services.append(Worker(ingest: ingest, limits: .init(transfers: transfers, lease: settings.lease)))
      if let endpoint = try await Self.webhook(settings, directory, catalog) {
        services.append(
          WebhookSender(
            catalog: catalog,
            delivery: WebhookDelivery(client: client, system: system, userAgent: Tapedeck.userAgent),
            endpoint: endpoint, system: system, logger: logger))
      }
    }
    let coverage = CoverageRoutes(
      catalog: catalog, plans: SyncPlans(plans: web.plans, catalog: catalog),
      platforms: Dictionary(settings.sources.map { ($0.id, $0.baseURL) }) { first, _ in first }, scheduler: scheduler,
      system: system
    ) {
      try await Self.statementSigner(settings, directory, catalog)
    }
    services.append(
      try Self.socketServer(
        web, sources: sources, coverage: coverage, verifier: verifier, directory: directory, logger: logger
      ) {
        if !tasks.serves { await tasks.onReady(nil) }
      })
    if tasks.runsRecurringTasks {
      services.append(scheduler)
      services.append(
        Scrubber(verifier: verifier, settings: settings.scrub, privacy: settings.reviewsPrivacy ? privacy : nil))
      services.append(ObjectRemover(catalog: catalog, store: store, system: system, logger: logger))
    }
    if tasks.serves {
      if settings.publicOrigin?.hasPrefix("https:") == true, settings.proxies.isEmpty {
        logger.warning(
          "TAPEDECK_TRUSTED_PROXIES is not set: the access log shows the proxy's address for all users, and failed sign-ins of one user delay those of all others"
        )
      }
      services.append(try Self.server(web, settings: settings, onListening: tasks.onReady, logger: logger))
    }
    // The node of a command has no exporter: its metrics end with it.
    if let address = settings.metricsListen, exporter != nil {
      services.append(try Self.metricsServer(web, on: address, logger: logger))
    }
    services.append(web.streamAccess)
    // Stopped first, so that requests that wait for a job are answered before the servers wait for open requests.
    services.append(waiters)
    self.services = services
  }
}
