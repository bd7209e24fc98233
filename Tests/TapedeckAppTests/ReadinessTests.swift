import Catalog
import Foundation
import Logging
import Model
import NIOPosix
import Pipeline
import SystemPackage
import TapedeckApp
import Testing

@Suite struct ReadinessTests {
  private let folder: TemporaryFolder
  private let names = ["objects", "spool"]

  init() throws { folder = try TemporaryFolder() }

  /// The problems of a new node after `change`.
  private func problems(_ change: (SQLiteDatabase) async throws -> Void) async throws -> [String] {
    let file = FilePath("\(folder.path)/catalog.sqlite")
    let database = try SQLiteDatabase(path: file.string, now: { .systemNow() })
    let catalog = Catalog(database: database)
    try await catalog.migrate()
    let folders = names.map { FilePath("\(folder.path)/\($0)") }
    for folder in folders {
      try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    }
    try await change(database)
    let diskSpace = DiskSpaceMonitor(
      disks: [], minimumFreeBytes: 0, threads: .singleton, system: .system,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let problems = await Readiness(catalog: catalog, file: file, folders: folders, diskSpace: diskSpace).problems()
    try database.close()
    return problems
  }

  @Test func `a new node is ready`() async throws {
    #expect(try await problems { _ in } == [])
  }

  @Test(arguments: ["recording", "log_entry", "job", "migration"])
  func `a node without a table is not ready`(table: String) async throws {
    let problems = try await problems { database in
      _ = try await database.write { db in try db.execute(SQL(stringLiteral: "DROP TABLE \(table)")) }
    }
    #expect(problems.count == 1 && problems.first?.contains("missing: \(table)") == true, "\(problems)")
  }

  @Test(arguments: ["objects", "spool"], [true, false])
  func `a node without a folder is not ready`(name: String, isFile: Bool) async throws {
    let path = "\(folder.path)/\(name)"
    let problems = try await problems { _ in
      try FileManager.default.removeItem(atPath: path)
      if isFile { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    }
    #expect(problems == ["\(path) is not a folder, or is missing."])
  }
}
