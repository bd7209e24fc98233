import Model
import NIOPosix
import SystemPackage

/// A copy of a file that is being written on another file system, under a name that is not an object name.
///
/// It is locked while it is written, so that copies left by a crashed process can be recognized and removed.
final class MovingCopy: Sendable {
  private static let prefix = ".moving"
  /// The bytes copied between two checks for cancellation.
  private static let stride: Int64 = 16 << 20

  private let path: FilePath
  private let descriptor: FileDescriptor

  /// Creates an empty copy in a folder.
  init(in folder: FilePath) throws {
    path = folder.appending(makeOpaqueID(Self.prefix))
    descriptor = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: [.ownerReadWrite])
    // A file system without locks must not prevent storing.
    _ = try? FileSystemCalls.tryLock(descriptor)
  }

  deinit { try? descriptor.close() }

  /// Removes copies that crashed processes left.
  static func removeLeftovers(in folder: FilePath) throws {
    for name in try FileSystemCalls.names(in: folder) where name.hasPrefix("\(prefix)_") {
      let path = folder.appending(name)
      // It may have been renamed meanwhile, or belong to another user: neither must prevent the start.
      guard let file = try? FileSystemCalls.openRegularFile(path) else { continue }
      try file.closeAfter {
        if (try? FileSystemCalls.tryLock(file)) ?? false { try FileSystemCalls.unlink(path) }
      }
    }
  }

  /// Writes the first `bytes` of a file into the empty copy.
  func fill(from source: FilePath, bytes: Int64, on threads: NIOThreadPool) async throws(TapedeckError) {
    let file = try await threads.blocking("copy object") { try OpenFile(source, threads: threads) }
    var offset: Int64 = 0
    while offset < bytes {
      let span = offset..<min(bytes, offset + Self.stride)
      try await threads.blocking("copy object") { [self] in try file.copy(span, to: descriptor) }
      offset = span.upperBound
    }
  }

  /// Makes the copy durable and read-only and renames it to its final name.
  func finish(as target: FilePath, bytes: Int64) throws {
    guard try descriptor.seek(offset: 0, from: .end) == bytes else {
      throw TapedeckError(.storageFailed, detail: "the copy for \(target) does not have the length of its source")
    }
    try FileSystemCalls.makeReadOnly(descriptor)
    try FileSystemCalls.sync(descriptor)
    try FileSystemCalls.rename(path, to: target)
  }

  func discard() { try? FileSystemCalls.unlink(path) }
}

extension FileObjectStore {
  /// Copies a file to another file system. The copy gets its name once it is complete and durable; the caller syncs the
  /// target's folder and removes the source.
  ///
  /// - Parameter way: a folder on the target's file system.
  func copy(
    _ file: FilePath, bytes: Int64, to target: FilePath, by way: FilePath
  ) async throws(TapedeckError) {
    let copy = try await threads.blocking("copy object") { try MovingCopy(in: way) }
    do throws(TapedeckError) {
      try await copy.fill(from: file, bytes: bytes, on: threads)
      try await threads.blocking("copy object") { try copy.finish(as: target, bytes: bytes) }
    } catch {
      // Not on the pool: it refuses work of a cancelled task.
      copy.discard()
      throw error
    }
  }
}
