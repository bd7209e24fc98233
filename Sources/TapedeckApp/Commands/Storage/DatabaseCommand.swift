import ArgumentParser
import Catalog
import Foundation
import Model
import SystemPackage

/// `tapedeck db`: the database of the catalog.
struct DatabaseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "db", abstract: "Copy the catalog to PostgreSQL, or allow a new value for a shared setting.",
    subcommands: [Copy.self, ForgetSecret.self])

  struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy the catalog from SQLite to an empty PostgreSQL database.",
      discussion: """
        Copies the SQLite file of the data directory to TAPEDECK_DATABASE_URL. Stop
        the server first: recordings that it archives during the copy would be
        missing. Afterwards every table is compared. The SQLite file is not changed.
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions

    func run() async throws {
      let settings = try await options.settings(needsPlatform: false)
      guard let url = settings.deployment.databaseURL else {
        throw TapedeckError(
          .configurationInvalid, "TAPEDECK_DATABASE_URL is not set. Set it to the empty PostgreSQL database to copy to."
        )
      }
      let directory = settings.directory
      guard directory.hasCatalog else {
        throw directory.missingCatalog
      }
      try await withLock(of: directory) {
        let source = try SQLiteDatabase(path: directory.catalog.string, now: SystemServices.system.now)
        let target = try PostgreSQLDatabase(url: url)
        try await closing([source, target]) {
          try await Catalog(database: source).migrate()
          let tables = try await CatalogCopy(from: source, to: target).run()
          if !options.quiet {
            for table in tables where table.rows > 0 { Terminal.say("\(table.table): \(counted(table.rows, "row"))") }
          }
        }
      }
      if !options.quiet { Terminal.say("The catalog was copied to PostgreSQL and every table compared.") }
    }
  }

  struct ForgetSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "forget-secret",
      abstract: "Allow a new value for a setting that all nodes must share.",
      discussion: """
        Stop every node first. The first node that starts afterwards sets the value;
        start all other nodes with the same value.
        """)

    @OptionGroup(title: "General options") var options: GlobalOptions

    @Argument(help: "Name: QM_WEBHOOK_SECRET, TAPEDECK_SIGNING_KEY or TAPEDECK_STORAGE_URL.") var name: String

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        try await catalog.migrate()
        try await catalog.forgetSecret(name)
      }
      if !options.quiet { Terminal.say("The next node that starts may set a new value for \(name).") }
    }
  }
}
