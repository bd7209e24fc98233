import CPostgres
import Dispatch
import Synchronization

/// Cancels the current statement of a session from another thread, and no other statement.
final class Interrupter: Sendable {
  private struct State {
    var work: UInt64?
    var isInterrupted = false
  }

  /// libpq's `PGcancel`.
  private struct Handle: @unchecked Sendable {  // libpq allows its use from any thread.
    let pointer: OpaquePointer
  }

  private let state = Mutex(State())
  /// Locked while it is used, so that the thread cannot start other work meanwhile.
  private let handle = Mutex<Handle?>(nil)
  /// `PQcancel` opens a connection and blocks, so it runs on its own queue.
  private static let queue = DispatchQueue(label: "tapedeck.postgresql.cancel")

  deinit { use(nil) }

  /// Whether the current work was cancelled.
  var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

  /// Sets the connection to cancel on.
  func use(_ connection: OpaquePointer?) {
    let new = connection.flatMap { PQgetCancel($0) }.map(Handle.init)
    handle.withLock { handle in
      if let handle { PQfreeCancel(handle.pointer) }
      handle = new
    }
  }

  func begin(_ work: UInt64) { state.withLock { $0 = State(work: work) } }

  /// Waits for a cancellation in progress, so that it cannot affect the work that follows.
  func end() {
    state.withLock { $0 = State() }
    handle.withLock { _ in }
  }

  /// Returns at once; the statement usually ends shortly after.
  func interrupt(_ work: UInt64) {
    let isCurrent = state.withLock { state in
      state.isInterrupted = state.isInterrupted || state.work == work
      return state.work == work
    }
    guard isCurrent else { return }
    Self.queue.async { [self] in
      handle.withLock { handle in
        guard let handle, state.withLock({ $0.work == work }) else { return }
        var message = [CChar](repeating: 0, count: 256)
        // A failure means that the request could not be sent; then the statement runs to its end.
        _ = PQcancel(handle.pointer, &message, Int32(message.count))
      }
    }
  }
}
