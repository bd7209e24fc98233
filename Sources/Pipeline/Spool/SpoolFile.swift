import CXone
import Crypto
package import Model
package import NIOCore
package import NIOPosix
import ObjectStorage
import Synchronization
package import SystemPackage

/// A recording that is being downloaded: bytes are appended while SHA-256 and a conversion read them.
///
/// The file is locked exclusively for the lifetime of this object. One task writes; any number may follow.
package final class SpoolFile: DownloadSink {
  private struct State {
    var length: Int64
    /// The number of bytes that survive a loss of power.
    var syncedLength: Int64
    var isComplete = false
    /// How often the file was shortened; followers may have read the removed bytes.
    var cuts = 0
    /// How often the file was emptied.
    var restarts = 0
    var isAbandoned = false
    /// The furthest offset that a follower has read.
    var followedTo: Int64 = 0
    /// The hash of every byte; nil when some bytes have not been hashed.
    var hash: SHA256?
    var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    var nextWaiter = 0

    mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
      defer { waiters = [:] }
      return Array(waiters.values)
    }
  }

  /// The part of the recording, counted from 0.
  let part: Int
  package let path: FilePath
  private let descriptor: SystemPackage.FileDescriptor
  private let threads: NIOThreadPool
  private let state: Mutex<State>
  /// The number of bytes between syncs, so that a loss of power does not restart a large download from 0.
  private let syncInterval: Int64 = 64 << 20

  /// - Parameter descriptor: open for reading and writing, locked, with `length` bytes in it; closed with this object.
  package init(
    part: Int, path: FilePath, descriptor: SystemPackage.FileDescriptor, length: Int64, threads: NIOThreadPool
  ) {
    self.part = part
    self.path = path
    self.descriptor = descriptor
    self.threads = threads
    // Bytes of an earlier claim may not survive a loss of power until this claim has synced them.
    state = Mutex(State(length: length, syncedLength: 0, hash: length == 0 ? SHA256() : nil))
  }

  deinit { try? descriptor.close() }

  package var length: Int64 { state.withLock { $0.length } }

  package var syncedLength: Int64 { state.withLock { $0.syncedLength } }

  /// How often the file was emptied to restart the download from 0.
  package var restarts: Int { state.withLock { $0.restarts } }

  // MARK: Writing

  package func append(_ bytes: ByteBuffer) async throws(TapedeckError) {
    let offset = length
    try await threads.runSpoolOperation("write spool") { [self] in
      try bytes.withUnsafeReadableBytes { bytes in
        var done = 0
        while done < bytes.count {
          done += try descriptor.write(
            toAbsoluteOffset: offset + Int64(done), UnsafeRawBufferPointer(rebasing: bytes[done...]))
        }
        let waiters = state.withLock { state in
          state.hash?.update(bufferPointer: bytes)
          state.length = offset + Int64(bytes.count)
          return state.takeWaiters()
        }
        for waiter in waiters { waiter.resume() }
      }
    }
    if length - syncedLength >= syncInterval { try await sync() }
  }

  package func cut(to newLength: Int64) async throws(TapedeckError) {
    guard newLength < length else { return }
    try await threads.runSpoolOperation("cut spool") { [self] in
      // Before the file is shortened, so that concurrent readers detect the cut.
      let waiters = state.withLock { state in
        state.length = newLength
        state.syncedLength = min(state.syncedLength, newLength)
        state.hash = newLength == 0 ? SHA256() : nil
        state.cuts += 1
        if newLength == 0 { state.restarts += 1 }
        return state.takeWaiters()
      }
      for waiter in waiters { waiter.resume() }
      try descriptor.resize(to: newLength)
    }
  }

  /// Makes the written bytes durable. On failure the file is removed, and the recording is downloaded again.
  package func sync() async throws(TapedeckError) {
    let reached = length
    try await threads.runSpoolOperation("sync spool") { [descriptor, path] in
      do { try FileSystemCalls.sync(descriptor) } catch {
        // The kernel may have discarded pages that it could not write although they can still be read, and a second
        // fsync(2) would succeed.
        try? FileSystemCalls.unlink(path)
        throw error
      }
    }
    state.withLock { $0.syncedLength = max($0.syncedLength, min(reached, $0.length)) }
  }

  /// Marks the file as complete, so that followers end after the last byte.
  package func complete() {
    let waiters = state.withLock { state in
      state.isComplete = true
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Ends all followers, because no more bytes are coming for now.
  package func abandonFollowers() {
    let waiters = state.withLock { state in
      state.isAbandoned = true
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  // MARK: Reading

  package func bytes(in range: Range<Int64>) async throws(TapedeckError) -> [UInt8] {
    let range = range.clamped(to: 0..<length)
    return try await threads.runSpoolOperation("read spool") { [self] in
      try [UInt8](unsafeUninitializedCapacity: range.count) { space, count in
        while count < range.count {
          let read = try descriptor.read(
            fromAbsoluteOffset: range.lowerBound + Int64(count),
            into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(space)[count..<range.count]))
          guard read > 0 else { throw TapedeckError(.storageFailed, detail: "the spool file is shorter than it was") }
          count += read
        }
      }
    }
  }

  /// The whole file's hash; the file is read again only when it was not written in one pass.
  package func sha256() async throws(TapedeckError) -> ContentHash {
    if let hash = state.withLock({ $0.hash }) { return ContentHash(digest: hash.finalize()) }
    let cuts = state.withLock { $0.cuts }
    var hash = SHA256()
    var offset: Int64 = 0
    while offset < length {
      let piece = try await bytes(in: offset..<min(offset + 1 << 20, length))
      hash.update(data: piece)
      offset += Int64(piece.count)
    }
    state.withLock { [hash] state in
      if state.length == offset, state.cuts == cuts { state.hash = hash }
    }
    return ContentHash(digest: hash.finalize())
  }

  /// Whether the download is incomplete and the follower has read every byte so far.
  package var isStarving: Bool { state.withLock { !$0.isComplete && $0.followedTo >= $0.length } }

  /// The first bytes, at least `count` of them unless the file is shorter; waits for bytes that have not arrived.
  ///
  /// - Throws: `interrupted` when the file is cut or its followers are abandoned meanwhile; `storageFailed`.
  package func prefix(_ count: Int) async throws(TapedeckError) -> [UInt8] {
    let cuts = state.withLock { $0.cuts }
    while true {
      let (length, isComplete, isOver) = state.withLock { state in
        (state.length, state.isComplete, state.cuts != cuts || (state.isAbandoned && !state.isComplete))
      }
      if isOver || Task.isCancelled { throw TapedeckError(.interrupted) }
      if length >= count || isComplete { return try await bytes(in: 0..<Int64(count), unlessCutSince: cuts) }
      await waitForChange(since: length)
    }
  }

  /// The bytes from the start on, waiting for bytes that have not arrived.
  package func follow() -> Follower { Follower(file: self, cuts: state.withLock { $0.cuts }) }

  /// See `SpoolFile.follow()`. Ends with `interrupted` when the file is cut or its followers are abandoned.
  package struct Follower: AsyncSequence, AsyncIteratorProtocol, Sendable {
    fileprivate let file: SpoolFile
    fileprivate let cuts: Int
    private var offset: Int64 = 0

    fileprivate init(file: SpoolFile, cuts: Int) {
      self.file = file
      self.cuts = cuts
    }

    package func makeAsyncIterator() -> Follower { self }

    package mutating func next() async throws -> [UInt8]? {
      while true {
        try Task.checkCancellation()
        let (length, isComplete, isOver) = file.state.withLock { state in
          (state.length, state.isComplete, state.cuts != cuts || (state.isAbandoned && !state.isComplete))
        }
        if isOver { throw TapedeckError(.interrupted) }
        if offset < length {
          let range = offset..<Swift.min(offset + 256 << 10, length)
          let piece = try await file.bytes(in: range, unlessCutSince: cuts)
          offset += Int64(piece.count)
          file.state.withLock { $0.followedTo = offset }
          return piece
        }
        if isComplete { return nil }
        await file.waitForChange(since: length)
      }
    }
  }

  /// - Throws: `interrupted` when the file was cut meanwhile: what was read may be of two versions; `storageFailed`.
  private func bytes(in range: Range<Int64>, unlessCutSince cuts: Int) async throws(TapedeckError) -> [UInt8] {
    let piece: Result<[UInt8], TapedeckError>
    do throws(TapedeckError) { piece = .success(try await bytes(in: range)) } catch { piece = .failure(error) }
    guard state.withLock({ $0.cuts }) == cuts else { throw TapedeckError(.interrupted) }
    return try piece.get()
  }

  private func waitForChange(since length: Int64) async {
    let number = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let hasChanged = state.withLock { state in
          if state.length != length || state.isComplete || state.isAbandoned || Task.isCancelled { return true }
          state.waiters[number] = continuation
          return false
        }
        if hasChanged { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: number) }?.resume()
    }
  }
}
