package import Catalog
import Foundation
package import Model
package import Pipeline
package import SystemPackage

/// Finds problems that keep a node from working.
package struct Readiness: Sendable {
  private let catalog: Catalog
  /// The file of an SQLite catalog.
  private let file: FilePath?
  /// What must be a folder.
  private let folders: [FilePath]
  private let probe: WriteProbe
  private let diskSpace: DiskSpaceMonitor

  package init(
    catalog: Catalog, file: FilePath?, folders: [FilePath], diskSpace: DiskSpaceMonitor, system: SystemServices
  ) {
    self.catalog = catalog
    self.file = file
    self.folders = folders
    probe = WriteProbe(folders: folders, uptime: system.uptime)
    self.diskSpace = diskSpace
  }

  /// A sentence for each problem.
  package func problems() async -> [String] {
    var problems: [String] = []
    do throws(TapedeckError) {
      // Damage stays reported: the pages that a query reads may be intact.
      if let damage = catalog.database.damage ?? catalog.database.displacement { throw damage }
      _ = try await catalog.hasAccounts()
      try await catalog.checkSchema(mayBeEmpty: false, tablesOnly: true)
    } catch {
      problems.append(file.map { error.about($0).message } ?? "The catalog cannot be read.")
    }
    let missing = folders.filter { !isFolder($0) }.map { "\($0) is missing or is not a folder." }
    problems += missing.isEmpty ? await probe.problems() : missing
    for (disk, free) in await diskSpace.measure() {
      guard let free else {
        problems.append("The free space on the disk that holds the \(disk.holds) cannot be read.")
        continue
      }
      if free < diskSpace.minimumFreeBytes {
        problems.append(
          "The disk that holds the \(disk.holds) is nearly full: new downloads wait until there is free space.")
      }
    }
    if problems.isEmpty, await diskSpace.shortage() != nil {
      problems.append("A disk is full: new downloads wait until there is free space.")
    }
    return problems
  }

  private func isFolder(_ path: FilePath) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path.string, isDirectory: &isFolder) && isFolder.boolValue
  }
}
