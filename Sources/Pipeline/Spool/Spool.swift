import Audio
package import Catalog
import Crypto
import Foundation
package import Model
package import NIOPosix
import ObjectStorage
package import SystemPackage

/// The folder of recordings that are being downloaded, and the quarantine folder of those that were refused.
///
/// A file is named by job and fence and locked while a worker uses it. A new fence takes over the old file by
/// renaming it, only after it has its lock.
package struct Spool: Sendable {
  package let folder: FilePath
  package let quarantine: FilePath
  /// Distinguishes this folder from those of other machines and from one that was emptied; stored in a file in it.
  package let id: String
  /// The host name and the path of the quarantine folder, by which people find its files.
  var node: String { "\(ProcessInfo.processInfo.hostName):\(quarantine)" }
  private let threads: NIOThreadPool

  package init(folder: FilePath, quarantine: FilePath, threads: NIOThreadPool) throws(TapedeckError) {
    self.folder = folder
    self.quarantine = quarantine
    self.threads = threads
    do {
      try FileSystemCalls.makeFolder(folder)
      try FileSystemCalls.makeFolder(quarantine)
    } catch { throw fileSystemError(error, "make spool folder") }
    id = Spool.identify(folder)
  }

  private static let idName = ".id"

  private static func identify(_ folder: FilePath) -> String {
    let path = folder.appending(idName)
    if let known = try? RegularFile.text(at: path.string), !known.isEmpty { return known }
    let new = makeOpaqueID("spool")
    do {
      // Empty when its writer died.
      try FileSystemCalls.unlink(path)
      try FileSystemCalls.write([UInt8](new.utf8), to: path)
    } catch {
      // A full disk must not prevent startup; the next process merely trusts none of these files.
      try? FileSystemCalls.unlink(path)
    }
    return new
  }

  /// Opens the spool file of a part: the one that an earlier claim left, or an empty one.
  ///
  /// - Parameter keep: receives the length that an earlier claim left and returns how much of it can be trusted; the
  ///   rest is cut off.
  /// - Throws: `leaseLost` when the file is still locked because another worker is alive.
  package func open(
    _ lease: JobLease, part: Int, keep: @Sendable @escaping (Int64) -> Int64
  ) async throws(TapedeckError) -> SpoolFile {
    try await threads.runSpoolOperation("open spool") {
      let path = file(of: lease, part: part, "part")
      let earlier = try names(of: lease.jobID).filter { $0.contains("-\(part).") }
      if let old = earlier.filter({ $0.hasSuffix(".part") }).max() {
        let oldPath = folder.appending(old)
        let descriptor = try FileSystemCalls.openRegularFile(oldPath, .readWrite)
        do {
          guard try FileSystemCalls.tryLock(descriptor) else { throw TapedeckError(.leaseLost) }
          try FileSystemCalls.rename(oldPath, to: path)
          // Conversions of an earlier claim are repeated.
          for name in earlier where name != old && folder.appending(name) != path {
            try FileSystemCalls.unlink(folder.appending(name))
          }
          let held = try descriptor.seek(offset: 0, from: .end)
          let length = max(0, min(held, keep(held)))
          if length < held { try descriptor.resize(to: length) }
          return SpoolFile(part: part, path: path, descriptor: descriptor, length: length, threads: threads)
        } catch {
          try? descriptor.close()
          throw error
        }
      }
      let descriptor = try FileDescriptor.open(
        path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: [.ownerReadWrite])
      guard try FileSystemCalls.tryLock(descriptor) else {
        try? descriptor.close()
        throw TapedeckError(.leaseLost)
      }
      return SpoolFile(part: part, path: path, descriptor: descriptor, length: 0, threads: threads)
    }
  }

  /// Where a claim writes a file of a part: `JOB-FENCE-PART.ENDING`, in an order in which later claims come last.
  package func file(of lease: JobLease, part: Int, _ ending: String) -> FilePath {
    folder.appending("\(prefix(of: lease))-\(part).\(ending)")
  }

  /// Where a claim writes a file of all parts together.
  func wholeFile(of lease: JobLease, _ ending: String) -> FilePath {
    folder.appending("\(prefix(of: lease))-whole.\(ending)")
  }

  private func prefix(of lease: JobLease) -> String { "\(lease.jobID)-\(String(format: "%08lld", lease.fence))" }

  /// Writes a whole file.
  func write(_ bytes: [UInt8], to path: FilePath) async throws(TapedeckError) {
    try await threads.runSpoolOperation("write spool") {
      try FileSystemCalls.unlink(path)
      let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: [.ownerReadWrite])
      _ = try file.closeAfter { try file.writeAll(bytes) }
    }
  }

  /// Joins the MP3s of parts in one file.
  func join(_ files: [FilePath], to path: FilePath) async throws(TapedeckError) -> JoinedMP3 {
    try await threads.runSpoolOperation("join MP3s") { try JoinedMP3.write(files, to: path) }
  }

  /// A file's hash and length.
  func measure(_ path: FilePath) async throws(TapedeckError) -> ObjectContent {
    try await threads.runSpoolOperation("read spool") {
      let file = try FileSystemCalls.openRegularFile(path)
      return try file.closeAfter {
        var hash = SHA256()
        var bytes: Int64 = 0
        try withUnsafeTemporaryAllocation(byteCount: 256 << 10, alignment: 64) { space in
          while case let count = try file.read(into: space), count > 0 {
            hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: space[..<count]))
            bytes += Int64(count)
          }
        }
        return ObjectContent(hash: ContentHash(digest: hash.finalize()), bytes: bytes)
      }
    }
  }

  /// Removes the files of a claim and of earlier ones; files of later claims are kept.
  package func clear(_ lease: JobLease) async throws(TapedeckError) {
    try await threads.runSpoolOperation("clear spool") {
      let last = "\(prefix(of: lease))-~"
      for name in try names(of: lease.jobID) where name <= last { try FileSystemCalls.unlink(folder.appending(name)) }
    }
  }

  /// Moves refused bytes to quarantine, with the reason in a file next to them. They are never served, and deleted only
  /// by `removeQuarantined`.
  ///
  /// - Parameter name: the name without its ending.
  func refuse(
    _ file: SpoolFile, as name: String, key: RecordingKey, because error: TapedeckError, at now: Instant
  ) async throws(TapedeckError) {
    let hash = try await file.sha256()
    // The bytes and the reason must be durable before the file leaves the spool.
    try await threads.runSpoolOperation("quarantine") {
      let note: [String: String] = [
        "source": key.source.rawValue, "recording": key.id.rawValue, "code": error.code.rawValue,
        "reason": Redactor.shared.redactSecrets(error.message), "sha256": hash.rawValue, "refused_at": now.iso8601,
      ]
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
      let part = try FileSystemCalls.openRegularFile(file.path)
      try part.closeAfter { try FileSystemCalls.sync(part) }
      // An attempt that failed or crashed before the move may have left its note.
      try FileSystemCalls.unlink(self.note(of: name))
      try FileSystemCalls.write([UInt8](try encoder.encode(note)), to: self.note(of: name))
      try FileSystemCalls.syncFolder(quarantine)
      try FileSystemCalls.rename(file.path, to: quarantined(name))
      try FileSystemCalls.syncFolder(quarantine)
    }
  }

  /// The path of a quarantined file.
  func quarantined(_ name: String) -> FilePath { quarantine.appending(QuarantineRow.fileName(name)) }
  private func note(of name: String) -> FilePath { quarantine.appending("\(name).json") }

  /// Makes a second name, in the spool, for a quarantined file.
  func link(_ path: FilePath, as name: String) async throws(TapedeckError) -> FilePath {
    try await threads.runSpoolOperation("link quarantined file") {
      let target = folder.appending(name)
      try FileSystemCalls.unlink(target)
      try FileSystemCalls.link(path, to: target)
      return target
    }
  }

  /// Whether a quarantined file exists; false when there is something else in its place.
  func hasQuarantined(_ path: FilePath) async throws(TapedeckError) -> Bool {
    try await threads.runSpoolOperation("find quarantined file") {
      try FileSystemCalls.file(path) != nil
    }
  }

  /// The first bytes of a file.
  func prefix(of path: FilePath, _ count: Int) async throws(TapedeckError) -> [UInt8] {
    try await threads.runSpoolOperation("read quarantined file") {
      let file = try FileSystemCalls.openRegularFile(path)
      return try file.closeAfter {
        try [UInt8](unsafeUninitializedCapacity: count) { space, length in
          while length < count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(space)[length...])
            let read = try file.read(into: rest)
            if read == 0 { break }
            length += read
          }
        }
      }
    }
  }

  /// Removes a quarantined file and the note next to it.
  func removeQuarantined(_ name: String) async throws(TapedeckError) {
    try await threads.runSpoolOperation("remove quarantined file") {
      for path in [quarantined(name), note(of: name)] { try FileSystemCalls.unlink(path) }
      try FileSystemCalls.syncFolder(quarantine)
    }
  }

  /// The hash of a quarantined file as it is now; nil when there is none.
  func quarantinedHash(of name: String) async throws(TapedeckError) -> ContentHash? {
    let path = quarantined(name)
    return try await hasQuarantined(path) ? try await measure(path).hash : nil
  }

  /// The names of the quarantined files, without their ending.
  func quarantinedNames() async throws(TapedeckError) -> [String] {
    try await threads.runSpoolOperation("list quarantine") {
      try FileSystemCalls.names(in: quarantine).compactMap(QuarantineRow.name(ofFile:))
    }
  }

  /// Removes files that belong to no unfinished job; called at start, while only this process uses the data directory.
  ///
  /// - Returns: the number of removed files.
  package func removeOrphans(keeping jobs: Set<Int64>) async throws(TapedeckError) -> Int {
    try await threads.runSpoolOperation("remove orphans") {
      var count = 0
      for name in try FileSystemCalls.names(in: folder) where name != Spool.idName {
        let isKept = Int64(name.prefix { $0 != "-" }).map(jobs.contains) ?? false
        // Only downloaded bytes are kept; conversions are repeated.
        if isKept, name.hasSuffix(".part") { continue }
        try FileSystemCalls.unlink(folder.appending(name))
        count += 1
      }
      return count
    }
  }

  /// The IDs of the jobs that have files in the spool.
  func jobs() async throws(TapedeckError) -> Set<Int64> {
    try await threads.runSpoolOperation("list spool") {
      Set(try FileSystemCalls.names(in: folder).compactMap { name in Int64(name.prefix { $0 != "-" }) })
    }
  }

  private func names(of jobID: Int64) throws -> [String] {
    try FileSystemCalls.names(in: folder).filter { $0.hasPrefix("\(jobID)-") }
  }
}
