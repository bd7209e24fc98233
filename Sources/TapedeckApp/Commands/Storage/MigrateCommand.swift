import ArgumentParser
import Catalog
import Foundation
import Model

/// `tapedeck migrate`: the schema of the catalog.
struct MigrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "migrate", abstract: "Show or apply migrations of the catalog's schema.",
    discussion: """
      Every node applies missing migrations when it starts. 'migrate up' applies
      them at a time of your choice. With SQLite, stop the server first: both
      commands exit with 5 while it runs.
      """,
    subcommands: [Status.self, Up.self])

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the migrations, and when they were applied.",
      discussion: "With SQLite, stop the server first: the command exits with 5 while it runs.")

    @OptionGroup(title: "General options") var options: GlobalOptions

    @Flag(help: .jsonLines) var json = false

    private struct Migration: Encodable {
      var version: Int
      var name: String
      var appliedAt: String?
    }

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        let migrations = try await catalog.migrationStatus().map {
          Migration(version: $0.version, name: $0.name, appliedAt: $0.appliedAt?.iso8601)
        }
        if json {
          for migration in migrations { try Terminal.show(json: migration) }
        } else {
          var table = Table(["VERSION", "APPLIED", "MIGRATION"])
          for migration in migrations {
            table.add(["\(migration.version)", migration.appliedAt ?? "not yet", migration.name])
          }
          Terminal.show(&table)
        }
      }
    }
  }

  struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Apply the missing migrations.",
      discussion: "With SQLite, stop the server first: the command exits with 5 while it runs.")

    @OptionGroup(title: "General options") var options: GlobalOptions

    func run() async throws {
      try await withCatalog(options) { catalog, _ in
        let missing = try await catalog.migrationStatus().filter { $0.appliedAt == nil }
        try await catalog.migrate()
        if !options.quiet { Terminal.say("Applied \(counted(missing.count, "migration")). The schema is up to date.") }
      }
    }
  }
}
