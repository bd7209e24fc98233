package import Hummingbird
import Logging
package import Model
package import NIOCore
import Synchronization

/// What travels with a request: who asks, from where, and the id under which the log tells of it.
package struct WebContext: RequestContext, RemoteAddressRequestContext {
  package var coreContext: CoreRequestContextStorage
  package let channel: any Channel
  private let caller = Caller()
  /// Set by `EntranceMiddleware`; nil before it and at the open addresses.
  package var identity: Identity? {
    get { caller.identity.withLock { $0 } }
    nonmutating set { caller.identity.withLock { $0 = newValue } }
  }
  /// The browser's session; nil with an API token and on the local socket.
  package var session: BrowserSession? {
    get { caller.session.withLock { $0 } }
    nonmutating set { caller.session.withLock { $0 = newValue } }
  }
  /// Also in the answer's `X-Request-Id`.
  package var requestID: String
  /// The client's address, seen through trusted proxies.
  package var clientAddress: String

  /// Shared by all copies of a request's context: an error is answered outside of the entrance, for the same caller.
  private final class Caller: Sendable {
    let identity = Mutex<Identity?>(nil)
    let session = Mutex<BrowserSession?>(nil)
  }

  package struct BrowserSession: Sendable {
    package var secret: String
    /// What every form must send back.
    package var csrf: String
  }

  package init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
    requestID = hex(randomBytes(8))
    clientAddress = source.channel.remoteAddress?.ipAddress ?? "local"
  }

  package var remoteAddress: SocketAddress? { channel.remoteAddress }

  package var maxUploadSize: Int { 64 << 10 }

  /// Who asks; the entrance has let nobody through without.
  ///
  /// - Throws: `unauthenticated`.
  package func requireIdentity() throws(TapedeckError) -> Identity {
    guard let identity else { throw TapedeckError(.unauthenticated) }
    return identity
  }

  package func origin(of request: Request) -> LogEntry.Origin {
    LogEntry.Origin(
      address: clientAddress, userAgent: request.headers[.userAgent].map { String($0.prefix(200)) },
      requestID: requestID)
  }
}
