import Catalog
import Model
import Pipeline
import SystemPackage

/// Finds problems that keep a node from working.
struct Readiness: Sendable {
  let catalog: Catalog
  /// The file of an SQLite catalog.
  let file: FilePath?
  let diskSpace: DiskSpaceMonitor

  func problems() async -> [String] {
    var problems: [String] = []
    do throws(TapedeckError) {
      // Damage stays reported: the pages that a query reads may be whole.
      if let damage = catalog.database.damage { throw damage }
      _ = try await catalog.hasAccounts()
    } catch {
      problems.append(file.map { error.about($0).message } ?? "The catalog cannot be read.")
    }
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
}
