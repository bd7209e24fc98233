import Crypto
import Foundation
package import Model
import NIOPosix
import SystemPackage

import struct NIOCore.ByteBuffer

/// A file held open, so that it can be read to its end even if it is deleted meanwhile.
final class OpenFile: StoredObject {
  /// The bytes hashed between two checks for cancellation.
  private static let stride: Int64 = 16 << 20
  /// The longest read from the page cache on the caller's thread.
  private static let shortRead = 256 << 10

  let bytes: Int64
  private let descriptor: FileDescriptor
  private let threads: NIOThreadPool

  /// Opens a regular file with a blocking call; throws `Errno`, and `objectDamaged` for anything else, such as a
  /// symbolic link.
  init(_ path: FilePath, threads: NIOThreadPool) throws {
    let descriptor: FileDescriptor
    do { descriptor = try FileSystemCalls.openRegularFile(path) } catch RegularFile.Failure.notRegular {
      throw TapedeckError(.objectDamaged, detail: "\(path) is \(try FileSystemCalls.description(ofSpecial: path))")
    }
    do { bytes = try descriptor.seek(offset: 0, from: .end) } catch {
      try? descriptor.close()
      throw error
    }
    self.descriptor = descriptor
    self.threads = threads
  }

  // Only with the last reference: a read on another thread must not use a descriptor number that the kernel has
  // given to another file.
  deinit { try? descriptor.close() }

  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer {
    guard (0..<bytes).contains(offset), limit > 0 else { return ByteBuffer() }
    let count = Int(min(Int64(limit), bytes - offset))
    if count <= Self.shortRead, let buffer = cached(offset, count) { return buffer }
    // Keeps the object, and so the descriptor, alive until the read ends.
    return try await threads.blocking("read object") { [self] in
      var buffer = ByteBuffer()
      let read = try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
        try descriptor.read(
          fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
      }
      guard read > 0 else { throw OpenFile.shortened }
      return buffer
    }
  }

  /// Reads from the page cache: switching to another thread would take longer than the read.
  private func cached(_ offset: Int64, _ count: Int) -> ByteBuffer? {
    var buffer = ByteBuffer()
    let read = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { space in
      let space = UnsafeMutableRawBufferPointer(rebasing: space[..<count])
      return FileSystemCalls.readWithoutWaiting(descriptor, at: offset, into: space) ? count : 0
    }
    return read == count ? buffer : nil
  }

  /// Adds some of the file's bytes to a hash.
  ///
  /// - Throws: `objectDamaged` when the file was truncated, `storageFailed`, `interrupted`.
  func hash(_ span: Range<Int64>, continuing hash: SHA256 = SHA256()) async throws(TapedeckError) -> SHA256 {
    var hash = hash
    var offset = span.lowerBound
    while offset < span.upperBound {
      let end = min(span.upperBound, offset + Self.stride)
      hash = try await threads.blocking("read object") { [self, hash, offset] in
        try added(offset..<end, to: hash)
      }
      offset = end
    }
    return hash
  }

  /// The MD5 of the file; services without SHA-256 report an object's MD5 instead.
  ///
  /// - Throws: as `hash`.
  func md5() async throws(TapedeckError) -> Insecure.MD5.Digest {
    try await threads.blocking("read object") { [self] in
      var hash = Insecure.MD5()
      try forEachPiece(of: 0..<bytes) { _, piece in hash.update(bufferPointer: piece) }
      return hash.finalize()
    }
  }

  private func added(_ span: Range<Int64>, to hash: SHA256) throws -> SHA256 {
    var hash = hash
    try forEachPiece(of: span) { _, piece in hash.update(bufferPointer: piece) }
    return hash
  }

  /// Copies some of the file's bytes to the same offset of another file, with blocking calls.
  func copy(_ span: Range<Int64>, to target: FileDescriptor) throws {
    try forEachPiece(of: span) { offset, piece in try target.writeAll(toAbsoluteOffset: offset, piece) }
  }

  /// Reads some of the file's bytes in order, with blocking calls. A piece is valid only inside `body`.
  private func forEachPiece(of span: Range<Int64>, _ body: (Int64, UnsafeRawBufferPointer) throws -> Void) throws {
    var offset = span.lowerBound
    try withUnsafeTemporaryAllocation(byteCount: 256 << 10, alignment: 64) { space in
      while offset < span.upperBound {
        let count = Int(min(Int64(space.count), span.upperBound - offset))
        let read = try descriptor.read(
          fromAbsoluteOffset: offset, into: UnsafeMutableRawBufferPointer(rebasing: space[..<count]))
        guard read > 0 else { throw OpenFile.shortened }
        try body(offset, UnsafeRawBufferPointer(rebasing: space[..<read]))
        offset += Int64(read)
      }
    }
  }

  private static var shortened: TapedeckError {
    TapedeckError(.objectDamaged, detail: "a file is shorter than when it was opened")
  }
}

extension NIOThreadPool {
  /// Runs a blocking call on one of the pool's threads; maps errors to `TapedeckError`, with `what` for the log.
  func blocking<T: Sendable>(
    _ what: String, _ body: @escaping @Sendable () throws -> T
  ) async throws(TapedeckError) -> T {
    do { return try await runIfActive(body) } catch { throw fileSystemError(error, what) }
  }
}

/// The `TapedeckError` for what a file operation threw; a `TapedeckError` unchanged.
///
/// - Parameter what: the operation, for the log.
package func fileSystemError(_ error: any Error, _ what: String) -> TapedeckError {
  switch error {
  case let error as TapedeckError: error
  case is CancellationError: TapedeckError(.interrupted, cause: error)
  case Errno.noSpace, Errno.diskQuotaExceeded: TapedeckError(.diskFull, detail: what, cause: error)
  case Errno.fileTooLarge: .fileTooLarge(what, cause: error)
  case RegularFile.Failure.notRegular:
    TapedeckError(
      .storageFailed,
      "Something other than a regular file, such as a link or a pipe, is where a file should be. Remove it.",
      detail: what, cause: error)
  default: TapedeckError(.storageFailed, detail: "\(what): \(error)", cause: error)
  }
}
