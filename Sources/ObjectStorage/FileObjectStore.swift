package import Model
package import NIOPosix
import Synchronization
package import SystemPackage

import struct NIOCore.ByteBuffer

/// Objects as files below one folder: `ab/abcdef….mp3`, read-only, never changed.
///
/// Every call that may block runs on a thread pool of its own, so a slow disk stops no event loop.
package struct FileObjectStore: ObjectStore {
  private let root: FilePath
  private let threads: NIOThreadPool
  private let recent = RecentFiles()

  /// - Parameter root: an absolute path; made when missing.
  package init(root: FilePath, threads: NIOThreadPool) throws(TapedeckError) {
    self.root = root
    self.threads = threads
    do {
      let isNew = try FileSystemCalls.makeFolder(root)
      if isNew { try FileSystemCalls.syncFolder(root.removingLastComponent()) }
    } catch { throw wrapped(error, "make folder") }
  }

  package func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError) {
    let target = root.appending(key.description)
    recent.forget(key)
    try await blocking("store object") {
      let folder = target.removingLastComponent()
      try FileSystemCalls.makeFolder(folder)
      let source = try FileDescriptor.open(file, .readOnly, options: [.closeOnExec])
      try source.closeAfter {
        guard try source.seek(offset: 0, from: .end) == bytes else {
          throw TapedeckError(.storageFailed, detail: "\(file) has not the length that was counted")
        }
        do { try FileSystemCalls.sync(source) } catch {
          // What the kernel could not write it may have dropped: these bytes must not be taken for good later.
          try? FileSystemCalls.unlink(file)
          throw error
        }
        try FileSystemCalls.rename(file, to: target)
        // Only now: a file that could not be moved must stay one that the pipeline can write to.
        try FileSystemCalls.makeReadOnly(source)
      }
      try FileSystemCalls.syncFolder(folder)
      // Whoever made the folder may not have come this far: another call, or a process that died.
      if !recent.isDurable(folder) {
        try FileSystemCalls.syncFolder(root)
        recent.noteDurable(folder)
      }
    }
  }

  package func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject {
    if let file = recent.file(key) { return file }
    let path = root.appending(key.description)
    return try await blocking("open object") {
      let descriptor: FileDescriptor
      do {
        descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
      } catch Errno.noSuchFileOrDirectory {
        throw TapedeckError(.objectMissing, detail: key.description)
      }
      do {
        let file = OpenFile(
          descriptor: descriptor, bytes: try descriptor.seek(offset: 0, from: .end), threads: threads)
        recent.note(file, key)
        return file
      } catch {
        try? descriptor.close()
        throw error
      }
    }
  }

  package func remove(_ key: ObjectKey) async throws(TapedeckError) {
    let path = root.appending(key.description)
    recent.forget(key)
    try await blocking("remove object") { try FileSystemCalls.unlink(path) }
  }

  package func keys(unchangedSince moment: Instant) async throws(TapedeckError) -> [ObjectKey] {
    try await blocking("list objects") {
      try FileSystemCalls.names(in: root).flatMap { folder in
        try FileSystemCalls.names(in: root.appending(folder)).compactMap { name in
          guard let key = ObjectKey("\(folder)/\(name)"),
            let changed = try FileSystemCalls.changedAt(root.appending(key.description)), changed < moment
          else { return nil }
          return key
        }
      }
    }
  }

  package func location(of key: ObjectKey) -> String { root.appending(key.description).string }

  private func blocking<T: Sendable>(
    _ what: String, _ body: @escaping @Sendable () throws -> T
  ) async throws(TapedeckError) -> T {
    do { return try await threads.runIfActive(body) } catch { throw wrapped(error, what) }
  }
}

/// What a store remembers: files that were just read, since a player asks for one in many ranges, and folders whose names
/// are known to survive a loss of power.
private final class RecentFiles: Sendable {
  private struct State {
    var files: [ObjectKey: OpenFile] = [:]
    var order: [ObjectKey] = []
    var durable: Set<String> = []
  }

  private let state = Mutex(State())
  private let limit = 64

  func file(_ key: ObjectKey) -> OpenFile? { state.withLock { $0.files[key] } }

  func note(_ file: OpenFile, _ key: ObjectKey) {
    state.withLock { state in
      if state.files.updateValue(file, forKey: key) == nil { state.order.append(key) }
      if state.order.count > limit { state.files[state.order.removeFirst()] = nil }
    }
  }

  func forget(_ key: ObjectKey) {
    state.withLock { state in
      state.files[key] = nil
      state.order.removeAll { $0 == key }
    }
  }

  func isDurable(_ folder: FilePath) -> Bool { state.withLock { $0.durable.contains(folder.string) } }
  func noteDurable(_ folder: FilePath) { state.withLock { _ = $0.durable.insert(folder.string) } }
}

/// A file held open, so that it can be read to its end even if it is removed meanwhile.
private final class OpenFile: StoredObject {
  let bytes: Int64
  private let descriptor: FileDescriptor
  private let threads: NIOThreadPool

  init(descriptor: FileDescriptor, bytes: Int64, threads: NIOThreadPool) {
    self.descriptor = descriptor
    self.bytes = bytes
    self.threads = threads
  }

  // With the last reference: a read that is under way on another thread must not meet a number that was given to
  // another file meanwhile.
  deinit { try? descriptor.close() }

  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer {
    guard (0..<bytes).contains(offset), limit > 0 else { return ByteBuffer() }
    let count = Int(min(Int64(limit), bytes - offset))
    do {
      // Holds the object, and so the descriptor, until the read is over.
      return try await threads.runIfActive { [self] in
        var buffer = ByteBuffer()
        let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
          try descriptor.read(
            fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
        }
        guard read > 0 else {
          throw TapedeckError(.objectDamaged, detail: "an object is shorter than when it was opened")
        }
        return buffer
      }
    } catch { throw wrapped(error, "read object") }
  }
}

/// The one place where the file system's failures become ours.
private func wrapped(_ error: any Error, _ what: String) -> TapedeckError {
  switch error {
  case let error as TapedeckError: error
  case is CancellationError: TapedeckError(.interrupted, cause: error)
  case Errno.noSpace, Errno.diskQuotaExceeded: TapedeckError(.diskFull, detail: what, cause: error)
  default: TapedeckError(.storageFailed, detail: "\(what): \(error)", cause: error)
  }
}
