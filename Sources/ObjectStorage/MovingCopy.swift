import Model
import NIOPosix
import SystemPackage

/// The copy of a file on its way to another file system, under a name that no listing takes for an object.
///
/// Its lock is held for as long as it is written, so that what a process left that died can be told from it.
final class MovingCopy: Sendable {
  private static let prefix = ".moving"
  /// As much is copied before whoever cancelled it is heard.
  private static let stride: Int64 = 16 << 20

  private let path: FilePath
  private let descriptor: FileDescriptor

  /// Makes an empty one in a folder.
  init(in folder: FilePath) throws {
    path = folder.appending(makeOpaqueID(Self.prefix))
    descriptor = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: [.ownerReadWrite])
    // A file system without locks is no reason to store nothing.
    _ = try? FileSystemCalls.tryLock(descriptor)
  }

  deinit { try? descriptor.close() }

  /// Removes what processes left that died.
  static func removeLeftovers(in folder: FilePath) throws {
    for name in try FileSystemCalls.names(in: folder) where name.hasPrefix("\(prefix)_") {
      let path = folder.appending(name)
      // Finished meanwhile, or not ours: neither is a reason not to begin.
      guard let file = try? FileDescriptor.open(path, .readOnly, options: [.closeOnExec]) else { continue }
      try file.closeAfter {
        if (try? FileSystemCalls.tryLock(file)) ?? false { try FileSystemCalls.unlink(path) }
      }
    }
  }

  /// Writes `bytes` of a file; the copy is empty before.
  func fill(from source: FilePath, bytes: Int64, on threads: NIOThreadPool) async throws(TapedeckError) {
    let file = try await threads.blocking("copy object") { try OpenFile(source, threads: threads) }
    var offset: Int64 = 0
    while offset < bytes {
      let span = offset..<min(bytes, offset + Self.stride)
      try await threads.blocking("copy object") { [self] in try file.copy(span, to: descriptor) }
      offset = span.upperBound
    }
  }

  /// Makes it durable and read-only and gives it its name, in one step.
  func finish(as target: FilePath, bytes: Int64) throws {
    guard try descriptor.seek(offset: 0, from: .end) == bytes else {
      throw TapedeckError(.storageFailed, detail: "the copy for \(target) has not the length of its source")
    }
    try FileSystemCalls.makeReadOnly(descriptor)
    try FileSystemCalls.sync(descriptor)
    try FileSystemCalls.rename(path, to: target)
  }

  func discard() { try? FileSystemCalls.unlink(path) }
}

extension FileObjectStore {
  /// Copies a file to another name on another file system. The copy has its name once it is whole and durable; the
  /// names in the folder are not yet, and the file stays where it is.
  ///
  /// - Parameter way: a folder of the target's file system.
  func copy(
    _ file: FilePath, bytes: Int64, to target: FilePath, by way: FilePath
  ) async throws(TapedeckError) {
    let copy = try await threads.blocking("copy object") { try MovingCopy(in: way) }
    do throws(TapedeckError) {
      try await copy.fill(from: file, bytes: bytes, on: threads)
      try await threads.blocking("copy object") { try copy.finish(as: target, bytes: bytes) }
    } catch {
      // Not on the pool: whoever was cancelled would not be served there any more.
      copy.discard()
      throw error
    }
  }
}
