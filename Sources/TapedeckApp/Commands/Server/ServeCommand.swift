import ArgumentParser
import CProcess
import Foundation
import Glibc
import Logging
import Metrics
import Model
import Observability
import ServiceLifecycle
import UnixSignals

/// `tapedeck serve`: the server and its workers in one process.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Run the server: pages, API, downloads, conversions, webhooks.",
    discussion: """
      Creates the data directory when it does not exist. Stops gracefully on SIGTERM
      and SIGINT.

      Several machines can share PostgreSQL (TAPEDECK_DATABASE_URL) and S3
      (TAPEDECK_STORAGE_URL): run any number of 'tapedeck serve' and
      'tapedeck worker'.
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions

  @Option(help: ArgumentHelp("Host and port to listen on (TAPEDECK_LISTEN).", valueName: "host:port"))
  var listen: String?

  @Flag(name: .customLong("no-workers"), help: "Serve pages and API only; nodes with workers do the rest.")
  var noWorkers = false

  func run() async throws {
    let settings = try await options.settings(needsPlatform: true, flags: listen.map { [.listen: $0] } ?? [:])
    if noWorkers { try settings.deployment.requireShared(for: "serve --no-workers") }
    try settings.requireStartable()
    try settings.directory.make()
    let tasks = Node.Tasks(works: !noWorkers, serves: true, runsRecurringTasks: !noWorkers) { port in
      let port = port ?? settings.listen.port
      Terminal.say("Tapedeck listens on http://\(Settings.Address(host: settings.listen.host, port: port).text)")
    }
    try await runNode(settings, tasks: tasks, logger: options.serverLogger(settings))
  }
}

/// `tapedeck worker`: a node without pages, which shares a database and an object store with other nodes.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Run workers only, on PostgreSQL and S3 shared with other nodes.",
    discussion: """
      Downloads and converts recordings, sends webhook messages and shares recurring
      tasks with the other nodes. Requires TAPEDECK_DATABASE_URL, TAPEDECK_STORAGE_URL
      and a data directory of its own for recordings in progress. Start one per
      machine; each takes jobs while it has capacity, and takes over the jobs of a
      worker that stops responding.
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions

  func run() async throws {
    let settings = try await options.settings(needsPlatform: true)
    try settings.deployment.requireShared(for: "worker")
    try settings.requireStartable()
    try settings.directory.make()
    let tasks = Node.Tasks(works: true, serves: false, runsRecurringTasks: true) { _ in
      Terminal.say("The worker is ready for jobs.")
    }
    try await runNode(settings, tasks: tasks, logger: options.serverLogger(settings))
  }
}

/// Runs a node until a signal stops it.
private func runNode(_ settings: Settings, tasks: Node.Tasks, logger: Logger) async throws {
  // A closed terminal or a script that expects another program must not stop a server in the middle of its work.
  for number in [SIGHUP, SIGUSR1, SIGUSR2] { signal(number, SIG_IGN) }
  // The memory holds secrets and recordings.
  if !settings.allowsMemoryDumps { _ = forbid_memory_dumps() }
  let directory = settings.directory
  guard let lock = try directory.tryLock() else {
    throw TapedeckError(
      .dataDirectoryInUse,
      "Another process is using the data directory \(directory.path). Stop it, or set another TAPEDECK_DATA_DIR.")
  }
  for warning in settings.warnings { logger.warning("\(warning)") }
  if let notice = Descriptors.fileSizeNotice { logger.warning("\(notice).") }
  if let warning = directory.permissionWarning { logger.warning("\(warning)") }
  let exporter = PrometheusExporter()
  MetricsSystem.bootstrap(exporter)
  do {
    try await Node.with(
      settings: settings, directory: directory, lock: lock, tasks: tasks, exporter: exporter, logger: logger
    ) { node in
      try await node.serviceGroup(stoppedBy: [.sigterm, .sigint], logger: logger).run()
    }
  } catch let error as TapedeckError {
    throw error
  } catch is CancellationError {
    throw TapedeckError(.interrupted)
  } catch {
    throw TapedeckError(.internalError, detail: "the node ended: \(error)", cause: error)
  }
}
