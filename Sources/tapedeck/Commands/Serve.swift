import ArgumentParser
import Foundation
import Logging
import Metrics
import Model
import Observability
import UnixSignals

/// `tapedeck serve`: the server and its workers, in one process.
struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the server: pages, API, downloads, conversions, webhooks.",
    discussion: """
      Makes the data directory if there is none. Ends gracefully on SIGTERM and SIGINT.

      Several machines share PostgreSQL (TAPEDECK_DATABASE_URL) and S3 (TAPEDECK_STORAGE_URL): any number of
      'tapedeck serve' and 'tapedeck worker'.
      """)

  @OptionGroup var options: GlobalOptions

  @Option(help: "Host and port to listen on (TAPEDECK_LISTEN).")
  var listen: String?

  @Flag(name: .customLong("no-workers"), help: "Only pages and API: other nodes do the work ('tapedeck worker').")
  var noWorkers = false

  func run() async throws {
    let settings = try await options.settings(needsPlatform: true, flags: listen.map { [.listen: $0] } ?? [:])
    if noWorkers { try settings.deployment.requireShared(for: "serve --no-workers") }
    let directory = settings.directory
    guard !directory.isDemo else {
      throw TapedeckError(
        .configurationInvalid,
        "TAPEDECK_DATA_DIR is the folder of a demo, whose logins were printed on a screen. Choose another.")
    }
    try directory.make()
    let tasks = Node.Tasks(works: !noWorkers, serves: true, keepsDuties: !noWorkers) { port in
      let port = port ?? settings.listen.port
      Terminal.say("Tapedeck listens on http://\(Settings.Address(host: settings.listen.host, port: port).text)")
    }
    try await runNode(settings, directory: directory, tasks: tasks, logger: options.serverLogger(settings))
  }
}

/// `tapedeck worker`: a node without pages, beside others on the same database and object store.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker",
    abstract: "Run workers alone: downloads, conversions, webhooks, on PostgreSQL and S3 shared with other nodes.",
    discussion: """
      Needs TAPEDECK_DATABASE_URL, TAPEDECK_STORAGE_URL and a data directory of its own for what is on its way. Start as
      many as there are machines; each takes work when it has a place free, and takes over from one that dies.
      """)

  @OptionGroup var options: GlobalOptions

  func run() async throws {
    let settings = try await options.settings(needsPlatform: true)
    try settings.deployment.requireShared(for: "worker")
    try settings.directory.make()
    let logger = options.serverLogger(settings)
    let tasks = Node.Tasks(works: true, serves: false, keepsDuties: true) { _ in
      Terminal.say("The worker is ready for jobs.")
    }
    try await runNode(settings, directory: settings.directory, tasks: tasks, logger: logger)
  }
}

/// Runs a node until a signal ends it.
func runNode(
  _ settings: Settings, directory: DataDirectory, tasks: Node.Tasks, logger: Logger
) async throws {
  guard let lock = try directory.tryLock() else {
    throw TapedeckError(
      .dataDirectoryInUse,
      "Another process is using the data directory \(directory.path). Stop it, or set another TAPEDECK_DATA_DIR.")
  }
  let exporter = PrometheusExporter()
  MetricsSystem.bootstrap(exporter)
  do {
    try await Node.with(
      settings: settings, directory: directory, lock: lock, tasks: tasks, exporter: exporter, logger: logger
    ) { node in
      try await node.run(on: [.sigterm, .sigint], logger: logger)
    }
  } catch let error as TapedeckError {
    throw error
  } catch is CancellationError {
    throw TapedeckError(.interrupted)
  } catch {
    throw TapedeckError(.internalError, detail: "the node ended: \(error)", cause: error)
  }
}

/// `tapedeck init`: an empty data directory, for those who want accounts before the first start.
struct Initialize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "init", abstract: "Make an empty data directory.")

  @OptionGroup var options: GlobalOptions

  func run() async throws {
    let settings = try await options.settings(needsPlatform: false)
    try settings.directory.make()
    if !options.quiet { Terminal.say("The data directory is \(settings.dataDirectory).") }
  }
}
