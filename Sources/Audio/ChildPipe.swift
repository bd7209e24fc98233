import Foundation
import Glibc
import Synchronization
import SystemPackage

/// A pipe to or from a child process, moved by a thread that blocks instead of by a task that is woken for each piece.
///
/// Neither end is inherited by any other child: an inherited writing end would keep its reader from ever seeing the end.
final class ChildPipe: Sendable {
  enum Direction { case toChild, fromChild }

  let ours: FileDescriptor
  let childs: FileDescriptor
  private let direction: Direction
  private let open = Mutex((ours: true, childs: true))
  private let isStopped = Atomic(false)

  /// - Parameter size: bytes that it holds at most; nil leaves it to the system (64 KiB).
  init(_ direction: Direction, size: CInt? = nil) throws {
    let (read, write) = try FileDescriptor.pipe(options: .closeOnExec)
    (ours, childs) = direction == .toChild ? (write, read) : (read, write)
    self.direction = direction
    // Glibc's module leaves F_SETPIPE_SZ out.
    let setSize: CInt = 1031
    // A larger pipe only means fewer wake-ups; a user who has many pipes open gets the usual size.
    if let size { _ = fcntl(ours.rawValue, setSize, size) }
    // Only for us, because each end has its own flags: `wait()` must stay the only place that blocks.
    _ = fcntl(ours.rawValue, F_SETFL, O_NONBLOCK)
  }

  /// Closes the child's end here, after the child has got it. Can be called again.
  func closeChilds() {
    let wasOpen = open.withLock { state in
      defer { state.childs = false }
      return state.childs
    }
    if wasOpen { try? childs.close() }
  }

  /// Closes what is still open. No thread may be at work any more.
  func close() {
    closeChilds()
    let wasOpen = open.withLock { state in
      defer { state.ours = false }
      return state.ours
    }
    if wasOpen { try? ours.close() }
  }

  /// Waits until our end has something to do, or the other has been closed; false when the task was cancelled.
  func wait() throws -> Bool {
    var end = pollfd(fd: ours.rawValue, events: Int16(direction == .toChild ? POLLOUT : POLLIN), revents: 0)
    while !isStopped.load(ordering: .relaxed) {
      // A child that is killed closes its end and so ends the wait; the second is for one that escaped its group.
      let count = poll(&end, 1, 1000)
      if count > 0 { return true }
      if count < 0, errno != EINTR { throw Errno(rawValue: errno) }
    }
    return false
  }

  /// Runs blocking work on a thread of its own, which has ended its work when this returns or throws.
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
