import Access
import Foundation
import Glibc
import HTTPTypes
import Hummingbird
import Logging
import Model
import NIOCore

/// Where requests come from, which decides how they are authenticated.
package enum Listener: Sendable {
  /// TCP: an API token or a signed-in browser.
  case network
  /// The command socket in the data directory, which only the operator's own user and root can open.
  case socket
}

/// Establishes the identity behind a request, and refuses requests without one.
struct AuthenticationMiddleware: RouterMiddleware {
  typealias Context = WebContext

  static let cookie = "__Host-tapedeck"

  let listener: Listener
  let authenticator: Authenticator
  let log: AccessLog
  let publicOrigin: String?

  func handle(
    _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    switch listener {
    case .socket:
      let identity = try await localOperator(context.channel)
      context.identity = identity
      context.currentIdentity = { () throws(TapedeckError) in identity }
    case .network: try await identify(request, context)
    }
    guard let identity = context.identity else {
      log.countAnonymousRefusal()
      throw TapedeckError(.unauthenticated)
    }
    context.logger[metadataKey: "actor"] = "\(identity.id)"
    return try await next(request, context)
  }

  /// Sets the identity of a request on the network; none without valid credentials.
  ///
  /// - Throws: `crossSiteRequest`; what the catalog throws.
  func identify(_ request: Request, _ context: WebContext) async throws(TapedeckError) {
    if let authorization = request.headers[.authorization] {
      let parts = authorization.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == "bearer" else { return }
      let token = String(parts[1])
      context.identity = try await authenticator.identity(bearer: token)
      context.currentIdentity = { [authenticator] () throws(TapedeckError) in
        try await authenticator.identity(bearer: token)
      }
    } else if let secret = request.cookies[Self.cookie]?.value,
      let session = try await authenticator.session(secret)
    {
      if request.method != .get, request.method != .head { try refuseOtherSites(request) }
      context.identity = session.identity
      context.session = .init(secret: secret, csrf: session.csrf, browserZone: session.browserZone)
      context.currentIdentity = { [authenticator] () throws(TapedeckError) in
        try await authenticator.session(secret)?.identity
      }
    }
  }

  /// A browser adds the cookie to requests from any page, so a request must show that it comes from one of ours.
  private func refuseOtherSites(_ request: Request) throws(TapedeckError) {
    if let site = request.headers[.secFetchSite] {
      guard site == "same-origin" || site == "none" else { throw TapedeckError(.crossSiteRequest) }
      return
    }
    guard let origin = request.headers[.origin] else { throw TapedeckError(.crossSiteRequest) }
    let host = request.head.authority ?? ""
    guard origin == publicOrigin || origin == "http://\(host)" || origin == "https://\(host)" else {
      throw TapedeckError(.crossSiteRequest)
    }
  }

  private func localOperator(_ channel: any Channel) async throws -> Identity {
    guard let provider = channel as? any SocketOptionProvider else { throw TapedeckError(.unauthenticated) }
    let peer: PeerCredentials = try await provider.unsafeGetSocketOption(level: .socket, name: .peerCredentials).get()
    return Identity(
      kind: .operator, id: "\(SystemUsers.prefix)\(peer.uid)", name: SystemUsers.operatorName(of: peer.uid),
      role: .admin)
  }
}

/// `struct ucred` of Linux, which Swift's Glibc module leaves out (unix(7), SO_PEERCRED).
private struct PeerCredentials {
  var pid: Int32
  var uid: UInt32
  var gid: UInt32
}

extension NIOBSDSocket.Option {
  fileprivate static let peerCredentials = NIOBSDSocket.Option(rawValue: 17)
}
