import AsyncHTTPClient
import CXone
import Hummingbird
import Logging
import Model
import Sandbox
import ServiceLifecycle

/// A simulated tenant of either contract with its media host, and a source that uses it.
enum SandboxSource {
  /// The day of the calls.
  static let day = Period(
    start: Instant(iso8601: "2026-03-02T00:00:00Z")!, end: Instant(iso8601: "2026-03-03T00:00:00Z")!)

  static func run(
    _ contract: SandboxContract, _ configure: (inout SandboxConfiguration) -> Void = { _ in },
    logger: Logger = .silent,
    _ body: @Sendable (SandboxTenant, any RecordingSource) async throws -> Void
  ) async throws {
    try await run(contract, nodes: 1, configure, logger: logger) { tenant, sources in
      try await body(tenant, sources[0])
    }
  }

  /// The same with a source for each of several nodes.
  static func run(
    _ contract: SandboxContract, nodes: Int, _ configure: (inout SandboxConfiguration) -> Void = { _ in },
    logger: Logger = .silent,
    _ body: @Sendable (SandboxTenant, [any RecordingSource]) async throws -> Void
  ) async throws {
    var configuration = SandboxConfiguration()
    configuration.contract = contract
    configuration.day = day.start
    configuration.callCount = 30
    configuration.spokenCalls = false
    configure(&configuration)
    let tenant = try SandboxTenant(configuration: configuration, logger: .silent)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let (mediaPorts, mediaPort) = AsyncStream<Int>.makeStream()
    let application = tenant.makeApplication { port.yield($0) }
    let host = tenant.makeMediaHost { mediaPort.yield($0) }
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    let result: Result<Void, any Error> = await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await application.run() }
      group.addTask { try? await host.run() }
      defer { group.cancelAll() }
      do {
        var own = ports.makeAsyncIterator()
        var media = mediaPorts.makeAsyncIterator()
        guard let number = await own.next(), await media.next() != nil else { throw CancellationError() }
        let settings = try settings(of: tenant.configuration, at: "http://127.0.0.1:\(number)")
        let sources = (0..<nodes).map { _ in
          makeRecordingSource(settings, client: client, system: .system, logger: logger)
        }
        try await body(tenant, sources)
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try await client.shutdown()
    try result.get()
  }

  private static func settings(
    of configuration: SandboxConfiguration, at address: String
  ) throws -> SourceSettings {
    var contract = CXone.SourceContract.recordingsV2
    if configuration.contract == .mediaPlayback {
      contract = .mediaPlayback(
        try MediaPlaybackAccess(
          accessKeyID: configuration.accessKeyID, accessKeySecret: configuration.accessKeySecret, issuerURL: address,
          areaURL: address, mediaHosts: ["127.0.0.1"], rate: MediaRate(requests: 100_000, seconds: 1)))
    }
    return try SourceSettings(
      baseURL: address, clientID: configuration.clientID, clientSecret: configuration.clientSecret, rate: 0,
      contract: contract)
  }
}
