import Catalog
import Foundation
import Logging
import Model
import NIOPosix
import Pipeline
import Synchronization
import SystemPackage
import TapedeckApp
import Testing

@Suite struct ReadinessTests {
  private let folder: TemporaryFolder
  private let names = ["objects", "spool"]

  init() throws { folder = try TemporaryFolder() }

  /// The problems of a new node after `change`.
  private func problems(
    uptime: @escaping @Sendable () -> Duration = { .zero }, again: ((Readiness) async throws -> [String])? = nil,
    _ change: (SQLiteDatabase) async throws -> Void
  ) async throws -> [String] {
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
    var system = SystemServices.system
    system.uptime = uptime
    let readiness = Readiness(catalog: catalog, file: file, folders: folders, diskSpace: diskSpace, system: system)
    var problems = await readiness.problems()
    if let again { problems = try await again(readiness) }
    try database.close()
    return problems
  }

  @Test(arguments: ["unlinked", "moved", "replaced"])
  func `a node whose catalog's file is gone is not ready`(change: String) async throws {
    let path = "\(folder.path)/catalog.sqlite"
    let problems = try await problems { _ in
      switch change {
      case "unlinked": try FileManager.default.removeItem(atPath: path)
      case "moved": try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
      default:
        try FileManager.default.copyItem(atPath: path, toPath: path + ".copy")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".copy", toPath: path)
      }
    }
    #expect(problems.count == 1 && problems.first?.contains("was deleted, moved or replaced") == true, "\(problems)")
    #expect(problems.first?.hasPrefix(path) == true)
  }

  @Test(arguments: ["objects", "spool"])
  func `a node that cannot write to a folder is not ready`(name: String) async throws {
    let path = "\(folder.path)/\(name)"
    let problems = try await problems { _ in
      // Not even root can create a file in /proc.
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/proc")
    }
    #expect(problems.count == 1 && problems.first?.hasPrefix("No file can be written in \(path): ") == true)
  }

  @Test func `whether folders can be written is tried at most every 15 seconds`() async throws {
    let path = "\(folder.path)/objects"
    let uptime = Mutex(Duration.seconds(100))
    func later(_ readiness: Readiness) async throws -> [String] {
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/proc")
      uptime.withLock { $0 += .milliseconds(14_999) }
      #expect(await readiness.problems() == [])
      uptime.withLock { $0 += .milliseconds(1) }
      #expect(await readiness.problems().count == 1)
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      #expect(await readiness.problems().count == 1)
      uptime.withLock { $0 += .seconds(15) }
      #expect(await readiness.problems() == [])
      #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
      return []
    }
    _ = try await problems(uptime: { uptime.withLock { $0 } }, again: later, { _ in })
  }

  @Test func `a cancelled attempt to write does not count as a success`() async throws {
    let path = "\(folder.path)/objects"
    let uptime = Mutex(Duration.seconds(100))
    func later(_ readiness: Readiness) async throws -> [String] {
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/proc")
      uptime.withLock { $0 += .seconds(15) }
      await withTaskGroup(of: Void.self) { group in
        group.cancelAll()
        group.addTask { _ = await readiness.problems() }
      }
      return await readiness.problems()
    }
    let problems = try await problems(uptime: { uptime.withLock { $0 } }, again: later, { _ in })
    #expect(problems.count == 1 && problems.first?.hasPrefix("No file can be written in \(path): ") == true)
  }

  @Test func `a file that a killed attempt to write left is removed`() async throws {
    let left = [".probe_left", ".probe_left2"]
    #expect(
      try await problems { _ in
        for name in names {
          for file in left + [".id"] { try Data([1]).write(to: URL(filePath: "\(folder.path)/\(name)/\(file)")) }
        }
      } == [])
    for name in names {
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/\(name)") == [".id"])
    }
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
    #expect(problems == ["\(path) is missing or is not a folder."])
  }
}
