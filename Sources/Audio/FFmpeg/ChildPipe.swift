import Foundation
import Glibc
import Synchronization
import SystemPackage

/// A pipe to or from a child process. A blocking thread moves the data, because resuming a task for each piece costs
/// more.
///
/// No other child inherits either end: an inherited writing end would keep the reader from seeing the end of the data.
final class ChildPipe: Sendable {
  enum Direction { case toChild, fromChild }

  let ours: FileDescriptor
  let childs: FileDescriptor
  private let direction: Direction
  private let open = Mutex((ours: true, childs: true))
  private let isStopped = Atomic(false)

  /// - Parameter size: the capacity in bytes; nil for the system's default (64 KiB).
  init(_ direction: Direction, size: CInt? = nil) throws {
    let (read, write) = try FileDescriptor.pipe(options: .closeOnExec)
    (ours, childs) = direction == .toChild ? (write, read) : (read, write)
    self.direction = direction
    // Swift's Glibc module does not export F_SETPIPE_SZ.
    let setSize: CInt = 1031
    // A larger pipe only saves wake-ups; above the user's quota of pipe memory the default remains.
    if let size { _ = fcntl(ours.rawValue, setSize, size) }
    // Only for this end, because each end has its own flags; `wait()` is the only place that blocks.
    _ = fcntl(ours.rawValue, F_SETFL, O_NONBLOCK)
  }

  /// Closes this process's copy of the child's end after the child has inherited it. Can be called again.
  func closeChilds() {
    let wasOpen = open.withLock { state in
      defer { state.childs = false }
      return state.childs
    }
    if wasOpen { try? childs.close() }
  }

  /// Closes what is still open. No thread may use the pipe any more.
  func close() {
    closeChilds()
    let wasOpen = open.withLock { state in
      defer { state.ours = false }
      return state.ours
    }
    if wasOpen { try? ours.close() }
  }

  /// Waits until this end is ready or the other one is closed; false when the task was cancelled.
  func wait() throws -> Bool {
    var end = pollfd(fd: ours.rawValue, events: Int16(direction == .toChild ? POLLOUT : POLLIN), revents: 0)
    while !isStopped.load(ordering: .relaxed) {
      // Killing the child closes its end and ends the wait. The timeout is for a process that left the child's group.
      let count = poll(&end, 1, 1000)
      if count > 0 { return true }
      if count < 0, errno != EINTR { throw Errno(rawValue: errno) }
    }
    return false
  }

  /// Runs blocking work on a new thread, which has finished the work when this returns or throws.
  func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
      }
    } onCancel: {
      isStopped.store(true, ordering: .relaxed)
    }
  }
}
