import ArgumentParser
import AsyncHTTPClient
import Audio
import CXone
import Catalog
import Foundation
import Glibc
import HTTPTransport
import Model
import ObjectStorage
import Pipeline
import SystemPackage

/// `tapedeck doctor`: checks the settings and everything they refer to.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check settings, platform access, FFmpeg, disk, PostgreSQL and bucket.",
    discussion: """
      Each failed check names its remedy. Changes nothing, and works while the
      server runs. Exits with 1 when a check fails.
      """)

  @OptionGroup var options: GlobalOptions

  @Flag(help: .jsonLines) var json = false

  func run() async throws {
    var checks = Checks(json: json)
    var settings: Settings?
    var failure: TapedeckError?
    do throws(TapedeckError) {
      settings = try await options.settings(needsPlatform: true)
    } catch {
      failure = error
      settings = try? await options.settings(needsPlatform: false)
    }
    try checks.add(
      "Settings", failure,
      remedy: "Correct it in the environment, in .env or in tapedeck.yaml; see docs/configuration.md.")
    if let settings {
      try await checkPlatform(settings, &checks)
      try await checkFFmpeg(settings, &checks)
      try checkDisk(settings, &checks)
      try await checkDatabase(settings, &checks)
      try await checkBucket(settings, &checks)
    }
    if checks.failures > 0 {
      throw TapedeckError(.checkFailed, "\(checks.failures) of \(counted(checks.count, "check")) failed.")
    }
  }

  /// Numbers and prints findings as they are made.
  private struct Checks {
    let json: Bool
    private(set) var count = 0
    private(set) var failures = 0

    init(json: Bool) { self.json = json }

    mutating func add(_ check: String, _ failure: TapedeckError?, remedy: String, found: String? = nil) throws {
      count += 1
      if failure != nil { failures += 1 }
      let finding = DoctorFinding(number: count, check: check, failure: failure, remedy: remedy, found: found)
      if json { try Terminal.show(json: finding) } else { for line in finding.lines { Terminal.show(line) } }
    }
  }

  private func checkPlatform(_ settings: Settings, _ checks: inout Checks) async throws {
    let configuration: HTTPClient.Configuration
    do {
      configuration = try .platform.adapted()
    } catch {
      return try checks.add(
        "Certificates", error, remedy: "Let SSL_CERT_FILE name a readable file of certificates in PEM, or unset it.")
    }
    for source in settings.sources {
      let findings = try? await HTTPClient.withHTTPClient(configuration: configuration) { client in
        await RecordingsV2Source(
          settings: source, client: client, system: .system, logger: options.commandLogger(settings)
        ).checkAccess()
      }
      for finding in findings ?? [] {
        try checks.add(finding.title(source: source.id), finding.failure, remedy: finding.remedy)
      }
    }
  }

  private func checkFFmpeg(_ settings: Settings, _ checks: inout Checks) async throws {
    let ffmpeg = FFmpeg(executable: settings.ffmpeg)
    let hasEncoder: Bool
    let found: String
    do throws(TapedeckError) {
      let capabilities = try await ffmpeg.capabilities()
      hasEncoder = capabilities.hasLibmp3lame
      found = "\(capabilities.version). \(try await ffmpeg.start())."
    } catch {
      return try checks.add(
        "FFmpeg", error, remedy: "Install it (apt-get install ffmpeg), or set TAPEDECK_FFMPEG to its path.")
    }
    try checks.add("FFmpeg", nil, remedy: "", found: found)
    try checks.add(
      "FFmpeg's MP3 encoder",
      hasEncoder ? nil : TapedeckError(.ffmpegMissing, "This FFmpeg was built without libmp3lame."),
      remedy: "Install the full build of your distribution (apt-get install ffmpeg).")
    guard hasEncoder else { return }
    var failure: TapedeckError?
    do throws(TapedeckError) { try await ffmpeg.convertSample() } catch { failure = error }
    try checks.add(
      "Conversion of a sample", failure,
      remedy: "Check the limits of the user that runs Tapedeck ('ulimit -a') and the memory of the machine.",
      found: "FFmpeg converted one second of audio")
  }

  private func checkDisk(_ settings: Settings, _ checks: inout Checks) throws {
    // The data directory may not exist yet. Then its nearest existing parent must be writable.
    var folder = settings.directory.path
    while access(folder.string, F_OK) != 0, !folder.removingLastComponent().isEmpty,
      folder.removingLastComponent() != folder
    {
      folder = folder.removingLastComponent()
    }
    let isWritable = access(folder.string, W_OK | X_OK) == 0
    try checks.add(
      "Data directory", isWritable ? nil : TapedeckError(.storageFailed, "\(folder) is not writable."),
      remedy: "Give it to the user that runs Tapedeck (chown), or set another TAPEDECK_DATA_DIR.",
      found: settings.dataDirectory)
    let free = (try? FileSystemCalls.freeBytes(at: folder)) ?? 0
    let needed = max(settings.minimumFreeBytes, 1 << 30)
    let gigabytes = String(format: "%.1f GB free", Double(free) / 1e9)
    try checks.add(
      "Disk space", free >= needed ? nil : TapedeckError(.diskFull, "Only \(gigabytes)."),
      remedy: "Free disk space. An hour of 8 kHz stereo takes about 115 MB with its original, 30 MB without.",
      found: gigabytes)
  }

  private func checkDatabase(_ settings: Settings, _ checks: inout Checks) async throws {
    guard settings.deployment.databaseURL != nil else { return }
    var failure: TapedeckError?
    do {
      let database = try Node.database(settings.deployment, settings.directory, system: .system)
      try await closing([database]) { _ = try await Catalog(database: database).migrationStatus() }
    } catch { failure = error as? TapedeckError ?? TapedeckError(.catalogFailed, detail: "\(error)", cause: error) }
    try checks.add(
      "PostgreSQL", failure,
      remedy: "Check TAPEDECK_DATABASE_URL, that the database server runs, and that the user may use this database.")
  }

  private func checkBucket(_ settings: Settings, _ checks: inout Checks) async throws {
    guard let storage = settings.deployment.storage else { return }
    var failure: TapedeckError?
    do {
      try await HTTPClient.withHTTPClient(configuration: try .platform.adapted()) { client in
        try await Node.objectStore(
          settings.deployment, settings.directory, client: client, system: .system
        ).probe()
      }
    } catch { failure = error as? TapedeckError ?? TapedeckError(.storageFailed, detail: "\(error)", cause: error) }
    try checks.add(
      "Bucket \(storage.settings.bucket)", failure,
      remedy: "Check TAPEDECK_STORAGE_URL, the access key and its permissions; see docs/storage-format.md.")
  }
}
