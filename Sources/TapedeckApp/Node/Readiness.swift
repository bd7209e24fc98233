import Catalog
import Model
import Pipeline

/// Finds problems that keep a node from working.
struct Readiness: Sendable {
  let catalog: Catalog
  let diskSpace: DiskSpaceGate

  func problems() async -> [String] {
    var problems: [String] = []
    do { _ = try await catalog.hasAccounts() } catch { problems.append("The catalog cannot be read.") }
    for (disk, free) in await diskSpace.look() {
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
