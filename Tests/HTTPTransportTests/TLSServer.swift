import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// A server on loopback with a certificate for `localhost` that no authority has signed. It answers every request with
/// 200.
struct TLSServer {
  /// In PEM.
  static let certificate = """
    -----BEGIN CERTIFICATE-----
    MIIBlTCCATugAwIBAgIUbcoLFLM9DlD3roJMbnw1NixAMBAwCgYIKoZIzj0EAwIw
    FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTAyMDIzMVoYDzIxMjYxMTA1
    MDIwMjMxWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
    PQMBBwNCAATep0aQ4tgYd9TD+/NfHeEBx8n5pHpf6tkv6tikCPqF2zbEq44Aa+PZ
    BpZQ/VYu8JoYJo3dfL9oJSdZhMxGr0NGo2kwZzAdBgNVHQ4EFgQUyXGRpcmVscND
    pPd0VxEycgeTAT4wHwYDVR0jBBgwFoAUyXGRpcmVscNDpPd0VxEycgeTAT4wDwYD
    VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
    SAAwRQIgZyNXgM7traX1JklxknmpCSckviHzS26nxSXGHtSwhGoCIQCTxjjfQvX+
    PKf6AklwL/gSkjKZn9UWQ7mzECpIZivqiw==
    -----END CERTIFICATE-----
    """
  private static let key = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmRO/+sA4oj4jLRn5
    s8tRMpxk99x4xfjsn6tM4Zi1X9ehRANCAATep0aQ4tgYd9TD+/NfHeEBx8n5pHpf
    6tkv6tikCPqF2zbEq44Aa+PZBpZQ/VYu8JoYJo3dfL9oJSdZhMxGr0NG
    -----END PRIVATE KEY-----
    """

  let port: Int

  static func run(_ body: (TLSServer) async throws -> Void) async throws {
    let certificates = try NIOSSLCertificate.fromPEMBytes(Array(certificate.utf8))
    let context = try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: certificates.map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))))
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Responder())
        }
      }
      .bind(host: "localhost", port: 0).get()
    do {
      try await body(TLSServer(port: listener.localAddress?.port ?? 0))
      try await listener.close().get()
    } catch {
      try await listener.close().get()
      throw error
    }
  }

  private final class Responder: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      guard case .end = unwrapInboundIn(data) else { return }
      let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Content-Length": "0"])
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }
}
