import AsyncHTTPClient
import Logging
import Model
import NIOCore
import ServiceLifecycle
import UnixSignals

/// What a command needs of the platform's settings.
enum PlatformUse: Sendable {
  case unused, required
  /// Used when any of them is set.
  case usedIfSet
}

/// Runs a command against the process that owns the data directory: the running server, or else a node inside this
/// process for as long as the command takes. Either way the code path, the access rules and the log are the same.
///
/// - Parameters:
///   - platform: whether a node in this process needs the platform's settings; a running server has its own.
///   - works: whether a node in this process also works on the jobs that the command creates.
func withOperator<T: Sendable>(
  _ options: GlobalOptions, platform: PlatformUse, works: Bool = false,
  _ body: @escaping @Sendable (OperatorClient) async throws -> T
) async throws -> T {
  let settings = try await options.settings(needsPlatform: false)
  let directory = settings.directory
  guard directory.exists else { throw settings.missingDirectory }
  let logger = options.commandLogger(settings)
  return try await HTTPClient.withHTTPClient(configuration: .init(redirectConfiguration: .disallow)) { client in
    var connection = OperatorClient(client: client, socket: try directory.socket())
    guard let lock = try await directory.lock(orListenerAt: connection.socket) else {
      try await waitUntilAnswering(connection)
      return try await body(connection)
    }
    // An empty folder becomes the same as one that 'init' or 'serve' creates.
    try directory.make()
    // If any setting of the platform is present, all of them must be complete and valid.
    connection.hasPlatform = settings.hasPlatform
    let needsPlatform = platform == .required || platform == .usedIfSet && settings.hasPlatform
    let nodeSettings = needsPlatform ? try await options.settings(needsPlatform: true) : settings
    return try await Node.with(
      settings: nodeSettings, directory: directory, lock: lock,
      tasks: .init(works: works && (needsPlatform || platform != .usedIfSet), serves: false), exporter: nil,
      logger: logger
    ) { [connection] node in try await run(node, connection, isQuiet: options.quiet, logger: logger, body) }
  }
}

/// Runs a command that needs the platform's settings, or does not.
func withOperator<T: Sendable>(
  _ options: GlobalOptions, needsPlatform: Bool = false, works: Bool = false,
  _ body: @escaping @Sendable (OperatorClient) async throws -> T
) async throws -> T {
  try await withOperator(options, platform: needsPlatform ? .required : .unused, works: works, body)
}

private func run<T: Sendable>(
  _ node: Node, _ connection: OperatorClient, isQuiet: Bool, logger: Logger,
  _ body: @escaping @Sendable (OperatorClient) async throws -> T
) async throws -> T {
  let group = node.serviceGroup(stoppedBy: [], logger: logger)
  let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
  async let ended: Void = group.run()
  let stopping = Task {
    for await _ in signals {
      // Printed at once, because releasing leases and ending requests may take seconds.
      if !isQuiet { Terminal.say("Stopping…") }
      await group.triggerGracefulShutdown()
      break
    }
  }
  defer { stopping.cancel() }
  let outcome: Result<T, any Error>
  do {
    try await waitUntilAnswering(connection)
    outcome = .success(try await body(connection))
  } catch let error as TapedeckError where error.code == .serverUnreachable {
    // The node runs in this process, so it is unreachable only after a signal has stopped it.
    outcome = .failure(TapedeckError(.interrupted))
  } catch { outcome = .failure(error) }
  await group.triggerGracefulShutdown()
  try await ended
  return try outcome.get()
}

/// Waits until a node answers on its socket. One of this process has just started; another one that does not answer for
/// ten seconds is stopped or overloaded.
private func waitUntilAnswering(_ connection: OperatorClient) async throws {
  let start = ContinuousClock.now
  while true {
    do {
      _ = try await connection.get("/livez", within: .seconds(10))
      return
    } catch let error as TapedeckError where error.code == .serverUnreachable && start.duration(to: .now) < .seconds(10)
    {
      try await Task.sleep(for: .milliseconds(20))
    }
  }
}
