import ArgumentParser
import Foundation
import Logging
import Model
import Observability
import SystemPackage

/// The options of every command that uses settings.
struct GlobalOptions: ParsableArguments, Sendable {
  @OptionGroup(title: "General options") var files: SettingsOptions
  @OptionGroup(title: "General options") var output: OutputOptions

  var quiet: Bool { output.quiet }
  var verbose: Bool { output.verbose }

  func settings(needsPlatform: Bool, flags: [Setting: String] = [:]) async throws(TapedeckError) -> Settings {
    let reader = try await reader(flags: flags)
    let folder = FileManager.default.currentDirectoryPath
    let settings = try Settings(reader, needsPlatform: needsPlatform, folder: folder)
    for secret in settings.secrets { Redactor.shared.add(secret) }
    return settings
  }

  /// The settings as they are written, before they are checked.
  func reader(flags: [Setting: String] = [:]) async throws(TapedeckError) -> SettingsReader {
    var flags = flags
    if let dataDirectory = files.dataDirectory { flags[.dataDirectory] = dataDirectory }
    return try await SettingsReader(
      flags: flags, file: files.config, environment: ProcessInfo.processInfo.environment,
      folder: FileManager.default.currentDirectoryPath)
  }

  /// The log of a command: warnings as text, for a person at a terminal.
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
      case .text: TextLogHandler(label: label, sink: Terminal.write)
      }
    }
    logger.logLevel = level
    return logger
  }
}

/// Where a command finds its settings.
struct SettingsOptions: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("Configuration file. Default: tapedeck.yaml in the current folder.", valueName: "file"))
  var config: String?

  @Option(
    name: .customLong("data-dir"),
    help: ArgumentHelp("Data directory (TAPEDECK_DATA_DIR).", valueName: "folder"))
  var dataDirectory: String?

  var isEmpty: Bool { config == nil && dataDirectory == nil }
}

/// How much a command writes.
struct OutputOptions: ParsableArguments, Sendable {
  @Flag(name: .shortAndLong, help: "Show more detail.")
  var verbose = false

  @Flag(name: .shortAndLong, help: "Show only results and errors.")
  var quiet = false
}

/// The option that selects one configured source.
struct SourceOption: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("Name of a configured source.", valueName: "name"))
  var source = SourceID.default.rawValue

  func validate() throws { try checkSource(source) }

  func key(_ id: String) throws(TapedeckError) -> RecordingKey { try recordingKey(id, source: source) }
}

/// The key of a recording, from a command's arguments.
///
/// - Throws: `usage` or `invalidRecordingID`.
func recordingKey(_ id: String, source: String) throws(TapedeckError) -> RecordingKey {
  guard let source = SourceID(source) else { throw TapedeckError(.usage, sourceNameRule) }
  guard let id = RecordingID(id) else { throw TapedeckError(.invalidRecordingID) }
  return RecordingKey(source: source, id: id)
}

extension ArgumentHelp {
  static let json: ArgumentHelp = "Print the server's answer as JSON."
  static let jsonLines: ArgumentHelp = "Print one JSON object per line."
}
