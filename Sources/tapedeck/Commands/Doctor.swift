import ArgumentParser
import AsyncHTTPClient
import Audio
import CXone
import Catalog
import Foundation
import Glibc
import Model
import ObjectStorage
import Pipeline
import SystemPackage

/// `tapedeck doctor`: is everything here that it takes?
struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check settings, the platform's token and scopes, FFmpeg, the disk, PostgreSQL and the bucket.",
    discussion: "Each failure comes with its remedy. Changes nothing, and works while the server runs.")

  @OptionGroup var options: GlobalOptions

  @Flag(help: "One JSON object a line.")
  var json = false

  private struct Finding: Encodable {
    var number: Int
    var check: String
    var ok: Bool
    var message: String?
    var remedy: String?
  }

  func run() async throws {
    var findings: [Finding] = []
    func note(_ check: String, _ failure: TapedeckError?, _ remedy: String, found: String? = nil) {
      let finding = Finding(
        number: findings.count + 1, check: check, ok: failure == nil, message: failure?.message ?? found,
        remedy: failure == nil ? nil : remedy)
      findings.append(finding)
      if json {
        if let data = try? JSONEncoder().encode(finding) { Terminal.show(json: data) }
      } else {
        Terminal.show(
          "\(finding.ok ? "ok  " : "FAIL") \(finding.number). \(check)\(finding.message.map { ": \($0)" } ?? "")")
        if let remedy = finding.remedy { Terminal.show("       \(remedy)") }
      }
    }

    var settings: Settings?
    do throws(TapedeckError) {
      settings = try await options.settings(needsPlatform: true)
      note("Settings", nil, "")
    } catch {
      note("Settings", error, "Set it in the environment, in .env or in tapedeck.yaml; see docs/configuration.md.")
      settings = try? await options.settings(needsPlatform: false)
    }
    if let settings {
      await checkPlatform(settings, note)
      await checkFFmpeg(settings, note)
      checkDisk(settings, note)
      await checkShared(settings, note)
    }
    let failures = findings.filter { !$0.ok }.count
    if failures > 0 { throw TapedeckError(.checkFailed, "\(failures) of \(findings.count) checks failed.") }
  }

  private typealias Note = (_ check: String, _ failure: TapedeckError?, _ remedy: String, _ found: String?) -> Void

  private func checkPlatform(_ settings: Settings, _ note: Note) async {
    for source in settings.sources {
      let checks = try? await HTTPClient.withHTTPClient(configuration: .platform) { client in
        await RecordingsV2Source(
          settings: source, client: client, surroundings: .system, logger: options.commandLogger(settings)
        ).checkAccess()
      }
      for check in checks ?? [] {
        let remedy =
          switch check.subject {
          case .token:
            "Check CXONE_BASE_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET against the tenant's API client, and that this machine reaches it."
          case .readScope, .downloadScope:
            "Grant the scope '\(check.subject.rawValue)' to the API client on the platform."
          }
        let name = check.subject == .token ? "Token" : "Scope \(check.subject.rawValue)"
        note("\(name) of source '\(source.id)'", check.failure, remedy, nil)
      }
    }
  }

  private func checkFFmpeg(_ settings: Settings, _ note: Note) async {
    do throws(TapedeckError) {
      let ffmpeg = FFmpeg(executable: settings.ffmpeg)
      let found = try await ffmpeg.capabilities()
      note("FFmpeg", nil, "", "\(found.version). \(try await ffmpeg.start()).")
      let encoder = found.hasLibmp3lame ? nil : TapedeckError(.ffmpegMissing, "FFmpeg was built without libmp3lame.")
      note("FFmpeg's MP3 encoder", encoder, "Install your distribution's full build: apt-get install ffmpeg", nil)
    } catch {
      note("FFmpeg", error, "apt-get install ffmpeg, or set TAPEDECK_FFMPEG to where it is.", nil)
    }
  }

  /// PostgreSQL and the bucket, where they are set.
  private func checkShared(_ settings: Settings, _ note: Note) async {
    if settings.deployment.databaseURL != nil {
      var failure: TapedeckError?
      do throws(TapedeckError) {
        let database = try Node.database(settings.deployment, settings.directory, surroundings: .system)
        do throws(TapedeckError) { _ = try await Catalog(database: database).migrationStatus() } catch {
          failure = error
        }
        try database.close()
      } catch { failure = failure ?? error }
      note(
        "PostgreSQL", failure,
        "Check TAPEDECK_DATABASE_URL, that the server runs and that its user may use this database.", nil)
    }
    if let storage = settings.deployment.storage {
      var failure: TapedeckError?
      do {
        try await HTTPClient.withHTTPClient(configuration: .platform) { client in
          try await Node.objectStore(
            settings.deployment, settings.directory, client: client, surroundings: .system
          ).probe()
        }
      } catch let error as TapedeckError {
        failure = error
      } catch { failure = TapedeckError(.storageFailed, detail: "\(error)", cause: error) }
      note(
        "Bucket \(storage.settings.bucket)", failure,
        "Check TAPEDECK_STORAGE_URL, the access key, and what it may do: docs/storage-format.md.", nil)
    }
  }

  private func checkDisk(_ settings: Settings, _ note: Note) {
    // Before the first start the folder is not there yet; what matters is whether it can be made.
    var folder = settings.directory.path
    while access(folder.string, F_OK) != 0, !folder.removingLastComponent().isEmpty,
      folder.removingLastComponent() != folder
    {
      folder = folder.removingLastComponent()
    }
    let isWritable = access(folder.string, W_OK | X_OK) == 0
    note(
      "Data directory", isWritable ? nil : TapedeckError(.storageFailed, "\(folder) cannot be written."),
      "Give it to the user that runs Tapedeck (chown), or set TAPEDECK_DATA_DIR.", settings.dataDirectory)
    let free = (try? FileSystemCalls.freeBytes(at: folder)) ?? 0
    let needed = max(settings.minimumFreeBytes, 1 << 30)
    let gigabytes = String(format: "%.1f GB free", Double(free) / 1e9)
    note(
      "Disk space", free >= needed ? nil : TapedeckError(.diskFull, "Only \(gigabytes)."),
      "Free some space: an hour of 8 kHz stereo takes about 115 MB with its original, 30 MB without.", gigabytes)
  }
}
