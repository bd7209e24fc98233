import ArgumentParser
import CXone
import Foundation
import HTTPTransport
import Model

/// `tapedeck init`: from nothing to a first recording and an account that can play it.
struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Set up: test the platform, write the settings, archive a call, create an account.",
    discussion: """
      Asks for what is needed on a terminal; otherwise takes it from options, the
      environment and tapedeck.yaml. Secrets have no options: set variables such as
      CXONE_ACCESS_KEY_SECRET, or CXONE_ACCESS_KEY_SECRET_FILE.

      Tests the platform step by step. When every step passes, writes the settings
      into .env in this folder, archives one call, and creates a supervisor account
      unless there is one. Existing settings are used as they are. To run it again
      is safe: what is done is not done twice.

        tapedeck init
        tapedeck init --contract media-playback --access-key-id ID --force
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions
  @OptionGroup var platform: PlatformFlags

  @Option(help: ArgumentHelp("Name of the supervisor account.", valueName: "name"))
  var supervisor = "supervisor"

  @Option(
    name: .customLong("password-file"),
    help: ArgumentHelp(
      "File with the password of the account. Default: asked for on a terminal, otherwise generated and printed.",
      valueName: "file"))
  var passwordFile: String?

  @Flag(help: "Replace the settings of the platform in .env.")
  var force = false

  @Flag(help: "Only create an empty data directory.")
  var empty = false

  @Flag(help: .jsonLines) var json = false

  func run() async throws {
    let basic = try await options.settings(needsPlatform: false)
    try basic.requireCatalogOfObjects()
    if empty { return try makeDirectory(basic) }
    let file = SettingsFile(path: FileManager.default.currentDirectoryPath + "/.env")
    let reader = try await options.reader(flags: platform.values)
    let keeps = !force && PlatformAnswers.areSet(in: reader)
    if keeps, !platform.values.isEmpty {
      throw TapedeckError(
        .usage, "There are settings of a platform in \(file.path) or tapedeck.yaml already. --force replaces them.")
    }
    let ready = keeps ? try await checked([:]) : try await answered(PlatformAnswers.known(to: reader))
    if keeps {
      say("The settings are unchanged.")
    } else {
      try write(ready.answers, ready.settings, to: file)
      say("The settings are in \(file.path).")
    }
    try ready.settings.directory.make()
    let recording = ready.recording
    let outcome = try await withOperator(options, needsPlatform: true, works: true) { connection in
      var failed = 0
      if let recording {
        var batch = IngestBatch([recording], connection: connection, options: options.output, json: json)
        failed = try await batch.run().failed
      }
      let account = try await FirstAccount.create(supervisor, connection) { try password() }
      return (failed: failed, account: account)
    }
    let page = outcome.failed == 0 ? recording.map { "/play/\($0.pathSegment)" } : nil
    try conclude(ready.settings, page: page, outcome.account)
    if outcome.failed > 0 {
      throw TapedeckError(.partlyDone, "Everything is set up, but the first call could not be archived.")
    }
  }

  // MARK: Settings

  /// Settings with which every check has passed.
  private struct Ready {
    var settings: Settings
    var answers: [Setting: String]
    /// A recording that can be downloaded; nil when there is none.
    var recording: RecordingKey?
  }

  /// Asks on a terminal, until all checks pass.
  private func answered(_ known: [Setting: String]) async throws -> Ready {
    guard Question.isPossible else { return try await checked(known) }
    var answers = known
    while true {
      answers = try PlatformAnswers.ask(answers)
      do { return try await checked(answers) } catch let error as TapedeckError where error.code != .interrupted {
        Terminal.say(error.message)
        guard try Question.confirm("Try again, with these or other answers?") else { throw error }
      }
    }
  }

  /// Reads the settings with the answers in place of other values, and makes all checks of the platform.
  private func checked(_ answers: [Setting: String]) async throws -> Ready {
    try PlatformAnswers.requireAgreement(answers, with: ProcessInfo.processInfo.environment)
    let settings = try await options.settings(needsPlatform: true, flags: answers)
    try settings.requireStartable()
    var report = DoctorReport(json: json)
    let recordings = try await report.checkPlatform(settings, .platform, logger: options.commandLogger(settings))
    guard report.failures == 0 else {
      throw TapedeckError(.checkFailed, "A check failed. Nothing was written; correct it and run the command again.")
    }
    return Ready(settings: settings, answers: answers, recording: recordings.first)
  }

  private func write(_ answers: [Setting: String], _ settings: Settings, to file: SettingsFile) throws {
    var values = PlatformAnswers.written(answers)
    let names = Set(PlatformAnswers.settings.map { $0.variable() })
    // Later commands must find the same archive.
    let directory = Setting.dataDirectory.variable()
    let environment = ProcessInfo.processInfo.environment
    if options.files.dataDirectory != nil || environment[directory] != nil {
      values.append((directory, settings.dataDirectory))
    }
    try file.write(values, replacing: names)
  }

  private func makeDirectory(_ settings: Settings) throws {
    let existed = settings.directory.exists
    try settings.directory.make()
    say(
      existed
        ? "The data directory \(settings.dataDirectory) already exists."
        : "Created the data directory \(settings.dataDirectory).")
  }

  // MARK: Account

  /// The password of the account; nil when one is to be generated.
  private func password() throws -> String? {
    if let passwordFile {
      guard let text = try? RegularFile.text(at: passwordFile)?.split(whereSeparator: \.isNewline).first else {
        throw TapedeckError(.usage, "The file of --password-file cannot be read, or is empty.")
      }
      return String(text)
    }
    guard Question.isPossible else { return nil }
    let typed = try PasswordPrompt.typedTwice("Password of the account '\(supervisor)' (empty: generate one): ")
    return typed.isEmpty ? nil : typed
  }

  private func conclude(_ settings: Settings, page: String?, _ account: FirstAccount) throws {
    let address = settings.publicOrigin ?? "http://\(settings.listen.text)"
    let summary = Summary(
      address: address + (page ?? "/"), account: account.name, password: account.generatedPassword,
      start: "tapedeck serve")
    if json { return try Terminal.show(json: summary) }
    if page == nil { say("No call was archived. The server finds new calls by itself.") }
    Table(facts: [
      ("start", summary.start), ("address", summary.address), ("account", summary.account),
      ("password", summary.password ?? account.passwordText),
    ]).lines.forEach { Terminal.show($0) }
  }

  /// The last line of `--json`.
  private struct Summary: Encodable {
    var address: String
    var account: String
    /// Nil unless it was generated.
    var password: String?
    var start: String
  }

  private func say(_ text: String) {
    if !options.quiet { Terminal.say(text) }
  }
}
