import Glibc
package import HummingbirdCore
package import Logging
package import NIOCore
import NIOHTTP1

/// HTTP/1 connections with limits.
package struct LimitedChannel: ServerChildChannel {
  package typealias Value = HTTP1Channel.Value

  private let base: HTTP1Channel
  private let connections: OpenConnections
  private let limits: ConnectionLimits

  init(base: HTTP1Channel, connections: OpenConnections, limits: ConnectionLimits) {
    self.base = base
    self.connections = connections
    self.limits = limits
  }

  /// The bytes that the operating system takes from a connection before it has sent them. By default it takes several
  /// megabytes, which a client would still receive after its access has ended. What is on its way does not count, so
  /// this does not slow a fast connection down.
  private static let maxUnsentBytes: Int32 = 128 << 10

  package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    if let socket = channel as? any SocketOptionProvider {
      let option = NIOBSDSocket.Option(rawValue: TCP_NOTSENT_LOWAT)
      socket.unsafeSetSocketOption(level: .tcp, name: option, value: Self.maxUnsentBytes).whenFailure { error in
        logger.debug("the unsent bytes of a connection cannot be limited", metadata: ["error": "\(error)"])
      }
    }
    return base.setup(channel: channel, logger: logger).flatMapThrowing { value in
      let pipeline = channel.pipeline.syncOperations
      let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
      try pipeline.addHandlers(
        [ProtocolRules(), ConnectionHandler(connections: connections, limits: limits)], position: .after(decoder))
      return value
    }
  }

  package func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

extension HTTPServerBuilder {
  /// Builds a server whose connections have these limits. Use it for one listener only.
  package static func limited(_ limits: ConnectionLimits, proxies: TrustedProxies) -> HTTPServerBuilder {
    let connections = OpenConnections(limits: limits, proxies: proxies)
    return HTTPServerBuilder { responder in
      LimitedChannel(
        base: HTTP1Channel(responder: responder, configuration: .init(idleTimeout: limits.idle)),
        connections: connections, limits: limits)
    }
  }
}
