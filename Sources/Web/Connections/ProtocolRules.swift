package import NIOCore
package import NIOHTTP1

/// Rules of HTTP that the server library leaves to others: which requests are malformed, which connections end after
/// their response, and how many requests may be pipelined (RFC 9110, sections 7.2, 7.8 and 10.1.1; RFC 9112, sections
/// 3.2, 6.1, 9.3 and 9.3.2).
package final class ProtocolRules: ChannelDuplexHandler {
  package typealias InboundIn = HTTPServerRequestPart
  package typealias InboundOut = HTTPServerRequestPart
  package typealias OutboundIn = HTTPServerResponsePart
  package typealias OutboundOut = HTTPServerResponsePart

  private enum Persistence { case implied, stated, none }

  private struct Pending {
    var persistence: Persistence
    /// Whether a response without a length must not have chunks: to a client of HTTP/1.0, for which the end of the
    /// connection ends the body, and to HEAD, after which the encoder would write the end of the chunks.
    var refusesChunks: Bool
    /// Whether the client waits for an interim response before it sends the body.
    var awaitsContinue = false
  }

  /// How many requests may wait for their responses. Each takes memory before it is read.
  private static let maximumAhead = 16
  /// Longer bodies are refused, so a client that asks first need not send one.
  private static let longestBody = 64 << 10

  /// Of the requests that have no complete response, the oldest first.
  private var pending: [Pending] = []
  /// Whether the body of the latest request is still arriving.
  private var isReceiving = false
  /// Whether all further requests are dropped, since the connection ends after the pending responses.
  private var isLast = false

  package init() {}

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      guard !isLast else { return }
      guard isWellFormed(head) else { return refuse(context, .badRequest) }
      isReceiving = true
      let ends = !head.isKeepAlive || head.method == .CONNECT || head.headers.contains(name: "upgrade")
      let isOld = self.isOld(head.version)
      pending.append(
        Pending(persistence: ends ? .none : isOld ? .stated : .implied, refusesChunks: isOld || head.method == .HEAD))
      if pending.count == Self.maximumAhead { pending[pending.count - 1].persistence = .none }
      // What follows such a request is not read as HTTP (upgrade), or is not to be sent (close).
      isLast = pending.last?.persistence == Persistence.none
      if !isOld, head.headers["expect"].contains(where: isContinue) {
        let isShort = (Int(head.headers["content-length"].first ?? "0") ?? 0) <= Self.longestBody
        guard isShort || pending.count > 1 else {
          pending = []
          return refuse(context, .payloadTooLarge)
        }
        pending[pending.count - 1].awaitsContinue = isShort
        continueFirst(context)
      }
    case .body:
      guard isReceiving else { return }
      // The client does not wait.
      if !pending.isEmpty { pending[pending.count - 1].awaitsContinue = false }
    case .end:
      guard isReceiving else { return }
      isReceiving = false
      if !pending.isEmpty { pending[pending.count - 1].awaitsContinue = false }
    }
    context.fireChannelRead(data)
  }

  /// Asks for the body of a request whose turn it is: an interim response must not come before earlier responses.
  private func continueFirst(_ context: ChannelHandlerContext) {
    guard pending.first?.awaitsContinue == true else { return }
    pending[0].awaitsContinue = false
    let interim = HTTPResponseHead(version: .http1_1, status: .continue)
    context.writeAndFlush(wrapOutboundOut(.head(interim)), promise: nil)
  }

  private func isContinue(_ value: String) -> Bool { value.lowercased() == "100-continue" }

  private func isWellFormed(_ head: HTTPRequestHead) -> Bool {
    let hosts = head.headers["host"]
    guard hosts.allSatisfy({ $0.utf8.allSatisfy(isHostByte) }) else { return false }
    guard isOld(head.version) else { return hosts.count == 1 }
    return hosts.count <= 1 && !head.headers.contains(name: "transfer-encoding")
  }

  /// A byte of `uri-host [":" port]` (RFC 3986, section 3.2).
  private func isHostByte(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && !"\"#,/<>?@\\^`{|}".utf8.contains(byte)
  }

  /// Whether a response, which must not have chunks, has a body whose length is not known.
  private func isEndedByConnection(_ head: HTTPResponseHead) -> Bool {
    head.status.code >= 200 && head.status.mayHaveResponseBody && !head.headers.contains(name: "content-length")
  }

  private func isOld(_ version: HTTPVersion) -> Bool { version.major < 1 || version == .http1_0 }

  /// Refuses a request and ends the connection, after the responses to the requests before it.
  private func refuse(_ context: ChannelHandlerContext, _ status: HTTPResponseStatus) {
    isLast = true
    isReceiving = false
    guard pending.isEmpty else {
      pending[pending.count - 1].persistence = .none
      return
    }
    let head = HTTPResponseHead(
      version: .http1_1, status: status, headers: ["content-length": "0", "connection": "close"])
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
  }

  package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    // The request was answered before its body was found to be malformed.
    if pending.isEmpty, isReceiving {
      promise?.succeed()
      if case .end = unwrapOutboundIn(data) { context.close(promise: nil) }
      return
    }
    var part = unwrapOutboundIn(data)
    if case .head(var head) = part, pending.first?.refusesChunks == true, isEndedByConnection(head) {
      pending[0].persistence = .none
      isLast = true
      // For this version, the encoder writes no chunks.
      head.version = .http1_0
      part = .head(head)
    }
    switch (part, pending.first?.persistence ?? .implied) {
    case (.head(var head), .none) where head.status.code >= 200:
      head.headers.replaceOrAdd(name: "connection", value: "close")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case (.head(var head), .stated) where head.status.code >= 200:
      head.headers.replaceOrAdd(name: "connection", value: "keep-alive")
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case (.end, let persistence):
      if !pending.isEmpty { pending.removeFirst() }
      guard persistence == .none else {
        context.write(data, promise: promise)
        return continueFirst(context)
      }
      let promise = promise ?? context.eventLoop.makePromise()
      promise.futureResult.assumeIsolated().whenComplete { _ in
        // A connection that is closed before the response has left could not be cut off any more.
        let delivered = context.channel.triggerUserOutboundEvent(ConnectionHandler.Delivered())
        delivered.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
      }
      context.write(data, promise: promise)
    default: context.write(data, promise: promise)
    }
  }
}

@available(*, unavailable)
extension ProtocolRules: Sendable {}
