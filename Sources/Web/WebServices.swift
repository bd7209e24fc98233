package import Access
package import Catalog
package import Model
package import ObjectStorage

/// What the controllers work with.
package struct WebServices: Sendable {
  package var catalog: Catalog
  package var store: any ObjectStore
  package var authenticator: Authenticator
  package var registry: Registry
  package var log: AccessLog
  package var listening: ListeningSessions
  package let views = RecentViews()
  package var waiters: JobWaiters
  package var proxies: TrustedProxies
  /// `https://host[:port]` of `TAPEDECK_PUBLIC_URL`; nil when it is not set.
  package var publicOrigin: String?
  /// The sources that are configured.
  package var sources: Set<SourceID>
  /// How calls of each source are looked for.
  package var plans: [SourceID: SyncPlan] = [:]
  /// The text of `/metrics`.
  package var renderMetrics: @Sendable () async -> String
  /// What keeps the server from doing its work, each as a sentence; none when it is ready.
  package var readiness: @Sendable () async -> [String]
  package var surroundings: Surroundings
  /// How much is being asked of each source.
  package var standings: @Sendable () async throws(TapedeckError) -> [SourceStanding]

  package init(
    catalog: Catalog, store: any ObjectStore, authenticator: Authenticator, registry: Registry, log: AccessLog,
    listening: ListeningSessions, waiters: JobWaiters, proxies: TrustedProxies, publicOrigin: String?,
    sources: Set<SourceID>, renderMetrics: @escaping @Sendable () async -> String,
    readiness: @escaping @Sendable () async -> [String], surroundings: Surroundings,
    standings: @escaping @Sendable () async throws(TapedeckError) -> [SourceStanding] = { () throws(TapedeckError) in []
    }
  ) {
    self.catalog = catalog
    self.store = store
    self.authenticator = authenticator
    self.registry = registry
    self.log = log
    self.listening = listening
    self.waiters = waiters
    self.proxies = proxies
    self.publicOrigin = publicOrigin
    self.sources = sources
    self.renderMetrics = renderMetrics
    self.readiness = readiness
    self.surroundings = surroundings
    self.standings = standings
  }
}
