import CXone
import Catalog
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import Model
import NIOCore
import Pipeline
import ServiceLifecycle
import Web

extension Node {
  /// The server for browsers and API clients.
  static func server(
    _ web: WebServices, settings: Settings, onListening: @escaping @Sendable (Int?) async -> Void, logger: Logger
  ) throws -> some Service {
    let total = Descriptors.connections(settings)
    var limits = ConnectionLimits(total: total, perAddress: min(settings.connectionsPerAddress, max(4, total * 3 / 4)))
    limits.write = .milliseconds(settings.clientStall.milliseconds)
    let application = Application(
      router: try makeWebRouter(web, listener: .network), server: .limited(limits, proxies: settings.proxies),
      configuration: .init(
        address: .hostname(settings.listen.host, port: settings.listen.port), serverName: "tapedeck", backlog: 4096,
        // Closing a connection takes a moment, in which no more than a few others are accepted.
        availableConnectionsDelegate: MaximumAvailableConnections(total + min(64, max(4, total / 8)))),
      onServerRunning: { channel in await onListening(channel.localAddress?.port ?? settings.listen.port) },
      logger: logger)
    return BoundServer(address: settings.listen, setting: .listen, server: application)
  }

  /// The server for metrics and health checks, without sign-in.
  static func metricsServer(_ web: WebServices, on address: Settings.Address, logger: Logger) throws -> some Service {
    let application = Application(
      router: try makeMetricsRouter(web),
      server: .limited(ConnectionLimits(total: 16, perAddress: 16), proxies: .none),
      configuration: .init(
        address: .hostname(address.host, port: address.port),
        availableConnectionsDelegate: MaximumAvailableConnections(20)), logger: logger)
    return BoundServer(address: address, setting: .metricsListen, server: application)
  }

  /// The server on the command socket.
  static func socketServer(
    _ web: WebServices, sources: [any RecordingSource], coverage: CoverageRoutes, verifier: Verifier,
    directory: DataDirectory, logger: Logger, onListening: @escaping @Sendable () async -> Void
  ) throws -> some Service {
    let path = try directory.socket()
    // A killed process may have left its socket. This process holds the lock, so the socket is not in use.
    guard unlink(path) == 0 || errno == ENOENT else {
      throw TapedeckError(
        .configurationInvalid,
        "The command socket 'tapedeck.sock' cannot be created in the data directory, because another file or folder has this name. Move it away.",
        detail: "\(path): errno \(errno)")
    }
    let router = try makeWebRouter(
      web, listener: .socket,
      commands: OperatorRoutes(catalog: web.catalog, sources: sources).routes + coverage.routes
        + VerifyRoutes(catalog: web.catalog, verifier: verifier).routes)
    return Application(
      router: router, configuration: .init(address: .unixDomainSocket(path: path)),
      onServerRunning: { _ in
        chmod(path, 0o600)
        await onListening()
      }, logger: logger)
  }
}

/// A server that reports a failure to listen together with the setting that names the address.
private struct BoundServer<Server: Service>: Service {
  let address: Settings.Address
  let setting: Setting
  let server: Server

  func run() async throws {
    do { try await server.run() } catch {
      // Errors of single connections have other types and do not end the server.
      guard error is IOError || error is SocketAddressError else { throw error }
      throw TapedeckError.cannotListen(on: address, setting, error)
    }
  }
}

extension TapedeckError {
  /// The failure to listen on the address in a setting.
  static func cannotListen(on address: Settings.Address, _ setting: Setting, _ error: any Error) -> TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "The server cannot listen on \(address.text) (\(setting.variable())). Check that the port is not taken.",
      detail: "\(error)", cause: error)
  }
}
