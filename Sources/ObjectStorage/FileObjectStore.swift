import Crypto
import Foundation
package import Model
package import NIOPosix
import Synchronization
package import SystemPackage

/// Objects as files below one folder: `ab/abcdef….mp3`, read-only, never changed.
///
/// Every call that may block runs on `threads`, so a slow disk stops no event loop.
package struct FileObjectStore: ObjectStore {
  let root: FilePath
  let quarantineFolder: FilePath
  let threads: NIOThreadPool
  let now: @Sendable () -> Instant
  let recent = RecentlyUsed<OpenFile>()
  private let durable = DurableFolders()

  /// - Parameters:
  ///   - root: an absolute path; made when missing.
  ///   - quarantine: where damaged objects are moved; made when one is.
  package init(
    root: FilePath, quarantine: FilePath, threads: NIOThreadPool, now: @escaping @Sendable () -> Instant
  ) throws(TapedeckError) {
    self.root = root
    quarantineFolder = quarantine
    self.threads = threads
    self.now = now
    do {
      let isNew = try FileSystemCalls.makeFolder(root)
      if isNew { try FileSystemCalls.syncFolder(root.removingLastComponent()) }
      for folder in [root, quarantine] { try MovingCopy.removeLeftovers(in: folder) }
    } catch { throw wrapped(error, "make folder") }
  }

  package func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError) {
    let target = path(of: key)
    let folder = target.removingLastComponent()
    recent.forget(key)
    // Again at the end: whoever opened it meanwhile may have found what was there before.
    defer { recent.forget(key) }
    let isMoved = try await threads.blocking("store object") {
      try FileSystemCalls.makeFolder(folder)
      let source = try FileDescriptor.open(file, .readOnly, options: [.closeOnExec])
      return try source.closeAfter {
        guard try source.seek(offset: 0, from: .end) == bytes else {
          throw TapedeckError(.storageFailed, detail: "\(file) has not the length that was counted")
        }
        do { try FileSystemCalls.sync(source) } catch {
          // What the kernel could not write it may have dropped: these bytes must not be taken for good later.
          try? FileSystemCalls.unlink(file)
          throw error
        }
        guard try FileSystemCalls.renamed(file, to: target) else { return false }
        // Only now: a file that could not be moved must stay one that the pipeline can write to.
        try FileSystemCalls.makeReadOnly(source)
        try makeNamesDurable(folder)
        return true
      }
    }
    guard !isMoved else { return }
    try await copy(file, bytes: bytes, to: target, by: root)
    try await threads.blocking("store object") {
      try makeNamesDurable(folder)
      try FileSystemCalls.unlink(file)
    }
  }

  private func makeNamesDurable(_ folder: FilePath) throws {
    try FileSystemCalls.syncFolder(folder)
    // Whoever made the folder may not have come this far: another call, or a process that died.
    if !durable.contains(folder) {
      try FileSystemCalls.syncFolder(root)
      durable.insert(folder)
    }
  }

  package func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject {
    if let file = recent.value(key) { return file }
    let forgettings = recent.forgettings
    let file = try await openFile(key)
    recent.note(file, key, since: forgettings)
    return file
  }

  package func sha256(of key: ObjectKey) async throws(TapedeckError) -> (sha256: String, bytes: Int64) {
    // Whoever has to look again at what lies there must not be given what was held open before.
    recent.forget(key)
    let file = try await openFile(key)
    return (hex(try await file.hash(0..<file.bytes).finalize()), file.bytes)
  }

  package func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    try await threads.blocking("list objects") {
      try FileSystemCalls.names(in: root.appending(folder.description)).compactMap { name in
        guard let key = ObjectKey("\(folder)/\(name)"), let file = try FileSystemCalls.file(path(of: key)) else {
          return nil
        }
        return ListedObject(key: key, bytes: file.bytes, changedAt: file.changedAt)
      }
    }
  }

  package func probe() async throws(TapedeckError) {
    // Not below one of the 256 folders, so no listing meets it.
    let path = root.appending(makeOpaqueID(".probe"))
    let bytes = randomBytes(32)
    try await threads.blocking("write and read in the archive's folder") {
      defer { try? FileSystemCalls.unlink(path) }
      try FileSystemCalls.write(bytes, to: path)
      guard try [UInt8](Data(contentsOf: URL(fileURLWithPath: path.string))) == bytes else {
        throw TapedeckError(.storageFailed, "What was written to the archive was not what was read back.")
      }
    }
  }

  package func location(of key: ObjectKey) -> String { path(of: key).string }

  func path(of key: ObjectKey) -> FilePath { root.appending(key.description) }

  private func openFile(_ key: ObjectKey) async throws(TapedeckError) -> OpenFile {
    let path = path(of: key)
    return try await threads.blocking("open object") {
      do { return try OpenFile(path, threads: threads) } catch Errno.noSuchFileOrDirectory {
        throw TapedeckError(.objectMissing, detail: key.description)
      }
    }
  }
}

/// The folders whose names are known to survive a loss of power.
private final class DurableFolders: Sendable {
  private let paths = Mutex(Set<String>())

  func contains(_ folder: FilePath) -> Bool { paths.withLock { $0.contains(folder.string) } }
  func insert(_ folder: FilePath) { paths.withLock { _ = $0.insert(folder.string) } }
}
