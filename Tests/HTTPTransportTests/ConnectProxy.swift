import NIOCore
import NIOPosix
import Synchronization

/// An HTTP proxy on loopback that connects every `CONNECT` to one port of this machine.
final class ConnectProxy: Sendable {
  /// The hosts and ports that clients asked for.
  let targets = Mutex<[String]>([])
  private let port = Mutex(0)
  private let target: Int
  /// The value of `Proxy-Authorization` that clients must send; nil for none.
  private let authorization: String?

  var address: String { "127.0.0.1:\(port.withLock { $0 })" }

  private init(target: Int, authorization: String?) {
    self.target = target
    self.authorization = authorization
  }

  static func run(
    to target: Int, authorization: String? = nil, _ body: (ConnectProxy) async throws -> Void
  ) async throws {
    let proxy = ConnectProxy(target: target, authorization: authorization)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelOption(.autoRead, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Head(proxy: proxy)) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    proxy.port.withLock { $0 = listener.localAddress?.port ?? 0 }
    do {
      try await body(proxy)
      try await listener.close().get()
    } catch {
      try await listener.close().get()
      throw error
    }
  }

  /// Reads the head of a request, then passes all bytes on.
  private final class Head: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let proxy: ConnectProxy
    private var head = ""
    private var peer: (any Channel)?

    init(proxy: ConnectProxy) { self.proxy = proxy }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let bytes = unwrapInboundIn(data)
      if let peer { return peer.writeAndFlush(bytes, promise: nil) }
      head += String(buffer: bytes)
      guard head.hasSuffix("\r\n\r\n") else { return }
      let lines = head.split(separator: "\r\n")
      let words = lines.first?.split(separator: " ") ?? []
      proxy.targets.withLock { $0.append(words.count > 1 ? "\(words[0]) \(words[1])" : head) }
      if let authorization = proxy.authorization,
        !lines.contains(where: { $0.lowercased() == "proxy-authorization: \(authorization.lowercased())" })
      {
        return reply("407 Proxy Authentication Required\r\nContent-Length: 0", context)
      }
      let client = context.channel
      let context = NIOLoopBound(context, eventLoop: context.eventLoop)
      let handler = NIOLoopBound(self, eventLoop: client.eventLoop)
      ClientBootstrap(group: client.eventLoop)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Back(client: client))
          }
        }
        .connect(host: "localhost", port: proxy.target).whenComplete { result in
          guard case .success(let channel) = result else {
            return handler.value.reply("502 Bad Gateway\r\nContent-Length: 0", context.value)
          }
          handler.value.peer = channel
          handler.value.reply("200 Connected", context.value)
        }
    }

    func channelInactive(context: ChannelHandlerContext) { peer?.close(promise: nil) }

    private func reply(_ text: String, _ context: ChannelHandlerContext) {
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 \(text)\r\n\r\n")), promise: nil)
    }
  }

  private final class Back: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let client: any Channel

    init(client: any Channel) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
  }
}
