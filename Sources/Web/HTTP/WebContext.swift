import Catalog
package import Hummingbird
import Logging
package import Model
package import NIOCore
import Synchronization

/// The identity behind a request, where the request came from, and its ID in the log.
package struct WebContext: RequestContext, RemoteAddressRequestContext {
  package var coreContext: CoreRequestContextStorage
  package let channel: any Channel
  private let caller = Caller()
  /// Set by `AuthenticationMiddleware`; nil before it and on open routes.
  package var identity: Identity? {
    get { caller.identity.withLock { $0 } }
    nonmutating set { caller.identity.withLock { $0 = newValue } }
  }
  /// The browser's session; nil with an API token and on the command socket.
  package var session: BrowserSession? {
    get { caller.session.withLock { $0 } }
    nonmutating set { caller.session.withLock { $0 = newValue } }
  }
  /// Looks up the identity again, with the same credentials; nil when they are no longer valid. Set by
  /// `AuthenticationMiddleware`.
  package var currentIdentity: @Sendable () async throws(TapedeckError) -> Identity? {
    get { caller.lookUp.withLock { $0.find } }
    nonmutating set { caller.lookUp.withLock { $0 = Caller.LookUp(find: newValue) } }
  }
  /// The preferences of the identity, for pages; empty on other routes. Set by `Admission`.
  package var preferences: Preferences {
    get { caller.preferences.withLock { $0 } }
    nonmutating set { caller.preferences.withLock { $0 = newValue } }
  }
  /// The number of open notices, for the navigation; 0 for identities that do not see them. Set by `Admission`.
  package var openNotices: Int {
    get { caller.openNotices.withLock { $0 } }
    nonmutating set { caller.openNotices.withLock { $0 = newValue } }
  }
  /// Also sent as `X-Request-Id`.
  package var requestID: String
  /// The client's address, as trusted proxies forward it.
  package var clientAddress: String

  /// The methods that the path allows, once it is known that the request's own is not among them.
  let allow = AllowedMethods()

  /// Shared by all copies of a request's context, because errors are answered outside of the authentication.
  private final class Caller: Sendable {
    let identity = Mutex<Identity?>(nil)
    let session = Mutex<BrowserSession?>(nil)
    let preferences = Mutex(Preferences())
    let openNotices = Mutex(0)
    let lookUp = Mutex(LookUp { () throws(TapedeckError) in nil })

    struct LookUp {
      var find: @Sendable () async throws(TapedeckError) -> Identity?
    }
  }

  final class AllowedMethods: Sendable {
    private let text = Mutex<String?>(nil)
    var value: String? { text.withLock { $0 } }
    func set(_ methods: String) { text.withLock { $0 = methods } }
  }

  package struct BrowserSession: Sendable {
    package var secret: String
    /// The token that every form must send back.
    package var csrf: String
    /// The time zone that the browser reported last; nil when it has reported none.
    package var browserZone: String?
  }

  package init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
    requestID = hex(randomBytes(8))
    clientAddress = source.channel.remoteAddress?.ipAddress.map(IPNetwork.plain) ?? "local"
  }

  package var remoteAddress: SocketAddress? { channel.remoteAddress }

  package var maxUploadSize: Int { 64 << 10 }

  /// The identity, which exists on every route that is not open.
  ///
  /// - Throws: `unauthenticated`.
  package func requireIdentity() throws(TapedeckError) -> Identity {
    guard let identity else { throw TapedeckError(.unauthenticated) }
    return identity
  }

  /// The preferences of an identity, with the time zone that the browser of this session reported.
  func preferences(of identity: Identity, in catalog: Catalog) async throws(TapedeckError) -> Preferences {
    var preferences = try await catalog.preferences(of: identity.id)
    preferences.browserTimeZone = session?.browserZone
    return preferences
  }

  package func origin(of request: Request) -> LogEntry.Origin {
    LogEntry.Origin(
      address: clientAddress, userAgent: request.headers[.userAgent].map { $0.shortened(toBytes: 200) },
      requestID: requestID)
  }
}
