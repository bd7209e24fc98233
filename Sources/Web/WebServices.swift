package import Access
package import Catalog
package import Model
package import ObjectStorage

/// Everything that the routes are made from. Each controller gets the parts that it needs.
package struct WebServices: Sendable {
  package var catalog: Catalog
  package var store: any ObjectStore
  package var authenticator: Authenticator
  package var accounts: Accounts
  package var log: AccessLog
  package var listening: ListeningSessions
  package let views = RecentViews()
  package var streams: Streams
  /// The maximum number of open jobs of an account or API token.
  package var jobsPerIdentity: Int
  package var waiters: JobWaiters
  package let streamAccess: StreamAccess
  package var proxies: TrustedProxies
  /// Nil when Tapedeck sends all files itself.
  package var accelRedirect: AccelRedirect?
  /// `https://host[:port]` of `TAPEDECK_PUBLIC_URL`; nil when it is not set.
  package var publicOrigin: String?
  /// The configured sources.
  package var sources: Set<SourceID>
  /// The sync plan of each source.
  package var plans: [SourceID: SyncPlan] = [:]
  /// Whether sync and look-back run.
  package var syncs = true
  /// The decisions about quarantined files; nil on a listener without a pipeline.
  package var quarantine: QuarantineActions?
  /// Asks the platform for the privacy of an archived recording again; nil on a listener without sources.
  package var reviewPrivacy: (@Sendable (RecordingKey) async -> Void)?
  /// The text of `/metrics`.
  package var renderMetrics: @Sendable () async -> String
  /// What prevents the server from working, each as a sentence; empty when it is ready.
  package var readiness: @Sendable () async -> [String]
  package var system: SystemServices
  /// The request rate of each source.
  package var rateLimits: @Sendable () async throws(TapedeckError) -> [RateLimitStatus]

  package init(
    catalog: Catalog, store: any ObjectStore, authenticator: Authenticator, accounts: Accounts, log: AccessLog,
    listening: ListeningSessions, waiters: JobWaiters, proxies: TrustedProxies, publicOrigin: String?,
    sources: Set<SourceID>, streams: Streams = Streams(limit: 32), jobsPerIdentity: Int = 5000,
    renderMetrics: @escaping @Sendable () async -> String,
    readiness: @escaping @Sendable () async -> [String], system: SystemServices,
    rateLimits: @escaping @Sendable () async throws(TapedeckError) -> [RateLimitStatus] = { () throws(TapedeckError) in
      []
    }
  ) {
    self.catalog = catalog
    self.store = store
    self.authenticator = authenticator
    self.accounts = accounts
    self.log = log
    self.listening = listening
    self.waiters = waiters
    streamAccess = StreamAccess(catalog: catalog, system: system)
    self.proxies = proxies
    self.publicOrigin = publicOrigin
    self.sources = sources
    self.streams = streams
    self.jobsPerIdentity = jobsPerIdentity
    self.renderMetrics = renderMetrics
    self.readiness = readiness
    self.system = system
    self.rateLimits = rateLimits
  }
}
