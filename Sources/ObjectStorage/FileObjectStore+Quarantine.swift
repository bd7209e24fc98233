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
      guard let file = try FileSystemCalls.file(path) else { return nil }
      if try FileSystemCalls.makeFolder(quarantineFolder) {
        try FileSystemCalls.syncFolder(quarantineFolder.removingLastComponent())
      }
      let note = ["object": name.description, "reason": reason, "quarantined_at": moment.iso8601]
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      // The note is written first: after a crash a note without a file is harmless, a file without a reason is not.
      try FileSystemCalls.write([UInt8](try encoder.encode(note)), to: FilePath("\(target).json"))
      guard try FileSystemCalls.renamed(path, to: target) else { return file.bytes }
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
