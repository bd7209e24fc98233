import Foundation
package import Model
import SystemPackage

extension FileObjectStore {
  package func quarantine(_ name: ObjectName, because reason: String) async throws(TapedeckError) {
    let (path, moment) = (path(of: name), now())
    let target = quarantineFolder.appending("\(moment.fileName)-\(name.file)")
    recent.forget(name)
    // Again at the end: a reader may have opened and cached the file meanwhile.
    defer { recent.forget(name) }
    // The length of a file that rename(2) could not move, and that must be copied.
    let left = try await threads.blocking("quarantine object") { () throws -> Int64? in
      guard try FileSystemCalls.exists(path) else { return nil }
      if try FileSystemCalls.makeFolder(quarantineFolder) {
        try FileSystemCalls.syncFolder(quarantineFolder.removingLastComponent())
      }
      let note = ["object": name.description, "reason": reason, "quarantined_at": moment.iso8601]
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      // The note is written first: after a crash a note without a file is harmless, a file without a reason is not.
      try FileSystemCalls.write([UInt8](try encoder.encode(note)), to: FilePath("\(target).json"))
      if try !FileSystemCalls.renamed(path, to: target) {
        if let file = try FileSystemCalls.file(path) { return file.bytes }
        // A folder or link is not copied to another disk; next to the 256 folders it is out of the way.
        try FileSystemCalls.rename(path, to: obstacle(name, moment))
        try FileSystemCalls.syncFolder(root)
      }
      try FileSystemCalls.syncFolder(quarantineFolder)
      try FileSystemCalls.syncFolder(path.removingLastComponent())
      return nil
    }
    guard let left else { return }
    try await copy(path, bytes: left, to: target, by: quarantineFolder)
    try await threads.blocking("quarantine object") {
      try FileSystemCalls.syncFolder(quarantineFolder)
      try FileSystemCalls.unlink(path)
      try FileSystemCalls.syncFolder(path.removingLastComponent())
    }
  }

  private func obstacle(_ name: ObjectName, _ moment: Instant) -> FilePath {
    root.appending("quarantined-\(moment.fileName)-\(name.file)")
  }

  /// Moves a folder out of the place of an object that is to be stored there.
  func moveFolder(at path: FilePath, of name: ObjectName) throws {
    try FileSystemCalls.rename(path, to: obstacle(name, now()))
    try FileSystemCalls.syncFolder(root)
  }

  package func remove(_ name: ObjectName) async throws(TapedeckError) {
    let path = path(of: name)
    recent.forget(name)
    defer { recent.forget(name) }
    try await threads.blocking("remove object") {
      let folder = path.removingLastComponent()
      try FileSystemCalls.unlink(path)
      // Also when the file was already gone: an earlier call may have crashed before this.
      do { try FileSystemCalls.syncFolder(folder) } catch Errno.noSuchFileOrDirectory {}
    }
  }
}
