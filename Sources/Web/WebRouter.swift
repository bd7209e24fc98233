import Catalog
package import Hummingbird
import Model

/// Makes the router of a listener.
///
/// - Parameters:
///   - listener: where requests come from; it decides how they are authenticated.
///   - commands: further routes, of the command socket.
package func makeWebRouter(
  _ services: WebServices, listener: Listener, commands: [Route] = []
) throws -> Router<WebContext> {
  let pages = try PageRenderer()
  return makeRouter(
    RouteTable(webRoutes(services, pages) + commands), services, pages: pages, listener: listener)
}

/// Makes the router of a listener that only the monitoring can reach: health and metrics, without authentication.
package func makeMetricsRouter(_ services: WebServices) throws -> Router<WebContext> {
  let metrics = MetricsController(renderMetrics: services.renderMetrics)
  return makeRouter(
    RouteTable(HealthController(readiness: services.readiness).routes + [metrics.openRoute]), services,
    pages: try PageRenderer(), listener: .network)
}

/// Every route of the API and the pages.
package func webRouteTable(_ services: WebServices) throws -> RouteTable {
  RouteTable(webRoutes(services, try PageRenderer()))
}

private func makeRouter(
  _ table: RouteTable, _ services: WebServices, pages: PageRenderer, listener: Listener
) -> Router<WebContext> {
  let router = Router(context: WebContext.self)
  let isEncrypted = listener == .network && services.publicOrigin?.hasPrefix("https://") == true
  let authentication = AuthenticationMiddleware(
    listener: listener, authenticator: services.authenticator, log: services.log, publicOrigin: services.publicOrigin)
  router.add(
    middleware: RequestMiddleware(
      proxies: services.proxies, pages: pages, table: table, authentication: authentication, isEncrypted: isEncrypted))
  router.add(middleware: MethodMiddleware(table: table))
  table.add(
    to: router, behind: authentication,
    admission: Admission(
      catalog: services.catalog, log: services.log, listening: services.listening, views: services.views,
      streamAccess: services.streamAccess, streams: services.streams, sources: services.sources,
      now: services.system.now))
  return router
}

private func webRoutes(_ services: WebServices, _ pages: PageRenderer) -> [Route] {
  let catalog = services.catalog
  let system = services.system
  let plans = SyncPlans(plans: services.plans, catalog: catalog)
  let ingest = IngestController(
    catalog: catalog, waiters: services.waiters,
    openJobs: OpenJobs(catalog: catalog, limit: services.jobsPerIdentity, system: system),
    reviewPrivacy: services.reviewPrivacy, system: system)
  let recordings = RecordingListing(catalog: catalog)
  let entries = AuditListing(catalog: catalog)
  let coverage = CoverageListing(catalog: catalog, plans: plans, system: system)
  let backfills = BackfillController(catalog: catalog, plans: plans, system: system)
  let quarantine = QuarantineListing(catalog: catalog)
  let notices = NoticeListing(catalog: catalog)
  let platform = PlatformReport.Loader(catalog: catalog, rateLimits: services.rateLimits)
  let api: [[Route]] = [
    ingest.routes,
    AudioController(
      catalog: catalog, store: services.store, accelRedirect: services.accelRedirect, now: system.now
    ).routes,
    HeardController(catalog: catalog, now: system.now).routes,
    PreferencesController(catalog: catalog).routes,
    RecordingController(catalog: catalog, store: services.store, listing: recordings).routes,
    JobController(catalog: catalog, openJobs: ingest.openJobs).routes,
    QuarantineController(listing: quarantine, actions: services.quarantine).routes,
    NoticeController(listing: notices).routes,
    PlatformController(loader: platform, system: system).routes,
    AuditController(listing: entries).routes,
    ExportController(recordings: recordings, entries: entries, now: system.now).routes,
    CoverageController(listing: coverage).routes,
    backfills.routes,
    TokenController(catalog: catalog, accounts: services.accounts).routes,
    AccountController(accounts: services.accounts, authenticator: services.authenticator).routes,
    MetricsController(renderMetrics: services.renderMetrics).routes,
    HealthController(readiness: services.readiness).routes,
  ]
  let forBrowsers: [[Route]] = [
    AssetController(assets: pages.assets).routes,
    SignInController(catalog: catalog, authenticator: services.authenticator, pages: pages).routes,
    ListPageController(listing: recordings, system: system, pages: pages).routes,
    PlayerPageController(
      catalog: catalog, listing: recordings, ingest: ingest, store: services.store, pages: pages
    ).routes,
    AuditPageController(listing: entries, pages: pages).routes,
    AccountsPageController(accounts: services.accounts, pages: pages).routes,
    OwnAccountPageController(
      catalog: catalog, authenticator: services.authenticator,
      sourceZones: Set(services.plans.values.map(\.zone)).sorted { $0.name < $1.name }, pages: pages
    ).routes,
    QuarantinePageController(listing: quarantine, pages: pages).routes,
    NoticesPageController(listing: notices, pages: pages).routes,
    PlatformPageController(loader: platform, system: system, pages: pages).routes,
    CoveragePageController(
      catalog: catalog, listing: coverage, backfills: backfills, sources: services.sources,
      syncs: services.syncs, system: system, pages: pages
    ).routes,
  ]
  let routes = (api + forBrowsers).flatMap { $0 }
  return routes + [OpenAPIController(describing: routes).route]
}
