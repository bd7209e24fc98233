import ArgumentParser
import Foundation
import Logging
import Model
import Observability
import SystemPackage

/// What every command takes.
struct GlobalOptions: ParsableArguments, Sendable {
  @Option(help: "The configuration file. Default: tapedeck.yaml in this folder, if there is one.")
  var config: String?

  @Option(name: .customLong("data-dir"), help: "The data directory (TAPEDECK_DATA_DIR).")
  var dataDirectory: String?

  @Flag(name: .shortAndLong, help: "Say more about what is going on.")
  var verbose = false

  @Flag(name: .shortAndLong, help: "Say nothing but results and errors.")
  var quiet = false

  func settings(needsPlatform: Bool, flags: [Setting: String] = [:]) async throws(TapedeckError) -> Settings {
    var flags = flags
    if let dataDirectory { flags[.dataDirectory] = dataDirectory }
    let folder = FileManager.default.currentDirectoryPath
    let reader = try await SettingsReader(
      flags: flags, file: config, environment: ProcessInfo.processInfo.environment, folder: folder)
    let settings = try Settings(reader, needsPlatform: needsPlatform, folder: folder)
    for secret in settings.secrets { Redactor.shared.add(secret) }
    return settings
  }

  /// The log of a command: warnings as text, since a person is looking.
  func commandLogger(_ settings: Settings) -> Logger {
    makeLogger(level: verbose ? .debug : quiet ? .error : .warning, format: .text)
  }

  /// The log of a server.
  func serverLogger(_ settings: Settings) -> Logger {
    makeLogger(level: verbose ? .debug : settings.logLevel, format: settings.logFormat)
  }

  private func makeLogger(level: Logger.Level, format: Settings.LogFormat) -> Logger {
    var logger = Logger(label: "tapedeck") { label in
      switch format {
      case .json: JSONLogHandler(label: label)
      case .text: TextLogHandler(label: label)
      }
    }
    logger.logLevel = level
    return logger
  }
}

extension Settings {
  var directory: DataDirectory { DataDirectory(path: FilePath(dataDirectory)) }
}
