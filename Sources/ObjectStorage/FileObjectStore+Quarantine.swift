import Foundation
package import Model
import SystemPackage

extension FileObjectStore {
  package func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) {
    let (path, moment) = (path(of: key), now())
    recent.forget(key)
    try await threads.blocking("quarantine object") {
      guard try FileSystemCalls.file(path) != nil else { return }
      if try FileSystemCalls.makeFolder(quarantineFolder) {
        try FileSystemCalls.syncFolder(quarantineFolder.removingLastComponent())
      }
      let name = "\(moment.fileName)-\(path.lastComponent?.string ?? "")"
      let note = ["key": key.description, "reason": reason, "quarantined_at": moment.iso8601]
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      // The note first: a file whose reason nobody knows is the worse half.
      try FileSystemCalls.write([UInt8](try encoder.encode(note)), to: quarantineFolder.appending("\(name).json"))
      try FileSystemCalls.rename(path, to: quarantineFolder.appending(name))
      try FileSystemCalls.syncFolder(quarantineFolder)
      try FileSystemCalls.syncFolder(path.removingLastComponent())
    }
  }
}
