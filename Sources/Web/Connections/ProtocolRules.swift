package import NIOCore
package import NIOHTTP1

/// Rules of HTTP that the server library leaves to others: which requests are malformed, and which connections end after
/// their response (RFC 9112, sections 3.2, 6.1 and 9.3).
package final class ProtocolRules: ChannelDuplexHandler {
  package typealias InboundIn = HTTPServerRequestPart
  package typealias InboundOut = HTTPServerRequestPart
  package typealias OutboundIn = HTTPServerResponsePart
  package typealias OutboundOut = HTTPServerResponsePart

  private enum Persistence { case implied, stated, none }

  private var persistence = Persistence.implied
  private var isRefused = false

  package init() {}

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isRefused else { return }
    if case .head(let head) = unwrapInboundIn(data) {
      guard isWellFormed(head) else { return refuse(context) }
      persistence = !head.isKeepAlive ? .none : isOld(head.version) ? .stated : .implied
    }
    context.fireChannelRead(data)
  }

  private func isWellFormed(_ head: HTTPRequestHead) -> Bool {
    let hosts = head.headers["host"].count
    guard isOld(head.version) else { return hosts == 1 }
    return hosts <= 1 && !head.headers.contains(name: "transfer-encoding")
  }

  private func isOld(_ version: HTTPVersion) -> Bool { version.major < 1 || version == .http1_0 }

  private func refuse(_ context: ChannelHandlerContext) {
    isRefused = true
    let head = HTTPResponseHead(
      version: .http1_1, status: .badRequest, headers: ["content-length": "0", "connection": "close"])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    context.close(promise: nil)
  }

  package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch (unwrapOutboundIn(data), persistence) {
    case (.head(var head), .none) where head.status.code >= 200:
      head.headers.replaceOrAdd(name: "connection", value: "close")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case (.head(var head), .stated) where head.status.code >= 200:
      head.headers.replaceOrAdd(name: "connection", value: "keep-alive")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case (.end, .none):
      let promise = promise ?? context.eventLoop.makePromise()
      promise.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
      context.write(data, promise: promise)
    default: context.write(data, promise: promise)
    }
  }
}

@available(*, unavailable)
extension ProtocolRules: Sendable {}
