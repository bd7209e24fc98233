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
    discussion: "Makes the data directory if there is none. Ends gracefully on SIGTERM and SIGINT.")

  @OptionGroup var options: GlobalOptions

  @Option(help: "Host and port to listen on (TAPEDECK_LISTEN).")
  var listen: String?

  func run() async throws {
    let settings = try await options.settings(needsPlatform: true, flags: listen.map { [.listen: $0] } ?? [:])
    let directory = settings.directory
    guard !directory.isDemo else {
      throw TapedeckError(
        .configurationInvalid,
        "TAPEDECK_DATA_DIR is the folder of a demo, whose logins were printed on a screen. Choose another.")
    }
    try directory.make()
    try await runServer(settings, directory: directory, logger: options.serverLogger(settings)) { port in
      Terminal.say("Tapedeck listens on http://\(Settings.Address(host: settings.listen.host, port: port).text)")
    }
  }
}

/// Runs a node that serves and works until a signal ends it.
func runServer(
  _ settings: Settings, directory: DataDirectory, logger: Logger,
  onListening: @escaping @Sendable (Int) async -> Void
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
      settings: settings, directory: directory, lock: lock,
      tasks: .init(works: true, serves: true, onListening: onListening), exporter: exporter, logger: logger
    ) { node in
      try await node.run(on: [.sigterm, .sigint], logger: logger)
    }
  } catch let error as TapedeckError {
    throw error
  } catch {
    throw TapedeckError(
      .configurationInvalid,
      "The server cannot listen on \(settings.listen.text) (TAPEDECK_LISTEN). Is the port taken?", detail: "\(error)",
      cause: error)
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
