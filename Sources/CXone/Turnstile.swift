package import Model
import Synchronization

/// Limits how many tasks run at a time; the others wait in order of arrival.
///
/// The decisions are `Turnstile.State`; this class only keeps the continuations.
package final class Turnstile: Sendable {
  private struct Waiting {
    var state: State
    var continuations: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    var nextTicket: UInt64 = 0
  }

  private let waiting: Mutex<Waiting>

  package init(places: Int) { waiting = Mutex(Waiting(state: State(free: max(1, places)))) }

  /// Runs `body` with a place taken; waits for one first.
  ///
  /// - Throws: what `body` throws, and `interrupted` when the task is cancelled in line.
  package func withPlace<Result>(_ body: () async throws(TapedeckError) -> Result) async throws(TapedeckError) -> Result
  {
    do {
      try await enter()
    } catch {
      throw TapedeckError(.interrupted, cause: error)
    }
    defer { leave() }
    return try await body()
  }

  private func enter() async throws {
    let ticket = waiting.withLock {
      $0.nextTicket += 1
      return $0.nextTicket
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let outcome: Result<Void, any Error>? = waiting.withLock {
          // A cancellation that came earlier found no continuation to resume.
          if Task.isCancelled { return .failure(CancellationError()) }
          if $0.state.arrive(ticket) { return .success(()) }
          $0.continuations[ticket] = continuation
          return nil
        }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      let continuation = waiting.withLock {
        $0.state.giveUp(ticket)
        return $0.continuations.removeValue(forKey: ticket)
      }
      continuation?.resume(throwing: CancellationError())
    }
  }

  private func leave() {
    let next = waiting.withLock { waiting in
      waiting.state.leave().flatMap { waiting.continuations.removeValue(forKey: $0) }
    }
    next?.resume()
  }
}

extension Turnstile {
  /// The free places and the queue of waiting tickets.
  package struct State {
    private var free: Int
    private var line: [UInt64] = []

    package init(free: Int) { self.free = free }

    /// Whether the ticket may go in at once; otherwise it stands in line.
    package mutating func arrive(_ ticket: UInt64) -> Bool {
      guard free > 0 else {
        line.append(ticket)
        return false
      }
      free -= 1
      return true
    }

    /// Takes a ticket out of the line; one that is inside stays inside.
    package mutating func giveUp(_ ticket: UInt64) { line.removeAll { $0 == ticket } }

    /// Frees a place and returns the next waiting ticket, which takes it; nil when none waits.
    package mutating func leave() -> UInt64? {
      guard line.isEmpty else { return line.removeFirst() }
      free += 1
      return nil
    }
  }
}
