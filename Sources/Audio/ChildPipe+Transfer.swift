import Glibc
import SystemPackage

extension ChildPipe {
  /// Passes a whole file to the child. Ends early, without an error, when the child reads no further.
  ///
  /// `progressed` is called for each piece that went into the pipe.
  func send(_ path: FilePath, progressed: @escaping @Sendable () -> Void) async throws {
    try await onThread {
      let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      try file.closeAfter {
        var offset: off_t = 0
        var move = self.splice
        while try self.wait() {
          let count = move(file, &offset)
          if count > 0 {
            progressed()
            continue
          }
          switch count < 0 ? errno : 0 {
          // What FFmpeg says and how it exits tell more than a broken pipe.
          case 0, EPIPE: return
          case EAGAIN, EINTR: continue
          // Not every file system can splice.
          case EINVAL where offset == 0, ENOSYS where offset == 0: move = self.copy
          case let code: throw Errno(rawValue: code)
          }
        }
      }
    }
  }

  /// Hands over what the child writes until it closes its end; `state` is what `take` has made of it.
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
      // What the pipe did not take is read again.
      offset += off_t(max(0, written))
      return written
    }
  }
}
