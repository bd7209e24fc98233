import Glibc
import SystemPackage

extension ChildPipe {
  /// Passes a complete file to the child, from an offset in bytes. Returns early, without an error, when the child
  /// stops reading.
  ///
  /// `progressed` is called for each piece written to the pipe.
  func send(
    _ file: FileDescriptor, from start: Int64 = 0, progressed: @escaping @Sendable () -> Void
  ) async throws {
    try await onThread {
      var offset = off_t(start)
      var move = self.splice
      while try self.wait() {
        let count = move(file, &offset)
        if count > 0 {
          progressed()
          continue
        }
        switch count < 0 ? errno : 0 {
        // FFmpeg's messages and exit status say more than a broken pipe.
        case 0, EPIPE: return
        case EAGAIN, EINTR: continue
        // Not every file system supports splicing.
        case EINVAL where offset == start, ENOSYS where offset == start: move = self.copy
        case let code: throw Errno(rawValue: code)
        }
      }
    }
  }

  /// Passes bytes to the child and returns when it has taken them all; false when it stops reading.
  func send(_ bytes: [UInt8]) async throws -> Bool {
    // Usually the pipe takes all of them at once, and no thread is needed.
    guard let taken = try put(bytes[...]) else { return false }
    if taken == bytes.count { return true }
    return try await onThread {
      var rest = bytes.dropFirst(taken)
      while !rest.isEmpty {
        guard try self.wait(), let taken = try self.put(rest) else { return false }
        rest = rest.dropFirst(taken)
      }
      return true
    }
  }

  /// How many bytes the pipe takes now; nil when the child has stopped reading.
  private func put(_ bytes: ArraySlice<UInt8>) throws -> Int? {
    let count = bytes.withUnsafeBytes { write(ours.rawValue, $0.baseAddress, $0.count) }
    if count >= 0 { return count }
    switch errno {
    case EPIPE: return nil
    case EAGAIN, EINTR: return 0
    case let code: throw Errno(rawValue: code)
    }
  }

  /// Reads what the child writes until it closes its end, and returns the final `state` as updated by `take`.
  func receive<State: Sendable>(
    into state: State, _ take: @escaping @Sendable (inout State, UnsafeRawBufferPointer) throws -> Void
  ) async throws -> State {
    try await onThread {
      var state = state
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
      defer { buffer.deallocate() }
      while try self.wait() {
        let count = read(self.ours.rawValue, buffer.baseAddress, buffer.count)
        if count == 0 { break }
        if count > 0 {
          try take(&state, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        } else if errno != EAGAIN, errno != EINTR {
          throw Errno(rawValue: errno)
        }
      }
      return state
    }
  }

  /// Moves pages of the file into the pipe without copying them.
  private func splice(_ file: FileDescriptor, _ offset: inout off_t) -> Int {
    sendfile(ours.rawValue, file.rawValue, &offset, 1 << 20)
  }

  private func copy(_ file: FileDescriptor, _ offset: inout off_t) -> Int {
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
      let count = pread(file.rawValue, buffer.baseAddress, buffer.count, offset)
      guard count > 0 else { return count }
      let written = write(ours.rawValue, buffer.baseAddress, count)
      // Bytes that the pipe did not take are read again.
      offset += off_t(max(0, written))
      return written
    }
  }
}
