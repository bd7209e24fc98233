import Access
import AsyncHTTPClient
import CXone
import Catalog
import Glibc
import HTTPTransport
import Logging
import Model
import Observability
import Pipeline
import ServiceLifecycle
import UnixSignals
import Web

/// One running node: its services, and what they share. `Compose.swift` creates it.
struct Node: Sendable {
  let settings: Settings
  let directory: DataDirectory
  let catalog: Catalog
  let web: WebServices
  let services: [any Service]
  let lock: DataDirectoryLock

  /// What a node does besides answering on the command socket.
  struct Tasks: Sendable {
    /// Whether it works on jobs and sends webhook messages.
    var works: Bool
    /// Whether it listens for browsers and API clients.
    var serves: Bool
    /// Whether it runs recurring tasks: sync, look-back, backfill, verification and removal.
    var runsRecurringTasks = false
    /// Called once when the node answers, with the port on which it listens for browsers.
    var onReady: @Sendable (Int?) async -> Void = { _ in }
  }

  /// Creates a node for the duration of `body`, and closes it afterwards even when `body` throws.
  static func with<T: Sendable>(
    settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tasks: Tasks,
    exporter: PrometheusExporter?, logger: Logger, _ body: (Node) async throws -> T
  ) async throws -> T {
    try await OutboundClient.with(.platform) { client in
      let node = try await Node(
        settings: settings, directory: directory, lock: lock, tasks: tasks, client: client, exporter: exporter,
        system: .system, logger: logger)
      let result: Result<T, any Error>
      do { result = .success(try await body(node)) } catch { result = .failure(error) }
      let closing = await node.close()
      // The error of the work is more important than an error of closing, which may follow from it.
      let value = try result.get()
      if let closing { throw closing }
      return value
    }
  }

  /// The group that runs the node's services until a signal stops it gracefully: waiting requests are answered, and
  /// leases are released.
  func serviceGroup(stoppedBy signals: [UnixSignal], logger: Logger) -> ServiceGroup {
    ServiceGroup(
      configuration: .init(
        services: services.map { .init(service: $0) }, gracefulShutdownSignals: signals, logger: logger.forServices))
  }

  /// Saves counts that are kept in memory, and closes the database. A failed step does not prevent the others.
  ///
  /// - Returns: the first error.
  private func close() async -> (any Error)? {
    var failure: (any Error)?
    func attempt(_ step: () async throws -> Void) async {
      do { try await step() } catch { failure = failure ?? error }
    }
    await attempt { try await web.log.flush() }
    await attempt { try await web.listening.flush(isFinal: true) }
    await attempt { try await web.authenticator.flush() }
    await attempt { try catalog.database.close() }
    await attempt { unlink(try directory.socket()) }
    return failure
  }
}

extension Logger {
  /// For service groups, which log every service with all of its fields below the level warning.
  var forServices: Logger {
    var quieter = self
    quieter.logLevel = max(logLevel, .warning)
    return quieter
  }
}
