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

  package func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    base.setup(channel: channel, logger: logger).flatMapThrowing { value in
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
