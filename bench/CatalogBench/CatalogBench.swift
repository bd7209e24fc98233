import ArgumentParser
import Catalog
import Foundation
import Model
import TestKit

/// Measures the catalog with many recordings, on both databases.
@main
struct CatalogBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "CatalogBench",
    abstract: "Fills a catalog on SQLite and one on PostgreSQL, and measures lists, searches and the job queue.")

  @Option(help: "The number of recordings.")
  var rows = 1_000_000

  @Option(help: "How often each query is measured.")
  var runs = 400

  @Option(help: "An empty PostgreSQL database; by default a server is started and removed afterwards.")
  var postgres: String?

  @Option(help: "Measure only this database: sqlite or postgresql.")
  var only: String?

  func validate() throws {
    guard rows >= 1000, runs >= 1 else { throw ValidationError("At least 1,000 rows and one run are required.") }
    guard [nil, "sqlite", "postgresql"].contains(only) else {
      throw ValidationError("--only must be sqlite or postgresql.")
    }
  }

  func run() async throws {
    do { try await measureAll() } catch let error as TapedeckError {
      // The detail is shown, because the person who measures is the operator.
      throw ValidationError("\(error)\n\(error.detail ?? "")")
    }
  }

  private func measureAll() async throws {
    var report = Report()
    if only != "postgresql" {
      let folder = FileManager.default.temporaryDirectory.appending(path: "catalog-bench-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
      defer { try? FileManager.default.removeItem(at: folder) }
      let path = folder.appending(path: "catalog.sqlite").path()
      try await measure("SQLite", try SQLiteDatabase(path: path, now: { .systemNow() }), into: &report)
    }
    if only != "sqlite" {
      var server: PostgresServer?
      defer { server?.stop() }
      let url: String
      if let postgres {
        url = postgres
      } else {
        // Configured like a small server, and on disk: a commit is synced.
        let started = try PostgresServer(settings: ["autovacuum = on", "shared_buffers = 512MB", "max_wal_size = 4GB"])
        url = started.url(of: try started.makeDatabase())
        server = started
      }
      try await measure("PostgreSQL", try PostgreSQLDatabase(url: url), into: &report)
    }
    print(report.text)
  }

  private func measure(_ name: String, _ database: any Database, into report: inout Report) async throws {
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let archive = SampleArchive(rows: rows)
    let filling = try await ContinuousClock().measure { try await archive.fill(database) }
    report.note("\(name): filled with \(rows) recordings in \(Int(filling.inSeconds)) s")

    for query in Query.all(archive) {
      var times: [Duration] = []
      var found = 0
      // The first runs find nothing in memory.
      for run in -20..<runs {
        let (filter, cursor) = query.make(run)
        var rows = 0
        let time = try await ContinuousClock().measure {
          rows = try await catalog.recordings(
            matching: filter, visibleTo: .everything, after: cursor, limit: 51
          ).count
        }
        if run >= 0 {
          times.append(time)
          found += rows
        }
      }
      report.add(name, query.name, times, note: "\(found / runs) rows")
    }
    try await QueueBench(catalog: catalog, name: name).run(into: &report)
    try database.close()
  }
}
