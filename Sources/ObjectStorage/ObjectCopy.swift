import Crypto
package import Model
import NIOCore
package import NIOPosix
package import SystemPackage

/// Brings every object of one store into another, for the day when a folder becomes a bucket.
///
/// May be broken off and run again: what is there already is left as it is. Nothing is removed from the old store.
package struct ObjectCopy: Sendable {
  /// What a copy did.
  package struct Outcome: Sendable, Equatable {
    package var copied = 0
    package var copiedBytes: Int64 = 0
    package var alreadyThere = 0
    /// Objects whose bytes are not those that their name says; they were not copied.
    package var damaged: [ObjectKey] = []
  }

  private let source: any ObjectStore
  private let target: any ObjectStore
  private let scratch: FilePath
  private let threads: NIOThreadPool

  /// - Parameter scratch: a folder with space for the largest object.
  package init(from source: any ObjectStore, to target: any ObjectStore, scratch: FilePath, threads: NIOThreadPool) {
    self.source = source
    self.target = target
    self.scratch = scratch
    self.threads = threads
  }

  /// - Parameter progress: told after each of the 256 folders.
  /// - Throws: what the stores throw, `diskFull`, `interrupted`.
  package func run(progress: (Outcome) -> Void) async throws(TapedeckError) -> Outcome {
    var outcome = Outcome()
    for folder in ObjectFolder.all {
      let there = Dictionary(try await target.objects(in: folder).map { ($0.key, $0.bytes) }) { first, _ in first }
      for object in try await source.objects(in: folder) {
        if Task.isCancelled { throw TapedeckError(.interrupted) }
        if there[object.key] == object.bytes {
          outcome.alreadyThere += 1
        } else if try await copy(object.key) {
          outcome.copied += 1
          outcome.copiedBytes += object.bytes
        } else {
          outcome.damaged.append(object.key)
        }
      }
      progress(outcome)
    }
    return outcome
  }

  /// - Returns: false when the bytes are not those that the name says.
  private func copy(_ key: ObjectKey) async throws(TapedeckError) -> Bool {
    let file = scratch.appending("copy-\(key.sha256).\(key.kind.rawValue)")
    let object = try await source.open(key)
    var hash = SHA256()
    var offset: Int64 = 0
    try await blocking { try FileSystemCalls.unlink(file) }
    while offset < object.bytes {
      let piece = try await object.read(at: offset, limit: 1 << 20)
      guard piece.readableBytes > 0 else { break }
      piece.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
      let position = offset
      try await blocking {
        let descriptor = try FileDescriptor.open(
          file, .writeOnly, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
        _ = try descriptor.closeAfter {
          try piece.withUnsafeReadableBytes { try descriptor.writeAll(toAbsoluteOffset: position, $0) }
        }
      }
      offset += Int64(piece.readableBytes)
    }
    guard offset == object.bytes, hex(hash.finalize()) == key.sha256 else {
      try await blocking { try FileSystemCalls.unlink(file) }
      return false
    }
    try await target.store(file, as: key, bytes: object.bytes)
    return true
  }

  private func blocking(_ body: @escaping @Sendable () throws -> Void) async throws(TapedeckError) {
    do { try await threads.runIfActive(body) } catch Errno.noSpace {
      throw TapedeckError(.diskFull, detail: "copy objects")
    } catch {
      throw error as? TapedeckError ?? TapedeckError(.storageFailed, detail: "copy objects: \(error)", cause: error)
    }
  }
}
