import CPostgres
import Dispatch
import Synchronization

/// Stops what a thread has the server do, from another thread, and nothing else that it does.
final class Interrupter: Sendable {
  private struct State {
    var work: UInt64?
    var isInterrupted = false
  }

  /// libpq's `PGcancel`: what it takes to cancel on a connection.
  private struct Handle: @unchecked Sendable {  // It is made to be used from any thread.
    let pointer: OpaquePointer
  }

  private let state = Mutex(State())
  /// Held while it is used, so that a thread cannot go on to other work meanwhile.
  private let handle = Mutex<Handle?>(nil)
  /// Cancelling opens a connection of its own and waits for the server, so it has a thread of its own.
  private static let queue = DispatchQueue(label: "tapedeck.postgresql.cancel")

  deinit { use(nil) }

  /// Whether the work at hand is no longer wanted.
  var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

  /// From now on another connection, or none.
  func use(_ connection: OpaquePointer?) {
    let new = connection.flatMap { PQgetCancel($0) }.map(Handle.init)
    handle.withLock { handle in
      if let handle { PQfreeCancel(handle.pointer) }
      handle = new
    }
  }

  func begin(_ work: UInt64) { state.withLock { $0 = State(work: work) } }

  /// Waits for a cancellation that is on its way, so that it cannot meet the next work.
  func end() {
    state.withLock { $0 = State() }
    handle.withLock { _ in }
  }

  /// Returns at once; the statement ends a moment later.
  func interrupt(_ work: UInt64) {
    let isCurrent = state.withLock { state in
      state.isInterrupted = state.isInterrupted || state.work == work
      return state.work == work
    }
    guard isCurrent else { return }
    Self.queue.async { [self] in
      handle.withLock { handle in
        guard let handle, state.withLock({ $0.work == work }) else { return }
        var complaint = [CChar](repeating: 0, count: 256)
        // That it came too late is no failure.
        _ = PQcancel(handle.pointer, &complaint, Int32(complaint.count))
      }
    }
  }
}
