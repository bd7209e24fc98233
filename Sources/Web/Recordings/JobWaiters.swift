package import Catalog
import Model
import ServiceLifecycle
import Synchronization

/// Wakes the requests that wait for a job, with one subscription to the catalog for the whole node.
package final class JobWaiters: Service {
  private struct State {
    var next = 0
    var waiters: [Int64: [Int: AsyncStream<Void>.Continuation]] = [:]
    var isOver = false
  }

  private let catalog: Catalog
  private let state = Mutex(State())

  package init(catalog: Catalog) { self.catalog = catalog }

  package func run() async throws {
    let changes = catalog.changes()
    await withGracefulShutdownHandler {
      for await change in changes.cancelOnGracefulShutdown() {
        guard case .job(let id) = change else { continue }
        for waiter in state.withLock({ Array(($0.waiters[id] ?? [:]).values) }) { waiter.yield() }
      }
    } onGracefulShutdown: {
      self.end()
    }
    end()
  }

  /// Whether the server is shutting down, so that waiting requests must be answered.
  var isOver: Bool { state.withLock { $0.isOver } }

  /// Yields whenever the row of a job changes, and once at the deadline; finishes at shutdown.
  ///
  /// Also yields every few seconds, so that a lost wake-up causes only a short delay.
  func changes(of jobID: Int64, until deadline: ContinuousClock.Instant) -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let number: Int? = state.withLock { state in
      guard !state.isOver else { return nil }
      state.next += 1
      state.waiters[jobID, default: [:]][state.next] = continuation
      return state.next
    }
    guard let number else {
      continuation.finish()
      return stream
    }
    // Unstructured, as it ends with the stream.
    let clock = Task {
      while !Task.isCancelled, .now < deadline {
        try? await Task.sleep(for: min(deadline - .now, .seconds(5)))
        continuation.yield()
      }
    }
    continuation.onTermination = { [weak self] _ in
      clock.cancel()
      self?.state.withLock { state in
        state.waiters[jobID]?[number] = nil
        if state.waiters[jobID]?.isEmpty == true { state.waiters[jobID] = nil }
      }
    }
    return stream
  }

  private func end() {
    let waiters = state.withLock { state in
      state.isOver = true
      defer { state.waiters = [:] }
      return state.waiters.values.flatMap(\.values)
    }
    for waiter in waiters { waiter.finish() }
  }
}
