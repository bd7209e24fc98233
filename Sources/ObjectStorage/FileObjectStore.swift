#if canImport(Glibc)
  import Glibc
#endif
package import Model
import struct NIOCore.ByteBuffer
package import NIOPosix
package import SystemPackage

/// Objects as files below one folder: `ab/abcdef….mp3`, read-only, never changed.
///
/// Every call that may block runs on a thread pool of its own, so a slow disk stops no event loop.
package struct FileObjectStore: ObjectStore {
  private let root: FilePath
  private let threads: NIOThreadPool

  /// - Parameter root: an absolute path; made when missing.
  package init(root: FilePath, threads: NIOThreadPool) throws(TapedeckError) {
    self.root = root
    self.threads = threads
    do { try FileSystemCalls.makeFolder(root) } catch { throw wrapped(error, "make folder") }
  }

  package func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError) {
    let target = root.appending(key.description)
    try await blocking("store object") {
      let folder = target.removingLastComponent()
      let isNew = try FileSystemCalls.makeFolder(folder)
      let source = try FileDescriptor.open(file, .readOnly)
      try source.closeAfter {
        guard try source.seek(offset: 0, from: .end) == bytes else {
          throw TapedeckError(.storageFailed, detail: "\(file) has not the length that was counted")
        }
        try FileSystemCalls.makeReadOnly(source)
        try FileSystemCalls.sync(source)
      }
      try FileSystemCalls.rename(file, to: target)
      try FileSystemCalls.syncFolder(folder)
      if isNew { try FileSystemCalls.syncFolder(root) }
    }
  }

  package func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject {
    let path = root.appending(key.description)
    return try await blocking("open object") {
      let descriptor = try FileDescriptor.open(path, .readOnly)
      do {
        return OpenFile(descriptor: descriptor, bytes: try descriptor.seek(offset: 0, from: .end), threads: threads)
      } catch {
        try? descriptor.close()
        throw error
      }
    }
  }

  package func remove(_ key: ObjectKey) async throws(TapedeckError) {
    let path = root.appending(key.description)
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

  deinit { try? descriptor.close() }

  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer {
    let count = Int(min(Int64(limit), max(0, bytes - offset)))
    guard count > 0 else { return ByteBuffer() }
    do {
      return try await threads.runIfActive { [descriptor] in
        var buffer = ByteBuffer()
        let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
          try descriptor.read(fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
        }
        guard read > 0 else { throw TapedeckError(.objectDamaged, detail: "an object is shorter than when it was opened") }
        return buffer
      }
    } catch { throw wrapped(error, "read object") }
  }

  // The descriptor is closed with the last reference: a read that is under way on another thread must not meet a
  // number that was given to another file meanwhile.
  func close() async {}
}

/// The one place where the file system's failures become ours.
private func wrapped(_ error: any Error, _ what: String) -> TapedeckError {
  switch error {
  case let error as TapedeckError: error
  case Errno.noSpace, Errno.diskQuotaExceeded: TapedeckError(.diskFull, detail: what, cause: error)
  case Errno.noSuchFileOrDirectory: TapedeckError(.objectMissing, detail: what, cause: error)
  default: TapedeckError(.storageFailed, detail: "\(what): \(error)", cause: error)
  }
}
