import Foundation
import Glibc
import Synchronization
import SystemPackage

/// A file descriptor that is closed once: on request, or with the last reference to it.
final class OwnedDescriptor: Sendable {
  let number: CInt
  private let isOpen = Atomic(true)

  init(_ descriptor: FileDescriptor) { number = descriptor.rawValue }

  deinit { close() }

  /// Closes the descriptor, which no thread may use any more.
  func close() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { _ = Glibc.close(number) }
  }
}

/// A pipe between this process and a conversion. Blocking threads move the data, because resuming a task for each piece
/// costs more. They end when the other end is closed, which the end of the conversion does.
///
/// No child inherits either end: an inherited writing end would keep the reader from seeing the end of the data.
struct ConversionPipe: Sendable {
  let reading: OwnedDescriptor
  let writing: OwnedDescriptor

  /// - Throws: `Errno`.
  init() throws {
    let ends = try FileDescriptor.pipe(options: .closeOnExec)
    (reading, writing) = (OwnedDescriptor(ends.readEnd), OwnedDescriptor(ends.writeEnd))
  }

  /// Prepares for sending. A larger pipe only saves wake-ups; above the user's quota of pipe memory, it stays small.
  func prepareForSending() {
    // Swift's Glibc module does not export F_SETPIPE_SZ.
    let setSize: CInt = 1031
    _ = fcntl(writing.number, setSize, 1 << 20)
    // Only for this end, because each end has its own flags.
    _ = fcntl(writing.number, F_SETFL, O_NONBLOCK)
  }

  /// Passes bytes to the conversion and returns when it or the pipe has taken them all; false when it stops reading.
  ///
  /// - Throws: `Errno`.
  func send(_ bytes: [UInt8]) async throws -> Bool {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(writing.number, $0.baseAddress, $0.count) }
      switch count < 0 ? errno : 0 {
      case 0: rest = rest.dropFirst(count)
      case EPIPE: return false
      case EINTR: continue
      case EAGAIN:
        try await onThread {
          var end = pollfd(fd: writing.number, events: Int16(POLLOUT), revents: 0)
          _ = poll(&end, 1, -1)
        }
      case let code: throw Errno(rawValue: code)
      }
    }
    return true
  }

  /// Reads what the conversion writes until it closes its end, and returns the final `state` as updated by `take`.
  func receive<State: Sendable>(
    into state: State, _ take: @escaping @Sendable (inout State, UnsafeRawBufferPointer) throws -> Void
  ) async throws -> State {
    try await onThread {
      var state = state
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
      defer { buffer.deallocate() }
      while true {
        let count = read(reading.number, buffer.baseAddress, buffer.count)
        if count == 0 { return state }
        if count > 0 {
          try take(&state, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        } else if errno != EINTR {
          throw Errno(rawValue: errno)
        }
      }
    }
  }

  /// Runs blocking work on a new thread, which has finished the work when this returns or throws.
  private func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
    }
  }
}
