package import Hummingbird

/// Every address of the server, and the middleware around them.
///
/// - Parameters:
///   - door: where the requests of this router come from. Both doors lead to the same rooms.
///   - addInside: adds further addresses behind the entrance.
package func makeWebRouter(
  _ services: WebServices, door: Door, addInside: (RouterGroup<WebContext>) -> Void = { _ in }
) throws -> Router<WebContext> {
  let pages = try PageRenderer()
  let entrance = EntranceMiddleware(
    door: door, authenticator: services.authenticator, log: services.log, publicOrigin: services.publicOrigin)
  let guardian = RecordingGuard(services: services)

  let router = Router(context: WebContext.self, options: [.autoGenerateHeadEndpoints])
  router.add(middleware: EnvelopeMiddleware(proxies: services.proxies, pages: pages))

  let open = router.group()
  HealthController(services: services).addRoutes(to: open)
  AssetController(assets: pages.assets).addRoutes(to: open)
  SignInController(services: services, pages: pages).addRoutes(to: open)

  let inside = router.group().add(middleware: entrance)
  SignOutController(services: services).addRoutes(to: inside)
  IngestController(services: services, guardian: guardian).addRoutes(to: inside)
  AudioController(services: services, guardian: guardian).addRoutes(to: inside)
  JobController(services: services, guardian: guardian).addRoutes(to: inside)
  RecordingController(services: services, guardian: guardian).addRoutes(to: inside)
  JobControlController(services: services).addRoutes(to: inside)
  PlatformController(services: services).addRoutes(to: inside)
  AuditController(services: services).addRoutes(to: inside)
  CoverageController(services: services).addRoutes(to: inside)
  BackfillController(services: services).addRoutes(to: inside)
  RegistryController(services: services).addRoutes(to: inside)
  MetricsController(services: services).addRoutes(to: inside)
  ListPageController(services: services, pages: pages).addRoutes(to: inside)
  PlayerPageController(services: services, pages: pages, guardian: guardian).addRoutes(to: inside)
  AuditPageController(services: services, pages: pages).addRoutes(to: inside)
  PlatformPageController(services: services, pages: pages).addRoutes(to: inside)
  CoveragePageController(services: services, pages: pages).addRoutes(to: inside)
  addInside(inside)
  return router
}

/// Metrics and health alone, without a login: for a listen address that only the monitoring can reach.
package func makeMetricsRouter(_ services: WebServices) throws -> Router<WebContext> {
  let router = Router(context: WebContext.self, options: [.autoGenerateHeadEndpoints])
  router.add(middleware: EnvelopeMiddleware(proxies: services.proxies, pages: try PageRenderer()))
  let open = router.group()
  HealthController(services: services).addRoutes(to: open)
  open.get("metrics") { _, _ in await MetricsController(services: services).response() }
  return router
}
