package import Catalog
import Model
import NIOCore
import ServiceLifecycle
import Synchronization

/// Wakes the requests that wait for a job, with one subscription to the catalog for the whole node.
package final class JobWaiters: Service {
  /// How many requests may wait, since each of them keeps a connection.
  package struct Limits: Sendable {
    var total: Int
    var perIdentity: Int

    /// - Parameter connections: how many the node accepts.
    package init(connections: Int) {
      total = max(1, connections / 2)
      perIdentity = max(1, connections / 4)
    }
  }

  private struct Waiter {
    let continuation: AsyncStream<Void>.Continuation
    let identity: String
  }

  private struct State {
    var next = 0
    var waiters: [Int64: [Int: Waiter]] = [:]
    var counts: [String: Int] = [:]
    var total = 0
    var isOver = false
  }

  private let catalog: Catalog
  private let limits: Limits
  private let interval: Duration
  private let state = Mutex(State())

  /// - Parameter interval: the longest delay after a lost wake-up.
  package init(catalog: Catalog, limits: Limits, interval: Duration = .seconds(10)) {
    self.catalog = catalog
    self.limits = limits
    self.interval = interval
  }

  /// The number of requests that wait.
  package var count: Int { state.withLock { $0.total } }

  package func run() async throws {
    let changes = catalog.changes()
    await withGracefulShutdownHandler {
      for await change in changes.cancelOnGracefulShutdown() {
        for waiter in waiters(concernedBy: change) { waiter.continuation.yield() }
      }
    } onGracefulShutdown: {
      self.end()
    }
    end()
  }

  private func waiters(concernedBy change: Change) -> [Waiter] {
    state.withLock { state in
      switch change {
      case .job(let id): Array((state.waiters[id] ?? [:]).values)
      // The account or token of any of them may have ended.
      case .accessNarrowed: state.waiters.values.flatMap(\.values)
      case .workDue, .webhookDue, .taskDue: []
      }
    }
  }

  /// Yields whenever the row of a job changes, when access is withdrawn from any identity, and after each interval.
  /// Finishes at the deadline, when the client closes the connection, at shutdown, and at once when too many requests
  /// wait.
  ///
  /// - Parameters:
  ///   - identity: who waits.
  ///   - channel: the connection of the client.
  func changes(
    of jobID: Int64, for identity: String, on channel: any Channel, until deadline: ContinuousClock.Instant
  ) -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    guard let number = add(Waiter(continuation: continuation, identity: identity), to: jobID) else {
      continuation.finish()
      return stream
    }
    // Unstructured, as it ends with the stream.
    let clock = Task { [interval] in
      while !Task.isCancelled, .now < deadline {
        try? await Task.sleep(for: min(deadline - .now, interval))
        continuation.yield()
      }
      continuation.finish()
    }
    continuation.onTermination = { [weak self] _ in
      clock.cancel()
      self?.remove(number, from: jobID)
    }
    channel.triggerUserOutboundEvent(ConnectionHandler.Left()).whenSuccess { continuation.finish() }
    return stream
  }

  private func add(_ waiter: Waiter, to jobID: Int64) -> Int? {
    state.withLock { state in
      let own = state.counts[waiter.identity, default: 0]
      guard !state.isOver, state.total < limits.total, own < limits.perIdentity else { return nil }
      state.total += 1
      state.counts[waiter.identity] = own + 1
      state.next += 1
      state.waiters[jobID, default: [:]][state.next] = waiter
      return state.next
    }
  }

  private func remove(_ number: Int, from jobID: Int64) {
    state.withLock { state in
      guard let waiter = state.waiters[jobID]?.removeValue(forKey: number) else { return }
      if state.waiters[jobID]?.isEmpty == true { state.waiters[jobID] = nil }
      state.total -= 1
      let own = state.counts[waiter.identity, default: 1] - 1
      state.counts[waiter.identity] = own > 0 ? own : nil
    }
  }

  private func end() {
    let waiters = state.withLock { state in
      state.isOver = true
      return state.waiters.values.flatMap(\.values)
    }
    for waiter in waiters { waiter.continuation.finish() }
  }
}
