import AsyncHTTPClient
import CXone
import Catalog
import Foundation
import Glibc
import HTTPTransport
import Logging
import Model
import NIOCore
import NIOHTTP1
import ObjectStorage
import Pipeline
import SystemPackage

extension DoctorReport {
  /// - Returns: recordings of the sources that can be downloaded.
  @discardableResult
  mutating func checkPlatform(
    _ settings: Settings, _ configuration: HTTPClient.Configuration, logger: Logger
  ) async throws -> [RecordingKey] {
    var recordings: [RecordingKey] = []
    for source in settings.sources {
      let checks = try await OutboundClient.with(configuration) { client in
        await makeRecordingSource(source, client: client, system: .system, logger: logger).checks()
      }
      for check in checks {
        if check.isSkipped {
          try skip(check.name)
        } else {
          try add(check.name, check.failure, remedy: check.remedy, found: check.found)
        }
        if let id = check.recording { recordings.append(RecordingKey(source: source.id, id: id)) }
      }
    }
    return recordings
  }

  mutating func checkCatalog(_ settings: Settings) async throws {
    var failure: TapedeckError?
    guard settings.deployment.databaseURL == nil else {
      do {
        let database = try Node.database(settings.deployment, settings.directory, system: .system)
        try await closing([database]) { try await Catalog(database: database).checkSchema() }
      } catch { failure = error as? TapedeckError ?? TapedeckError(.catalogFailed, detail: "\(error)", cause: error) }
      try add(
        "PostgreSQL", failure,
        remedy:
          "Check TAPEDECK_DATABASE_URL: 'psql \"$TAPEDECK_DATABASE_URL\" -c \"SELECT 1\"' must succeed on this machine. "
          + "For another version of the schema, see 'tapedeck migrate status'.")
      return
    }
    let file = settings.directory.catalog
    let hasObjects = settings.deployment.storage == nil && settings.directory.hasObjects
    guard access(file.string, F_OK) == 0 || hasObjects else { return }
    do throws(TapedeckError) {
      var knowsObjects = false
      if access(file.string, F_OK) == 0 { knowsObjects = try SQLiteDatabase.inspect(path: file.string) }
      if hasObjects, !knowsObjects { failure = StoreOwnership.failure }
    } catch { failure = error.about(file) }
    try add(
      "Catalog", failure,
      remedy:
        "Check the owner of the file ('ls -l \(file)'). If it is damaged or lost, stop the server and restore the "
        + "catalog from a backup: see 'Backup and restore' in docs/operations.md. If it is newer, install that version.",
      found: "\(file), every page checked")
  }

  mutating func checkBucket(_ settings: Settings, _ configuration: HTTPClient.Configuration) async throws {
    guard let storage = settings.deployment.storage else { return }
    var failure: TapedeckError?
    var notes: [String] = []
    do {
      notes = try await OutboundClient.with(configuration) { client in
        try await Node.objectStore(
          settings.deployment, settings.directory, client: client, system: .system
        ).probe()
      }
    } catch { failure = error as? TapedeckError ?? TapedeckError(.storageFailed, detail: "\(error)", cause: error) }
    try add(
      "Bucket \(storage.settings.bucket)", failure,
      remedy:
        "Check TAPEDECK_STORAGE_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that this key may list, read, "
        + "write and delete objects of the bucket; see docs/storage-format.md.",
      found: notes.isEmpty ? nil : notes.joined(separator: " "))
  }

  /// Any response shows that the receiver can be reached; no message is sent.
  mutating func checkWebhook(_ url: String, _ configuration: HTTPClient.Configuration) async throws {
    var failure: TapedeckError?
    var status = ""
    do {
      status = try await OutboundClient.with(configuration) { client in
        var request = HTTPClientRequest(url: url)
        request.method = .HEAD
        request.headers.add(name: "User-Agent", value: Tapedeck.userAgent)
        return "\(try await client.open(request, timeout: .seconds(10)).status.code)"
      }
    } catch {
      failure = TapedeckError(
        .webhookFailed, ConnectionProblem(error).message(about: "the webhook receiver"),
        detail: ConnectionProblem.detail(error), cause: error)
    }
    try add(
      "Webhook receiver", failure,
      remedy: "Check QM_WEBHOOK_URL, and that 'curl -I URL' on this machine gets an answer from it.",
      found: "it answers (status \(status) for HEAD)")
  }
}
