import ArgumentParser
import AsyncHTTPClient
import CXone
import Catalog
import Foundation
import Model
import NIOPosix
import ObjectStorage
import SystemPackage

/// `tapedeck migrate`: the schema of the catalog.
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate",
    abstract: "Show or apply the steps of the catalog's schema.",
    discussion: "Every node brings the schema up to date at its start; 'up' does it at a moment of your choice.",
    subcommands: [Status.self, Up.self])

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the steps, and which of them are applied.")

    @OptionGroup var options: GlobalOptions

    @Flag(help: "One JSON object a line.")
    var json = false

    private struct Line: Encodable {
      var version: Int
      var name: String
      var appliedAt: String?
    }

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        let steps = try await catalog.migrationStatus()
        if json {
          for step in steps {
            Terminal.show(
              json: try JSONEncoder().encode(
                Line(version: step.version, name: step.name, appliedAt: step.appliedAt?.iso8601)))
          }
        } else {
          Terminal.show(
            table: [["VERSION", "APPLIED", "STEP"]]
              + steps.map { ["\($0.version)", $0.appliedAt?.iso8601 ?? "not yet", $0.name] })
        }
      }
    }
  }

  struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Apply the steps that are missing.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        let missing = try await catalog.migrationStatus().filter { $0.appliedAt == nil }
        try await catalog.migrate()
        if !options.quiet { Terminal.say("\(missing.count) step(s) applied; the schema is up to date.") }
      }
    }
  }
}

/// `tapedeck db`: where the catalog is kept.
struct DatabaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "db", abstract: "Move the catalog to PostgreSQL; forget a secret that nodes agreed on.",
    subcommands: [Copy.self, ForgetSecret.self])

  struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy the catalog from the data directory's SQLite into an empty PostgreSQL.",
      discussion: """
        TAPEDECK_DATABASE_URL says where to. Stop the server first: a call that it archives meanwhile would be missing.
        Every table is counted and compared afterwards. The SQLite file stays as it is.
        """)

    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let settings = try await options.settings(needsPlatform: false)
      guard let url = settings.deployment.databaseURL else {
        throw TapedeckError(.configurationInvalid, "TAPEDECK_DATABASE_URL is not set: it says where to copy to.")
      }
      let directory = settings.directory
      guard FileManager.default.fileExists(atPath: directory.catalog.string) else {
        throw TapedeckError(.dataDirectoryMissing, "There is no catalog at \(directory.catalog).")
      }
      try await withLock(of: directory) {
        let source = try SQLiteDatabase(path: directory.catalog.string, now: Surroundings.system.now)
        let target = try PostgreSQLDatabase(url: url)
        try await closing([source, target]) {
          try await Catalog(database: source).migrate()
          let tables = try await CatalogCopy(from: source, to: target).run()
          if !options.quiet {
            for table in tables where table.rows > 0 { Terminal.say("\(table.table): \(table.rows) rows") }
          }
        }
      }
      if !options.quiet { Terminal.say("The catalog is in PostgreSQL, and every table was compared.") }
    }
  }

  struct ForgetSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "forget-secret",
      abstract: "Let the nodes agree anew on a secret that they share, because it was changed.",
      discussion:
        "Stop every node first. The next one to start says what the secret is; all others must be given the same.")

    @OptionGroup var options: GlobalOptions

    @Argument(help: "The setting, such as QM_WEBHOOK_SECRET.")
    var name: String

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        try await catalog.migrate()
        try await catalog.forgetSecret(name)
      }
      if !options.quiet { Terminal.say("\(name) is forgotten.") }
    }
  }
}

/// `tapedeck storage`: where the recordings are kept.
struct StorageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "storage", abstract: "Move the recordings to an S3 bucket.", subcommands: [Copy.self])

  struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy every object from the data directory's folder into the bucket of TAPEDECK_STORAGE_URL.",
      discussion: """
        May be broken off and run again: what is there is left as it is. Each object's hash is checked on the way; the
        folder stays as it is. Ends with 7 when objects are damaged: they are named and not copied.
        """)

    @OptionGroup var options: GlobalOptions

    func run() async throws {
      let settings = try await options.settings(needsPlatform: false)
      guard settings.deployment.storage != nil else {
        throw TapedeckError(.configurationInvalid, "TAPEDECK_STORAGE_URL is not set: it says where to copy to.")
      }
      let directory = settings.directory
      guard directory.exists else {
        throw TapedeckError(.dataDirectoryMissing, "There is no data directory at \(settings.dataDirectory).")
      }
      let outcome = try await withLock(of: directory) {
        try await HTTPClient.withHTTPClient(configuration: .platform) { client in
          try FileSystemCalls.makeFolder(directory.spool)
          let copy = ObjectCopy(
            from: try FileObjectStore(
              root: directory.objects, quarantine: directory.quarantine, threads: .singleton,
              now: Surroundings.system.now),
            to: try Node.objectStore(settings.deployment, directory, client: client, surroundings: .system),
            scratch: directory.spool, threads: .singleton)
          return try await copy.run { outcome in
            if !options.quiet, Terminal.isErrorTerminal {
              Terminal.write("\r\(outcome.copied) copied, \(outcome.alreadyThere) there already")
            }
          }
        }
      }
      if !options.quiet {
        if Terminal.isErrorTerminal { Terminal.write("\n") }
        Terminal.say(
          "\(outcome.copied) objects copied (\(outcome.copiedBytes) bytes), \(outcome.alreadyThere) were there already."
        )
      }
      for key in outcome.damaged {
        Terminal.say("damaged, not copied: \(directory.objects.appending(key.description))")
      }
      if !outcome.damaged.isEmpty {
        throw TapedeckError(
          .objectDamaged,
          "\(outcome.damaged.count) object(s) are damaged. Run 'tapedeck verify --all' on the old folder, then copy again."
        )
      }
    }
  }
}

/// Runs with the catalog alone, without a node around it.
private func withCatalog<T: Sendable>(
  _ options: GlobalOptions, _ body: (Catalog, Settings) async throws -> T
) async throws -> T {
  let settings = try await options.settings(needsPlatform: false)
  let directory = settings.directory
  guard directory.exists || settings.deployment.isShared else {
    throw TapedeckError(
      .dataDirectoryMissing,
      "There is no data directory at \(settings.dataDirectory). 'tapedeck serve' or 'tapedeck init' makes one.")
  }
  func run() async throws -> T {
    let database = try Node.database(settings.deployment, directory, surroundings: .system)
    return try await closing([database]) { try await body(Catalog(database: database), settings) }
  }
  // PostgreSQL takes turns by itself; SQLite has one owner.
  return settings.deployment.isShared ? try await run() : try await withLock(of: directory, run)
}

/// Runs while no other process uses the data directory.
private func withLock<T: Sendable>(of directory: DataDirectory, _ body: () async throws -> T) async throws -> T {
  guard let lock = try directory.tryLock() else {
    throw TapedeckError(
      .dataDirectoryInUse, "A server or another command is using \(directory.path). Stop it, then try again.")
  }
  let result = try await body()
  withExtendedLifetime(lock) {}
  return result
}

private func closing<T: Sendable>(_ databases: [any Database], _ body: () async throws -> T) async throws -> T {
  let result: Result<T, any Error>
  do { result = .success(try await body()) } catch { result = .failure(error) }
  for database in databases { try database.close() }
  return try result.get()
}
