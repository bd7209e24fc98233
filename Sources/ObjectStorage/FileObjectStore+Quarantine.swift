import Foundation
package import Model
import SystemPackage

extension FileObjectStore {
  package func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) {
    let (path, moment) = (path(of: key), now())
    let target = quarantineFolder.appending("\(moment.fileName)-\(path.lastComponent?.string ?? "")")
    recent.forget(key)
    // Again at the end: whoever opened it meanwhile has what is not to be served any more.
    defer { recent.forget(key) }
    // The length of what is still there, and has to be copied.
    let left = try await threads.blocking("quarantine object") { () throws -> Int64? in
      guard let file = try FileSystemCalls.file(path) else { return nil }
      if try FileSystemCalls.makeFolder(quarantineFolder) {
        try FileSystemCalls.syncFolder(quarantineFolder.removingLastComponent())
      }
      let note = ["key": key.description, "reason": reason, "quarantined_at": moment.iso8601]
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      // The note first: a file whose reason nobody knows is the worse half.
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
}
