package import Hummingbird
import Logging
package import Model
package import NIOCore

/// What travels with a request: who asks, from where, and the id under which the log tells of it.
package struct WebContext: RequestContext, RemoteAddressRequestContext {
  package var coreContext: CoreRequestContextStorage
  package let channel: any Channel
  /// Set by `EntranceMiddleware`; nil before it and at the open addresses.
  package var identity: Identity?
  /// The browser's session; nil with an API token and on the local socket.
  package var session: BrowserSession?
  /// Also in the answer's `X-Request-Id`.
  package var requestID: String
  /// The client's address, seen through trusted proxies.
  package var clientAddress: String

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
