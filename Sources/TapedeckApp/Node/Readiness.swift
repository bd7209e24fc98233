package import Catalog
import Foundation
import Model
package import Pipeline
package import SystemPackage

/// Finds problems that keep a node from working.
package struct Readiness: Sendable {
  private let catalog: Catalog
  /// The file of an SQLite catalog.
  private let file: FilePath?
  /// What must be a folder.
  private let folders: [FilePath]
  private let diskSpace: DiskSpaceMonitor

  package init(catalog: Catalog, file: FilePath?, folders: [FilePath], diskSpace: DiskSpaceMonitor) {
    self.catalog = catalog
    self.file = file
    self.folders = folders
    self.diskSpace = diskSpace
  }

  /// A sentence for each problem.
  package func problems() async -> [String] {
    var problems: [String] = []
    do throws(TapedeckError) {
      // Damage stays reported: the pages that a query reads may be whole.
      if let damage = catalog.database.damage { throw damage }
      _ = try await catalog.hasAccounts()
      try await catalog.checkSchema(mayBeEmpty: false)
    } catch {
      problems.append(file.map { error.about($0).message } ?? "The catalog cannot be read.")
    }
    problems += folders.filter { !isFolder($0) }.map { "\($0) is not a folder, or is missing." }
    for (disk, free) in await diskSpace.measure() {
      guard let free else {
        problems.append("The free space of the disk of the \(disk.holds) cannot be read.")
        continue
      }
      if free < diskSpace.minimumFreeBytes {
        problems.append(
          "The disk of the \(disk.holds) is nearly full: new downloads wait until there is free space.")
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
