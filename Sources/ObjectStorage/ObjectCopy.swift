import Crypto
package import Model
import NIOCore
package import NIOPosix
package import SystemPackage

/// Copies every object of one store into another, for a move from a folder to a bucket.
///
/// It can be interrupted and run again: objects that the target has are read back, compared and skipped. A damaged one
/// is moved to the target's quarantine and copied again. Nothing is removed from the source.
package struct ObjectCopy: Sendable {
  package struct Outcome: Sendable, Equatable {
    package var copied = 0
    package var copiedBytes: Int64 = 0
    package var alreadyThere = 0
    /// Objects of the target that were damaged and are whole again; they count as copied too.
    package var repaired = 0
    /// Objects whose bytes do not have the expected hash; they were not copied.
    package var damaged: [ObjectName] = []

    package init(
      copied: Int = 0, copiedBytes: Int64 = 0, alreadyThere: Int = 0, repaired: Int = 0, damaged: [ObjectName] = []
    ) {
      self.copied = copied
      self.copiedBytes = copiedBytes
      self.alreadyThere = alreadyThere
      self.repaired = repaired
      self.damaged = damaged
    }
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

  /// - Parameters:
  ///   - expected: the content of each object of a folder as the catalog has it. An object that it does not have is
  ///     copied as it is.
  ///   - progress: called after each of the 256 folders.
  /// - Throws: what the stores and `expected` throw, `diskFull`, `interrupted`.
  package func run(
    expected: (ObjectFolder) async throws(TapedeckError) -> [ObjectName: ObjectContent], progress: (Outcome) -> Void
  ) async throws(TapedeckError) -> Outcome {
    var outcome = Outcome()
    for folder in ObjectFolder.all {
      let there = Set(try await target.objects(in: folder).map(\.name))
      let listed = try await source.objects(in: folder)
      let contents = listed.isEmpty ? [:] : try await expected(folder)
      for object in listed {
        if Task.isCancelled { throw TapedeckError(.interrupted) }
        let expected = contents[object.name]
        if there.contains(object.name), try await isWhole(object.name, expected: expected) {
          outcome.alreadyThere += 1
        } else if try await copy(object.name, expected: expected, replacing: there.contains(object.name)) {
          outcome.copied += 1
          outcome.copiedBytes += object.bytes
          if there.contains(object.name) { outcome.repaired += 1 }
        } else {
          outcome.damaged.append(object.name)
        }
      }
      progress(outcome)
    }
    return outcome
  }

  /// Whether the target's object has the expected content, or that of the source where none is expected.
  private func isWhole(_ name: ObjectName, expected: ObjectContent?) async throws(TapedeckError) -> Bool {
    let wanted = if let expected { expected } else { try await source.content(of: name) }
    do throws(TapedeckError) { return try await target.content(of: name) == wanted } catch {
      guard error.code == .objectDamaged || error.code == .objectMissing else { throw error }
      return false
    }
  }

  /// - Parameter replacing: whether the target has a damaged object of that name. It stays when the source's object is
  ///   damaged too.
  /// - Returns: false when the bytes are not the expected ones.
  private func copy(
    _ name: ObjectName, expected: ObjectContent?, replacing: Bool
  ) async throws(TapedeckError) -> Bool {
    let file = scratch.appending("copy-\(name.file)")
    let object = try await source.open(name)
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
    let content = ObjectContent(hash: ContentHash(digest: hash.finalize()), bytes: offset)
    guard offset == object.bytes, expected == nil || content == expected else {
      try await blocking { try FileSystemCalls.unlink(file) }
      return false
    }
    if offset == 0 { try await blocking { try FileSystemCalls.write([], to: file) } }
    if replacing {
      try await target.quarantine(name, because: "Its hash differed from the catalog when it was copied again.")
    }
    try await target.store(file, as: name, content: content)
    return true
  }

  private func blocking(_ body: @escaping @Sendable () throws -> Void) async throws(TapedeckError) {
    try await threads.blocking("copy objects", body)
  }
}
