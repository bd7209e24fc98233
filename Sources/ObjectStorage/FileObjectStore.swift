import Crypto
import Foundation
package import Model
package import NIOPosix
import Synchronization
package import SystemPackage

/// Objects as read-only files below one folder: `ab/abcdef….mp3`.
///
/// Blocking calls run on `threads`, so a slow disk never blocks an event loop.
package struct FileObjectStore: ObjectStore {
  let root: FilePath
  let quarantineFolder: FilePath
  let threads: NIOThreadPool
  let now: @Sendable () -> Instant
  let recent: RecentlyUsed<OpenFile>
  private let durable = DurableFolders()

  /// - Parameters:
  ///   - root: an absolute path; created when missing.
  ///   - quarantine: where damaged objects are moved; created when first needed.
  ///   - keptOpen: how many files stay open after their last use.
  package init(
    root: FilePath, quarantine: FilePath, threads: NIOThreadPool, keptOpen: Int = 64,
    now: @escaping @Sendable () -> Instant
  ) throws(TapedeckError) {
    self.root = root
    quarantineFolder = quarantine
    self.threads = threads
    self.now = now
    recent = RecentlyUsed(limit: keptOpen)
    do {
      let isNew = try FileSystemCalls.makeFolder(root)
      if isNew { try FileSystemCalls.syncFolder(root.removingLastComponent()) }
      for folder in [root, quarantine] { try MovingCopy.removeLeftovers(in: folder) }
    } catch { throw fileSystemError(error, "make folder") }
  }

  package func store(
    _ file: FilePath, as name: ObjectName, content: ObjectContent
  ) async throws(TapedeckError) {
    let target = path(of: name)
    let folder = target.removingLastComponent()
    recent.forget(name)
    // Again at the end: a reader may have opened and cached the file that is being replaced.
    defer { recent.forget(name) }
    let isMoved = try await threads.blocking("store object") {
      try FileSystemCalls.makeFolder(folder)
      let source = try FileSystemCalls.openRegularFile(file)
      return try source.closeAfter {
        guard try source.seek(offset: 0, from: .end) == content.bytes else {
          throw TapedeckError(.storageFailed, detail: "\(file) does not have the expected length")
        }
        do { try FileSystemCalls.sync(source) } catch {
          // After a failed fsync(2) the kernel may have dropped the bytes: the file must not be used later.
          try? FileSystemCalls.unlink(file)
          throw error
        }
        if try FileSystemCalls.isFolder(target) { try moveFolder(at: target, of: name) }
        guard try FileSystemCalls.renamed(file, to: target) else { return false }
        // Only after the rename: the pipeline must be able to write to a file that could not be moved.
        try FileSystemCalls.makeReadOnly(source)
        try makeNamesDurable(folder)
        return true
      }
    }
    guard !isMoved else { return }
    try await copy(file, bytes: content.bytes, to: target, by: root)
    try await threads.blocking("store object") {
      try makeNamesDurable(folder)
      try FileSystemCalls.unlink(file)
    }
  }

  private func makeNamesDurable(_ folder: FilePath) throws {
    try FileSystemCalls.syncFolder(folder)
    // The folder may have been created by another call, or by a process that crashed before it synced the root.
    if !durable.contains(folder) {
      try FileSystemCalls.syncFolder(root)
      durable.insert(folder)
    }
  }

  package func open(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject {
    if let file = recent.value(name) { return file }
    let generation = recent.generation
    let file = try await openFile(name)
    recent.note(file, name, since: generation)
    return file
  }

  package func openAnew(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject {
    recent.forget(name)
    return try await openFile(name)
  }

  package func content(of name: ObjectName) async throws(TapedeckError) -> ObjectContent {
    // Later readers must get the file that is checked here, not one that was opened before.
    recent.forget(name)
    let file = try await openFile(name)
    let hash = ContentHash(digest: try await file.hash(0..<file.bytes).finalize())
    return ObjectContent(hash: hash, bytes: file.bytes)
  }

  package func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    try await threads.blocking("list objects") {
      try FileSystemCalls.names(in: root.appending(folder.description)).compactMap { file in
        guard let name = ObjectName(rawValue: "\(folder)/\(file)"), let file = try FileSystemCalls.file(path(of: name))
        else { return nil }
        return ListedObject(name: name, bytes: file.bytes, changedAt: file.changedAt)
      }
    }
  }

  package func probe() async throws(TapedeckError) -> [String] {
    // Outside of the 256 folders, so that no listing shows it.
    let path = root.appending(makeOpaqueID(".probe"))
    let bytes = randomBytes(32)
    try await threads.blocking("write and read in the archive's folder") {
      defer { try? FileSystemCalls.unlink(path) }
      try FileSystemCalls.write(bytes, to: path)
      guard try [UInt8](RegularFile.bytes(at: path.string)) == bytes else {
        throw TapedeckError(
          .storageFailed, "The archive's folder returned other bytes than were written. Check its disk.")
      }
    }
    return []
  }

  package func location(of name: ObjectName) -> String { path(of: name).string }

  func path(of name: ObjectName) -> FilePath { root.appending(name.description) }

  private func openFile(_ name: ObjectName) async throws(TapedeckError) -> OpenFile {
    let path = path(of: name)
    return try await threads.blocking("open object") {
      do { return try OpenFile(path, threads: threads) } catch Errno.noSuchFileOrDirectory {
        throw TapedeckError(.objectMissing, detail: name.description)
      }
    }
  }
}

/// Folders whose directory entries were synced by this process.
private final class DurableFolders: Sendable {
  private let paths = Mutex(Set<String>())

  func contains(_ folder: FilePath) -> Bool { paths.withLock { $0.contains(folder.string) } }
  func insert(_ folder: FilePath) { paths.withLock { _ = $0.insert(folder.string) } }
}
