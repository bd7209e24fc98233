package import NIOCore
package import NIOHTTP1

/// Closes a connection whose client sends a body too slowly or does not read its response, and keeps `OpenConnections`
/// up to date.
package final class ConnectionHandler: ChannelDuplexHandler {
  package typealias InboundIn = HTTPServerRequestPart
  package typealias InboundOut = HTTPServerRequestPart
  package typealias OutboundIn = HTTPServerResponsePart
  package typealias OutboundOut = HTTPServerResponsePart

  /// An outbound event whose promise succeeds when the operating system has taken everything written so far.
  package struct Sent: Sendable {
    package init() {}
  }

  /// An outbound event whose promise succeeds when the client closes its side of the connection, and at the end of the
  /// response.
  package struct Left: Sendable {
    package init() {}
  }

  /// An outbound event whose promise succeeds when a response has left this machine: the operating system holds nothing
  /// of it that was not sent yet.
  package struct Delivered: Sendable {
    /// Whether it is about the next response, and not about the last one that was written.
    private let isNext: Bool

    package init(ofNext isNext: Bool = false) { self.isNext = isNext }

    fileprivate func number(after written: Int) -> Int { isNext ? written + 1 : written }
  }

  /// How often the operating system is asked whether it has sent the end of a response.
  private static let deliveryInterval = TimeAmount.milliseconds(50)

  private let connections: OpenConnections
  private let limits: ConnectionLimits
  /// Requests that have begun, less the responses that were sent.
  private var unanswered = 0
  private var hasLeft = false
  private var hasBegunResponse = false
  private var bodyDeadline: Scheduled<Void>?
  private var unsent = 0
  private var lastProgress = NIODeadline.now()
  private var writeDeadline: Scheduled<Void>?
  private var writeLimit: TimeAmount
  private var waitingForSent: [EventLoopPromise<Void>] = []
  private var waitingForLeft: [EventLoopPromise<Void>] = []
  /// Responses that were written completely, and of these the ones that the operating system has taken.
  private var writtenResponses = 0
  private var takenResponses = 0
  /// Promises with the number of the response that each is about.
  private var waitingForDelivery: [(response: Int, promise: EventLoopPromise<Void>)] = []
  private var deliveryCheck: Scheduled<Void>?
  /// What was not delivered at the last check, and since when it has not changed.
  private var undelivered = (bytes: 0, since: NIODeadline.now())

  package init(connections: OpenConnections, limits: ConnectionLimits) {
    self.connections = connections
    self.limits = limits
    writeLimit = limits.write
  }

  package func channelActive(context: ChannelHandlerContext) {
    connections.add(context.channel)
    context.fireChannelActive()
  }

  package func channelInactive(context: ChannelHandlerContext) {
    end(context)
    context.fireChannelInactive()
  }

  package func handlerRemoved(context: ChannelHandlerContext) { end(context) }

  private func end(_ context: ChannelHandlerContext) {
    connections.remove(context.channel)
    bodyDeadline?.cancel()
    writeDeadline?.cancel()
    (bodyDeadline, writeDeadline) = (nil, nil)
    for promise in waitingForSent { promise.fail(ChannelError.ioOnClosedChannel) }
    waitingForSent = []
    deliveryCheck?.cancel()
    deliveryCheck = nil
    for waiting in waitingForDelivery { waiting.promise.fail(ChannelError.ioOnClosedChannel) }
    waitingForDelivery = []
    leave()
  }

  /// Notifies the handlers that wait for the client that it has closed its side.
  private func leave() {
    hasLeft = true
    succeedLeft()
  }

  private func succeedLeft() {
    for promise in waitingForLeft { promise.succeed() }
    waitingForLeft = []
  }

  // MARK: Requests

  package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      // A client that reads asks for more only when it has the last response.
      checkDelivery(context)
      if unanswered == 0 { hasBegunResponse = false }
      unanswered += 1
      if head.headers.contains(name: "content-length") || head.headers.contains(name: "transfer-encoding") {
        connections.receive(context.channel)
        bodyDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: limits.body) {
          self.bodyDeadline = nil
          self.refuse(context)
        }
      }
    case .body: break
    case .end:
      if bodyDeadline != nil { connections.endReceiving(context.channel) }
      bodyDeadline?.cancel()
      bodyDeadline = nil
      if unanswered > 0 { connections.answer(context.channel) }
    }
    context.fireChannelRead(data)
  }

  /// Answers a body that took too long, and closes the connection.
  private func refuse(_ context: ChannelHandlerContext) {
    if !hasBegunResponse {
      let head = HTTPResponseHead(
        version: .http1_1, status: .requestTimeout, headers: ["content-length": "0", "connection": "close"])
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
    context.close(promise: nil)
  }

  // MARK: Responses

  package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    hasBegunResponse = true
    var isEnd = false
    switch unwrapOutboundIn(data) {
    // What follows a head shows whether the client reads.
    case .head: return context.write(data, promise: promise)
    case .body: break
    case .end:
      isEnd = true
      writtenResponses += 1
    }
    if unsent == 0 { lastProgress = context.eventLoop.now }
    unsent += 1
    let promise = promise ?? context.eventLoop.makePromise()
    promise.futureResult.assumeIsolated().whenComplete { _ in self.sent(isEnd: isEnd, context) }
    if writeDeadline == nil { awaitProgress(context, until: lastProgress + writeLimit) }
    context.write(data, promise: promise)
  }

  private func sent(isEnd: Bool, _ context: ChannelHandlerContext) {
    unsent -= 1
    lastProgress = context.eventLoop.now
    if isEnd { takenResponses += 1 }
    if isEnd, unanswered > 0 {
      unanswered -= 1
      if unanswered == 0 { connections.wait(context.channel) }
      succeedLeft()
    }
    guard unsent == 0 else { return }
    // The deadline stays scheduled for later writes, as most responses are sent at once.
    for promise in waitingForSent { promise.succeed() }
    waitingForSent = []
    checkDelivery(context)
  }

  /// Notifies those that wait for the delivery of a response when the operating system has sent everything. Otherwise,
  /// it is asked again a moment later, until nothing was sent for as long as a client may leave a response unread.
  private func checkDelivery(_ context: ChannelHandlerContext) {
    guard waitingForDelivery.contains(where: { $0.response <= takenResponses }) else { return }
    let now = context.eventLoop.now
    let bytes = context.channel.bytesToBeSent
    if bytes == 0 {
      deliveryCheck?.cancel()
      deliveryCheck = nil
      let delivered = waitingForDelivery.filter { $0.response <= takenResponses }
      waitingForDelivery.removeAll { $0.response <= takenResponses }
      for waiting in delivered { waiting.promise.succeed() }
      return
    }
    if deliveryCheck == nil || bytes != undelivered.bytes { undelivered = (bytes, now) }
    guard undelivered.since + writeLimit > now else { return context.channel.abort() }
    deliveryCheck?.cancel()
    deliveryCheck = context.eventLoop.assumeIsolated().scheduleTask(in: Self.deliveryInterval) {
      self.checkDelivery(context)
    }
  }

  private func awaitProgress(_ context: ChannelHandlerContext, until deadline: NIODeadline) {
    writeDeadline = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
      self.writeDeadline = nil
      guard self.unsent > 0 else { return }
      if self.lastProgress + self.writeLimit <= context.eventLoop.now {
        context.channel.abort()
      } else {
        self.awaitProgress(context, until: self.lastProgress + self.writeLimit)
      }
    }
  }

  package func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
    guard let promise, event is Sent || event is Left || event is Delivered else {
      return context.triggerUserOutboundEvent(event, promise: promise)
    }
    if let event = event as? Delivered {
      guard context.channel.isActive else { return promise.fail(ChannelError.ioOnClosedChannel) }
      waitingForDelivery.append((event.number(after: writtenResponses), promise))
      checkDelivery(context)
    } else if event is Left {
      if hasLeft { promise.succeed() } else { waitingForLeft.append(promise) }
    } else if !context.channel.isActive {
      promise.fail(ChannelError.ioOnClosedChannel)
    } else if unsent == 0 {
      promise.succeed()
    } else {
      waitingForSent.append(promise)
    }
  }

  package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .inputClosed? = event as? ChannelEvent { leave() }
    if event is ChannelShouldQuiesceEvent {
      // A server that stops does not wait a minute for a client that does not read.
      writeLimit = min(writeLimit, .seconds(5))
      if writeDeadline != nil {
        writeDeadline?.cancel()
        awaitProgress(context, until: lastProgress + writeLimit)
      }
    }
    context.fireUserInboundEventTriggered(event)
  }
}

@available(*, unavailable)
extension ConnectionHandler: Sendable {}
